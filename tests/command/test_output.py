import subprocess
import sys

from cvrun.command._output import show


def test_text_is_written(capsys):
    show("a\nb")
    assert capsys.readouterr().out == "a\nb"


def test_a_reader_that_has_gone_is_no_error():
    code = "import sys; from cvrun.command._output import show; [show('x' * 70000) for _ in range(3)]; sys.exit(7)"
    reader = subprocess.Popen(["true"], stdin=subprocess.PIPE)
    reader.wait(timeout=30)
    done = subprocess.run([sys.executable, "-c", code], stdout=reader.stdin, stderr=subprocess.PIPE, timeout=60)
    reader.stdin.close()
    assert done.returncode == 7
    assert done.stderr == b""
