import pytest

from cvrun.command._failure import for_the_user, note_failure, state_after
from cvrun.errors import DataError, DivergedError, EndedElsewhereError, OutOfMemoryError
from cvrun.folder import RunFolder


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (DataError("x"), "failed"),
        (DivergedError("x"), "diverged"),
        (KeyboardInterrupt(), "interrupted"),
        (SystemExit(143), "interrupted"),
        (SystemExit(3), "failed"),
        # What another process ended with.
        (EndedElsewhereError("x", 3), "failed"),
        (EndedElsewhereError("x", 5), "diverged"),
        (EndedElsewhereError("x", 130), "interrupted"),
    ],
)
def test_the_state_after_an_error(error, wanted):
    assert state_after(error) == wanted


def test_the_reason_is_noted_over_what_the_last_commit_said(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_status({"state": "running", "reason": "training", "step": 4, "resumable": True})
    note_failure(folder, "diverged", DivergedError("train/loss=nan"))
    status = folder.read_status()
    assert (status["state"], status["reason"], status["step"], status["resumable"]) == (
        "diverged",
        "train/loss=nan",
        4,
        False,
    )


def test_a_run_that_is_finished_stays_so(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_status({"state": "finished", "reason": "all steps are done"})
    note_failure(folder, "failed", DataError("x"))
    assert folder.read_status()["state"] == "finished"


def test_a_process_that_does_not_write_notes_nothing(tmp_path):
    note_failure(RunFolder(tmp_path, ours=False), "failed", DataError("x"))
    assert list(tmp_path.iterdir()) == []


def test_other_errors_stay_as_they_are():
    error = RuntimeError("x")
    assert for_the_user(error, None) is error
    assert not isinstance(for_the_user(error, None), OutOfMemoryError)
