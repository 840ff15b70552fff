"""The checklist of a run as a section of its page, as Markdown and as plain values."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from cvrun.report.checklist import AUTHOR, NOTE, checklist, title_of
from cvrun.report.markdown import inert
from cvrun.report.page import Cell, Html, Section, paragraph, table, text
from cvrun.report.run_record import RunRecord

_COLUMNS = ("item", "asks for", "from the run", "proof")


def checklist_section(record: RunRecord, name: str, base: str) -> Section:
    """Give the section of a page.

    Args:
        record: The run.
        name: claim or tripod.
        base: The run's folder, seen from where the page lies.
    """
    rows: list[list[Cell]] = []
    for line in checklist(record, name):
        link = Html(f'<a href="{text(_target(base, line.file))}">{text(line.file)}</a>') if line.file else Html("")
        rows.append([line.number, line.asks, line.answer or AUTHOR, link])
    body = [paragraph(NOTE, "note"), table(title_of(name), _COLUMNS, rows)]
    return Section("checklist", title_of(name), body)


def checklist_markdown(record: RunRecord, name: str, base: str) -> str:
    """Give the same as Markdown."""
    lines = [f"# {title_of(name)}: run {inert(record.name)}\n", f"{NOTE}\n"]
    lines += ["| " + " | ".join(_COLUMNS) + " |", "|" + " --- |" * len(_COLUMNS)]
    for line in checklist(record, name):
        link = f"[{line.file}]({_target(base, line.file)})" if line.file else ""
        lines.append(f"| {line.number} | {inert(line.asks)} | {inert(line.answer) or AUTHOR} | {link} |")
    return "\n".join(lines) + "\n"


def checklist_values(record: RunRecord, name: str) -> dict[str, Any]:
    """Give the same for JSON; files are those of the run's folder, None is the author's."""
    items = [
        {"item": each.number, "asks": each.asks, "answer": each.answer or None, "file": each.file or None}
        for each in checklist(record, name)
    ]
    return {"guideline": title_of(name), "note": NOTE, "run": record.path, "items": items}


def _target(base: str, file: str) -> str:
    return quote(f"{base}/{file}" if base != "." else file)
