"""One job of a command: to train, and to tell how that ended."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cvrun.command._output import say
from cvrun.errors import CvrunError, DivergedError, EndedElsewhereError
from cvrun.spec import Spec
from cvrun.stopping import STOPPED, stopped_by


@dataclass(frozen=True)
class Ending:
    """How a job ended.

    Attributes:
        state: finished, interrupted, not started, or what went wrong.
        exit_code: 0 when it is finished.
        score: Of the monitor, or None where there is none.
        text: What the user is to be shown.
        folder: Of the run; None where it has none.
    """

    state: str
    exit_code: int
    score: float | None = None
    text: str = ""
    folder: Path | None = None


def attempt(work: Callable[[], Ending]) -> Ending:
    """Give how work ended; what goes wrong in it is said, and goes no further."""
    try:
        return work()
    except EndedElsewhereError as error:
        # The other process has said so.
        return Ending(f"failed: {error}", error.exit_code)
    except CvrunError as error:
        if signalled := stopped_by(error):
            return _interrupted(signalled)
        word = "diverged" if isinstance(error, DivergedError) else "failed"
        _say(str(error))
        return Ending(f"{word}: {error}", error.exit_code)
    except KeyboardInterrupt:
        return _interrupted(130)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        stopped = code in STOPPED
        state = "interrupted" if stopped else f"exited with code {code}"
        _say(state)
        return Ending(state, code or 1)
    except Exception as error:
        if signalled := stopped_by(error):
            return _interrupted(signalled)
        line = " ".join(f"internal error, {type(error).__name__}: {error}".split())
        _say(f"{line}; CVRUN_TRACEBACK=1 shows where")
        return Ending(f"failed: {line}", 1)


def _interrupted(code: int) -> Ending:
    _say("interrupted")
    return Ending("interrupted", code)


def train(spec: Spec, words: Sequence[str]) -> Ending:
    """Train in this process, or in one for each device where the spec wants several.

    Args:
        spec: What to train.
        words: What `cvrun train` would have to be given for it.

    Raises:
        CvrunError: If it cannot be run.
    """
    from cvrun.command._launch import launch, launches

    if launches(spec):
        return _launched(spec, launch(spec, ["train", *words]))
    from cvrun.command._execute import execute
    from cvrun.prepare import address
    from cvrun.report.summary import summary

    outcome = execute(spec, address(spec), rerun=spec.settings.rerun)
    text = summary(outcome.folder, outcome.status, outcome.note) if outcome.ours else ""
    score = outcome.status.get("score")
    return Ending(str(outcome.status.get("state")), outcome.exit_code, score, text, outcome.folder)


def _launched(spec: Spec, code: int) -> Ending:
    """Give how a run ended whose processes have told the user themselves."""
    from cvrun.prepare import address

    folder = address(spec)
    status = folder.read_status() or {}
    state = "interrupted" if code in STOPPED else str(status.get("state"))
    if code and code not in STOPPED:
        word = "diverged" if code == DivergedError.exit_code else "failed"
        state = f"{word}: {status.get('reason')}" if status.get("state") == word else f"exited with code {code}"
    return Ending(state, code, status.get("score"), folder=folder.path)


def _say(line: str) -> None:
    say(f"cvrun train: {line}")
    if os.environ.get("CVRUN_TRACEBACK") == "1":
        import traceback

        traceback.print_exc()
