import os
import subprocess
import sys

from cvrun.cores import cores


def test_it_counts_what_the_process_may_use():
    assert cores() == len(os.sched_getaffinity(0)) >= 1
    one = min(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, [{one}]); from cvrun.cores import cores; print(cores())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "1\n"


def test_elsewhere_it_counts_all(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert cores() == 5
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1


def test_processes_of_a_launcher_share_them(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)))
    for sharing, wanted in (("1", 8), ("2", 4), ("3", 2), ("16", 1), ("", 8), ("x", 8), ("0", 8)):
        monkeypatch.setenv("LOCAL_WORLD_SIZE", sharing)
        assert cores() == wanted
    # Those that are to be started are counted where none has been started.
    assert (cores(2), cores(9)) == (4, 1)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert cores(2) == 4
