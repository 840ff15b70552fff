"""List or clear the decoded images that runs keep on disk: `cache list`, `cache clear`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from cvrun.command._arguments import parser_of
from cvrun.command._output import say, show
from cvrun.errors import ConfigError, StorageError
from cvrun.pipeline.stores import Stored, remove, root, stored, tidy
from cvrun.report.tables import text_table

SHORT = 8
"""[characters] of a fingerprint that a table shows, and that are enough to name it."""


def run(arguments: list[str]) -> int:
    """Do what the second word says; give the exit code."""
    parser = parser_of("cache", __doc__)
    words = parser.add_subparsers(dest="word", required=True, metavar="list|clear")
    about = "what is there, who uses it, when it was used last"
    words.add_parser("list", help=about, description=about).add_argument(
        "--json", action="store_true", help="print one JSON document"
    )
    about = "remove decoded images that no run uses; statistics and downloads stay"
    words.add_parser("clear", help=about, description=about).add_argument(
        "stores", nargs="*", metavar="STORE", help="the beginning of a name from `cvrun cache list`; default: all"
    )
    given = parser.parse_args(arguments)
    if given.word == "list":
        found = [_described(one) for one in stored(root())]
        show(f"{json.dumps(found, indent=2)}\n" if given.json else _table(found))
        return 0
    return _clear(given.stores)


def _described(one: Stored) -> dict[str, Any]:
    """Give a store as plain values; what a damaged one does not tell is None."""
    return {
        "store": one.path.name,
        "path": str(one.path),
        "source": one.header.get("source"),
        "images": one.header.get("count"),
        "kept": one.header.get("about"),
        "bytes": one.size,
        "made": one.header.get("made"),
        "last_used": datetime.fromtimestamp(one.last_used, UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "user": one.user or None,
        "whole": bool(one.header),
    }


def _table(found: list[dict[str, Any]]) -> str:
    if not found:
        return f"no decoded images in {root()}\n"
    rows = [
        [
            one["store"][:SHORT],
            f"{one['images']:,}" if one["whole"] else "damaged",
            one["kept"] or "-",
            f"{one['bytes'] / 1e6:,.1f}",
            one["last_used"],
            one["user"] or "-",
            one["source"] or "-",
        ]
        for one in found
    ]
    total = sum(one["bytes"] for one in found) / 1e6
    table = text_table(
        ["store", "images", "kept as", "MB", "last used", "in use by", "made from"], rows, right=(1, 3), whole=(0, 6)
    )
    return f"{table}\n{len(found)} stores, {total:,.1f} MB in {root()}\n"


def _clear(names: list[str]) -> int:
    found = stored(root())
    for name in names:
        if not name or not any(one.path.name.startswith(name) for one in found):
            hint = "`cvrun cache list` shows all"
            raise ConfigError(f"{name}: no such store, expected the beginning of the name of one", hint)
    wanted = [one for one in found if not names or one.path.name.startswith(tuple(names))]
    used, freed = [], tidy(root())
    for one in wanted:
        size = remove(one.path)
        if size is None:
            used.append(f"{one.path.name[:SHORT]} is in use by {one.user or 'another process'}")
        elif one.path.exists():
            raise StorageError(f"{one.path}: cannot be removed")
        else:
            freed += size
            show(f"removed {one.path.name[:SHORT]}: {size:,} bytes\n")
    show(f"{freed:,} bytes are free again\n")
    if used and names:
        raise ConfigError(f"{'; '.join(used)}: not removed", "wait for it or stop it")
    for line in used:
        say(f"{line}: not removed")
    return 0
