import errno
import os
import signal
import subprocess
import sys

import pytest

from cvrun import __version__, cli
from cvrun.errors import DataError, EndedElsewhereError


@pytest.fixture
def command(monkeypatch):
    """Makes `cvrun options` do something else."""
    from cvrun.command import options

    def use(action):
        monkeypatch.setattr(options, "run", action)

    return use


def raising(error):
    def action(arguments):
        raise error

    return action


def test_no_command_prints_the_usage_to_standard_error(capsys):
    assert cli.main([]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("usage: cvrun COMMAND")


@pytest.mark.parametrize("word", ["--help", "-h", "help"])
def test_help_lists_every_command_with_its_line(word, capsys):
    assert cli.main([word]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    for name, line in cli.commands().items():
        assert f"  {name:<9} {line}\n" in said.out
        assert line


def test_commands_are_the_modules_of_the_folder():
    known = {
        "train",
        "check",
        "resume",
        "eval",
        "test",
        "predict",
        "calibrate",
        "export",
        "runs",
        "options",
        "confirm",
        "compare",
    }
    assert known <= set(cli.commands())
    assert not [name for name in cli.commands() if name.startswith("_")]


@pytest.mark.parametrize("word", ["--version", "-V"])
def test_version(word, capsys):
    assert cli.main([word]) == 0
    assert capsys.readouterr().out == f"cvrun {__version__}\n"


@pytest.mark.parametrize(("word", "nearest"), [("trian", "train"), ("evaluate", "eval"), ("zzz", None), ("", None)])
def test_unknown_command_names_the_nearest(word, nearest, capsys):
    assert cli.main([word]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    assert said.err.startswith(f"cvrun: {word}: unknown command, expected one of cache, calibrate, check, ")
    assert ("did you mean" in said.err) == (nearest is not None)
    assert nearest is None or said.err.endswith(f"; did you mean '{nearest}'?\n")


@pytest.mark.parametrize("word", ["_execute", "__init__", "../cli", "train.py"])
def test_what_is_shared_is_no_command(word, capsys):
    assert cli.main([word]) == 2
    assert "unknown command" in capsys.readouterr().err


def test_arguments_and_exit_code_pass_through(command):
    command(lambda arguments: len(arguments))
    assert cli.main(["options", "a", "--b", "c"]) == 3


def test_words_of_the_process_are_the_default(command, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["cvrun", "options", "a"])
    command(lambda arguments: 5 if arguments == ["a"] else 1)
    assert cli.main() == 5


def test_error_for_the_user_is_one_line_with_its_code(command, capsys):
    command(raising(DataError("a.png: broken", "look at it")))
    assert cli.main(["options"]) == 3
    assert capsys.readouterr().err == "cvrun options: a.png: broken; look at it\n"


def test_internal_error_is_one_line(command, capsys):
    command(raising(KeyError("a\nb")))
    assert cli.main(["options"]) == 1
    assert capsys.readouterr().err == (
        "cvrun options: internal error, KeyError: 'a\\nb'; CVRUN_TRACEBACK=1 shows where\n"
    )


def test_interrupt_has_the_code_of_the_signal(command, capsys):
    command(raising(KeyboardInterrupt()))
    assert cli.main(["options"]) == 130
    assert capsys.readouterr().err == "cvrun options: interrupted\n"


@pytest.mark.parametrize("error", [DataError("broken"), RuntimeError("broken")])
def test_traceback_on_demand(error, command, capsys, monkeypatch):
    command(raising(error))
    monkeypatch.setenv("CVRUN_TRACEBACK", "0")
    cli.main(["options"])
    assert "Traceback" not in capsys.readouterr().err
    monkeypatch.setenv("CVRUN_TRACEBACK", "1")
    assert cli.main(["options"]) == getattr(error, "exit_code", 1)
    said = capsys.readouterr().err
    assert "Traceback (most recent call last)" in said and "in action" in said


def started(words, **settings) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-m", "cvrun", *words], stderr=subprocess.PIPE, text=True, **settings)


@pytest.mark.parametrize("words", [["options"], ["--help"], ["eval", "--help"], ["train", "--cfg", "job"]])
def test_reader_that_goes_away_is_no_error(words):
    reading, writing = os.pipe()
    os.close(reading)
    child = started(words, stdout=writing)
    os.close(writing)
    _, said = child.communicate(timeout=60)
    assert (child.returncode, said) == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize(("words", "who"), [(["options"], "cvrun options"), (["--help"], "cvrun")])
def test_output_that_cannot_be_written_is_one_line(words, who):
    with open("/dev/full", "w") as full:
        child = started(words, stdout=full)
        _, said = child.communicate(timeout=60)
    assert child.returncode == 7
    assert said == f"{who}: standard output: cannot be written (No space left on device)\n"


def test_completion_of_a_command_that_takes_no_overrides_is_empty(monkeypatch, capsys):
    monkeypatch.setenv("COMP_LINE", "cvrun runs out")
    assert cli.main(["-sc", "query=bash"]) == 0
    assert capsys.readouterr().out == ""


def test_completion_of_the_command(monkeypatch, capsys):
    monkeypatch.setenv("COMP_LINE", "cvrun tr")
    assert cli.main(["-sc", "query=bash"]) == 0
    assert capsys.readouterr().out.split() == list(cli.commands())


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-"])
def test_a_standard_error_that_takes_nothing_changes_no_exit_code(redirection):
    """What waits to be written would make Python end with 120."""
    code = (
        "import sys; from cvrun import cli; from cvrun.command import options\n"
        "def run(words):\n    try:\n        print('from a library', file=sys.stderr)\n"
        "    except OSError:\n        return 3\n"
        "options.run = run; sys.exit(cli.main(['options']))"
    )
    for words, expected in ((["-c", code], 3), (["-m", "cvrun", "nonsense"], 2)):
        command = ["sh", "-c", f'"$0" "$@" {redirection}', sys.executable, *words]
        done = subprocess.run(command, capture_output=True, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (expected, b"", b"")


def test_an_unknown_command_cannot_steer_a_terminal(capsys):
    assert cli.main(["\x1b[2J"]) == 2
    assert capsys.readouterr().err.startswith("cvrun: \\x1b[2J: unknown command")


def test_a_broken_pipe_that_is_not_the_output_is_an_error(command, capsys):
    command(raising(BrokenPipeError("a worker has gone")))
    assert cli.main(["options"]) == 1
    assert "internal error, BrokenPipeError: a worker has gone" in capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_somewhere_is_an_error_of_storage(command, capsys, number):
    command(raising(OSError(number, os.strerror(number), "/tmp/x")))
    assert cli.main(["options"]) == 7
    assert capsys.readouterr().err == f"cvrun options: [Errno {number}] {os.strerror(number)}: '/tmp/x'\n"


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), (signal.SIGUSR1, 143), (signal.SIGINT, 130)],
    ids=["TERM", "USR1", "INT"],
)
def test_a_signal_stays_one_when_what_it_interrupts_fails_over_it(command, capsys, number, code):
    """As in hydra/_internal/core_plugins/importlib_resources_config_source.py, whose `finally` knows no f yet."""

    def read(rest):
        try:
            signal.raise_signal(number)
            f = open(os.devnull)  # noqa: SIM115
        finally:
            f.close()

    command(read)
    assert cli.main(["options"]) == code
    assert "internal error" not in capsys.readouterr().err


def test_an_exit_that_was_no_signal_does_not_hide_an_error(command, capsys):
    def run(rest):
        try:
            sys.exit(3)
        finally:
            raise KeyError("after")

    command(run)
    assert cli.main(["options"]) == 1
    assert "internal error, KeyError" in capsys.readouterr().err


def test_what_another_process_has_said_is_not_said_again(command, capsys):
    command(raising(EndedElsewhereError("b.png: cannot be decoded", 3)))
    assert cli.main(["options"]) == 3
    assert capsys.readouterr() == ("", "")
