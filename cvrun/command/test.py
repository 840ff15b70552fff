"""Open the sealed test set for a run's model: `cvrun test RUN --unseal`; every opening is written down for good."""

from __future__ import annotations

import argparse
import json

from cvrun.command._arguments import parser_of
from cvrun.command._closer import asked, watched
from cvrun.command._external import external
from cvrun.command._measured import Images, Ready, add_arguments, content, measure, ready, text
from cvrun.command._output import show
from cvrun.command._unseal import Opened, unseal
from cvrun.errors import ConfigError, printable
from cvrun.folder import finite
from cvrun.report.openings import below
from cvrun.split import pool
from cvrun.warned import hearing

MEANING = (
    "opening is written to the ledger of test sets for good and every later report counts it, and a second model on the"
    " same test set needs a --reason; choose with `cvrun eval`, which measures on val, and open once"
)


def run(arguments: list[str]) -> int:
    """Write an opening to the ledger, print the metrics of the test set and save its predictions; give the exit code.

    Raises:
        ConfigError: If `--unseal` is not given, or a reason is needed.
        CvrunError: If the run, its data or the ledger cannot be used.
    """
    given = _parser().parse_intermixed_args(arguments)
    if not given.unseal:
        raise ConfigError("the test set is sealed, expected --unseal", f"each {MEANING}")
    if given.reason is not None and not given.reason.strip():
        raise ConfigError("--reason: is empty, expected why the test set is opened again")
    with hearing() as warned:
        loaded = ready(given)
        trained = loaded.trained
        warned.strict = loaded.prepared.plan.spec.settings.strict_warnings
        name, images = _images(given.external, loaded)
        wanted = asked(given, images.manifest, trained.classes)
        # What cannot be looked at should not cost an opening.
        with watched(wanted, trained.model, len(trained.classes)):
            opened = unseal(loaded, images, name, given.reason, given.accept_leakage)
        measured = measure(loaded, opened.images, wanted)
    warned.require_none()
    if given.json:
        found = {**content(loaded, images, measured), "external": name, **_about(opened)}
        show(json.dumps(finite(found), indent=2) + "\n")
    else:
        line = f"line {opened.opening.number} of {opened.path.name}"
        count = opened.count.said("this test set", line)
        accepted = f"{opened.leaked.said()}; {opened.leaked.accepted}" if opened.leaked.count else ""
        show(text(loaded, images, measured) + below([printable(line) for line in (accepted, count) if line]))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("test", __doc__)
    add_arguments(parser)
    parser.add_argument("--unseal", action="store_true", help=f"needed: each {MEANING}")
    parser.add_argument("--reason", metavar="TEXT", help="why it is opened again, for another model")
    parser.add_argument(
        "--accept-leakage", action="store_true", help="open it also where its images are among those of train and val"
    )
    parser.add_argument("--external", metavar="NAME=ROOT", help="a test set from elsewhere, of the same kind of data")
    return parser


def _images(wanted: str | None, loaded: Ready) -> tuple[str | None, Images]:
    """Give the test set, and its name where it comes from elsewhere."""
    if wanted is None:
        prepared = loaded.prepared
        return None, Images("test", "test", prepared.manifest, prepared.split.test)
    name, manifest = external(wanted, loaded)
    return name, Images("test", f"test-{name}", manifest, pool(manifest))


def _about(opened: Opened) -> dict[str, object]:
    opening = opened.opening
    line = {"line": opening.number, "hash": opening.hash, "test": opening.test, "weights": opening.weights}
    counts = {"openings": opened.count.openings, "models": opened.count.models, "sharing": opened.count.sharing}
    return {"ledger": line, "leaked": opened.leaked.count, **counts}
