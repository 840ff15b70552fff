"""Check every hash of a run; `--replay` trains it again in another folder and compares the bits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cvrun import ledger
from cvrun.changes import read as read_changes
from cvrun.command._arguments import parser_of
from cvrun.command._output import say, show
from cvrun.command._run_folder import SOUP, existing, require_trained
from cvrun.config import load
from cvrun.errors import CheckpointError, ConfigError
from cvrun.folder import RunFolder
from cvrun.keys import RESUME_KEYS
from cvrun.report.openings import of_run
from cvrun.report.tables import text_table
from cvrun.trainer import checkpoint
from cvrun.trainer.digest import digest
from cvrun.yamlfile import load_yaml

Row = tuple[str, str, str]
"""What was looked at, "ok" or what is wrong, and what else there is to say."""


def run(arguments: list[str]) -> int:
    """Print a line for each thing that was checked; give the exit code: 4 when something is wrong.

    Raises:
        CheckpointError: If a replay ends with other bits.
    """
    parser = parser_of("verify", __doc__)
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("--replay", action="store_true", help="train again and compare with the newest state")
    parser.add_argument("--since", type=int, metavar="STEP", help="replay from the state that was kept at this step")
    keys = f"with --replay, one of {', '.join(RESUME_KEYS)}"
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=keys)
    given = parser.parse_args(arguments)
    if not given.replay and (given.since is not None or given.set):
        raise ConfigError("--since and --set: expected --replay beside them")
    folder = existing(given.run)
    if given.replay:
        require_trained(folder)
    rows = [*_commits(folder), _pointer(folder), *_texts(folder)]
    show(text_table(["file", "state", "what"], [list(row) for row in rows], whole=(0,)))
    wrong = [row for row in rows if row[1] != "ok"]
    if wrong:
        say(f"cvrun verify: {folder.path}: {len(wrong)} of {len(rows)} are not as they were written")
        return CheckpointError.exit_code
    if given.replay:
        from cvrun.command._replay import replay

        show(replay(folder, load(folder.spec, given.set), given.since, say))
    return 0


def _commits(folder: RunFolder) -> list[Row]:
    rows: list[Row] = []
    status = folder.read_status() or {}
    for kind in ("step", "best"):
        for path in checkpoint.commits(folder.checkpoints, kind):
            try:
                rows.append((_name(folder, path), "ok", _what(path, kind, status)))
            except (CheckpointError, KeyError, ValueError, TypeError) as error:
                # A run that goes on meanwhile drops old ones.
                if path.exists() or not folder.is_held():
                    rows.append((_name(folder, path), "damaged", str(error)))
    return rows or [(_name(folder, folder.checkpoints), "missing", "no checkpoint")]


def _what(path: Path, kind: str, status: Mapping[str, Any]) -> str:
    """Give what there is to say of a commit that is as it was written."""
    content = checkpoint.read(path)
    if kind == "best":
        return f"score {content['score']:.6g}"
    found = digest(content["state"])
    ended = status.get("state") == "finished" and status.get("step") == checkpoint.step_of(path)
    if ended and status.get("digest") not in (None, found):
        raise CheckpointError("its digest is not the one in status.json")
    return f"digest {found[:16]}"


def _pointer(folder: RunFolder) -> Row:
    path = folder.checkpoints / "last"
    newest = {path.name for kind in ("step", "best") for path in checkpoint.commits(folder.checkpoints, kind)}
    try:
        named = path.read_text().strip()
    except FileNotFoundError:
        # Nor does a kill before the first pointer; runs of older code have none.
        return (_name(folder, path), "ok", "not written yet")
    except (OSError, UnicodeDecodeError):
        named = ""
    # A kill between a commit and its pointer leaves the older name, which does no harm.
    return (_name(folder, path), "ok" if named in newest else "damaged", named or "nothing")


def _texts(folder: RunFolder) -> list[Row]:
    """Check what is text: it has no hash, so see that it can be read and belongs together."""
    rows: list[Row] = []
    identity = load(folder.spec, []).id
    try:
        plan = load_yaml(folder.plan)
        fits = isinstance(plan, dict) and plan.get("run_id") == identity
        rows.append((_name(folder, folder.plan), "ok" if fits else "another run's", f"run {identity}"))
    except (OSError, ConfigError, yaml.YAMLError) as error:
        rows.append((_name(folder, folder.plan), "damaged", str(error)))
    try:
        steps = [json.loads(line)["step"] for line in folder.records.read_text().splitlines()]
        ordered = all(before <= after for before, after in zip(steps, steps[1:], strict=False))
        state = "ok" if ordered else "out of order"
        rows.append((_name(folder, folder.records), state, f"{len(steps):,} records to step {max(steps, default=0):,}"))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        rows.append((_name(folder, folder.records), "damaged", type(error).__name__))
    rows += _openings(folder)
    rows += _soup(folder)
    entries = read_changes(folder.changes)
    if entries:
        rows.append((_name(folder, folder.changes), "ok", f"{len(entries)} changes"))
    return rows


def _soup(folder: RunFolder) -> list[Row]:
    """Check that the weights of a soup are those that soup.json speaks of."""
    if not (folder.path / SOUP).exists():
        return []
    from cvrun.command._soup_folder import read

    about = read(folder)
    best = checkpoint.commits(folder.checkpoints, "best")
    try:
        fits = bool(best) and digest(checkpoint.read(best[0])["model"]) == about["weights"]
        members = sum(bool(row["kept"]) for row in about["members"])
        return [(SOUP, "ok" if fits else "another's", f"the mean of {members} models")]
    except (CheckpointError, KeyError, TypeError) as error:
        return [(SOUP, "damaged", type(error).__name__)]


def _openings(folder: RunFolder) -> list[Row]:
    """Check the run's lines of the ledger of test sets, and that the ledger has them."""
    if not (folder.path / ledger.COPY).exists():
        return []
    try:
        of_run(folder)
        count = len(ledger.copies(folder.path / ledger.COPY))
        return [(ledger.COPY, "ok", f"{count} openings of test sets, as {ledger.NAME} has them")]
    except CheckpointError as error:
        return [(ledger.COPY, "damaged", str(error))]


def _name(folder: RunFolder, path: Path) -> str:
    return path.relative_to(folder.path).as_posix()
