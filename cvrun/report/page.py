"""The shell of a report: one HTML file that needs nothing else; text from data cannot become markup."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from cvrun.errors import ConfigError, printable
from cvrun.folder import storage_errors, write_atomic
from cvrun.report.theme import SCRIPT, STYLE

_MARK = '<meta name="generator" content="cvrun report">'
_HEAD_BYTES = 2048
_HEADING, _WORD = 60, 100
"""Letters to which a heading is cut, and those of the longest word that a cell shows."""


@dataclass(frozen=True)
class Html:
    """Markup that this package wrote, as opposed to text, which is escaped.

    Attributes:
        text: Well-formed markup.
    """

    text: str


@dataclass(frozen=True)
class Section:
    """A part of a page, with a heading that the contents list links to.

    Attributes:
        anchor: Its id, lower case letters and hyphens.
        title: Its heading, as text.
        body: Below the heading.
    """

    anchor: str
    title: str
    body: Sequence[Html]


Cell = str | Html
"""Of a table: text, which is escaped, or markup."""


def text(value: str) -> str:
    """Give text as markup that shows just that: nothing in it is a tag, an attribute's end or a control character."""
    return html.escape(printable(value), quote=True)


def paragraph(value: str, kind: str = "") -> Html:
    """Give a paragraph; kind is a class of the style sheet: lead, quiet, good, bad or note."""
    return Html(f'<p class="{text(kind)}">{text(value)}</p>' if kind else f"<p>{text(value)}</p>")


def heading(value: str) -> Html:
    """Give a heading within a section."""
    return Html(f"<h3>{text(value)}</h3>")


def code_block(value: str) -> Html:
    """Give lines that are read as they stand, such as a command."""
    lines = "\n".join(text(line) for line in value.splitlines())
    return Html(f"<pre><code>{lines}</code></pre>")


def folded(title: str, body: Sequence[Html]) -> Html:
    """Give what is shown on demand; it prints when it is open."""
    return Html(f"<details><summary>{text(title)}</summary>{_joined(body)}</details>")


def link(address: str, value: str) -> Html:
    """Give text that leads to another file; address is a path from where the page lies on, with / in it."""
    return Html(f'<a href="{text(quote(address))}">{text(value)}</a>')


def side_by_side(figures: Sequence[Html]) -> Html:
    """Give figures beside each other where there is room."""
    return Html(f'<div class="figures">{_joined(figures)}</div>')


def table(
    caption: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    right: Collection[int] = (),
    sortable: bool = False,
) -> Html:
    """Give a table whose first column heads the rows.

    Args:
        caption: What it shows; readers of the screen say it first.
        columns: Headings.
        rows: As many cells as columns each.
        right: Columns whose cells are aligned to the right.
        sortable: Whether a click on a heading sorts it.
    """
    heads = "".join(f'<th scope="col"{_side(i, right)}>{_cut(name, _HEADING)}</th>' for i, name in enumerate(columns))
    lines = []
    for row in rows:
        cells = [f'<th scope="row"{_side(0, right)}>{_name(row[0])}</th>'] if row else []
        cells += [cell if _is_td(cell) else f"<td{_side(i, right)}>{cell}</td>" for i, cell in _others(row)]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    kind = ' class="sortable"' if sortable else ""
    return Html(
        f'<div class="scroll" role="region" tabindex="0" aria-label="{text(caption)}"><table{kind}>'
        f"<caption>{text(caption)}</caption><thead><tr>{heads}</tr></thead><tbody>\n" + "\n".join(lines) + "\n"
        "</tbody></table></div>"
    )


def shaded(value: str, shade: int, own: bool = False) -> Html:
    """Give a table's cell with a background from 0 (none) to theme.HEAT_STEPS, framed where own is set."""
    return Html(f'<td class="right heat{shade:d}{" self" if own else ""}">{text(value)}</td>')


def _others(row: Sequence[Cell]) -> list[tuple[int, str]]:
    return [(i, _cell(cell)) for i, cell in enumerate(row) if i > 0]


def _is_td(markup: str) -> bool:
    # Text is escaped by now, so that only a shaded cell begins like this.
    return markup.startswith("<td ")


def _cell(cell: Cell) -> str:
    return cell.text if isinstance(cell, Html) else _cut(cell, _longest(cell))


def _longest(value: str) -> int:
    """Give to how many letters a cell is cut: a text of words breaks by itself, a name of thousands does not."""
    return len(value) if all(len(word) <= _WORD for word in value.split()) else _HEADING


def _cut(value: str, most: int) -> str:
    """Give text as markup, at most so many letters of it; the whole is its title."""
    if len(value) <= most:
        return text(value)
    return f'<span title="{text(value)}">{text(value[: most - 3])}...</span>'


def _name(cell: Cell) -> str:
    """Give a heading of a row, which may be broken behind one of _, / and = rather than anywhere."""
    if isinstance(cell, Html) or _longest(cell) < len(cell):
        return _cell(cell)
    return re.sub("([_/=])(?=[^_/=])", r"\1<wbr/>", text(cell))


def _side(column: int, right: Collection[int]) -> str:
    return ' class="right"' if column in right else ' class="name"' if column == 0 else ""


def page(title: str, lead: Sequence[Html], sections: Sequence[Section], made: str) -> str:
    """Give a whole page: a header with the lead, a list of contents, the sections, and a footer that says made.

    A policy within the page forbids it to load anything, and to run any script or style but its own, by their hashes.
    """
    contents = "".join(f'<li><a href="#{text(each.anchor)}">{text(each.title)}</a></li>' for each in sections)
    parts = "\n".join(
        f'<section aria-labelledby="{text(each.anchor)}">\n<h2 id="{text(each.anchor)}">{text(each.title)}</h2>\n'
        f"{_joined(each.body)}\n</section>"
        for each in sections
    )
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(STYLE)}'; script-src '{_hash(SCRIPT)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
{_MARK}
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{text(title)}</title>
<link rel="icon" href="data:,">
<style>{STYLE}</style>
</head>
<body>
<a class="skip" href="#content">To the content</a>
<header>
<h1>{text(title)}</h1>
{_joined(lead)}
</header>
<nav aria-label="Contents"><ul>{contents}</ul></nav>
<main id="content">
{parts}
</main>
<footer><p>{text(made)}</p></footer>
<script>{SCRIPT}</script>
</body>
</html>
"""


def write_page(path: Path, content: str, force: bool = False) -> None:
    """Write a page; in place of an older one, but of no other file unless force is set.

    Raises:
        ConfigError: If something else stands there.
        StorageError: If it cannot be written.
    """
    require_replaceable(path, force)
    write_atomic(path, content.encode())


def require_replaceable(path: Path, force: bool) -> None:
    """See that a page may be written to a path: before the work that it takes to make one.

    Raises:
        ConfigError: If something else stands there.
        StorageError: If it cannot be read.
    """
    if path.is_dir():
        raise ConfigError(f"--output={path}: is a folder, expected a file name such as report.html")
    if path.exists() and not path.is_file():
        # A pipe would be waited for without end.
        raise ConfigError(f"--output={path}: is no file, expected a file name such as report.html")
    if path.exists() and not force and not _is_page(path):
        raise ConfigError(
            f"--output={path}: is not a page of cvrun report", "--force replaces it, or take another name"
        )


def _is_page(path: Path) -> bool:
    with storage_errors(path), path.open("rb") as file:
        return _MARK.encode() in file.read(_HEAD_BYTES)


def _hash(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def _joined(parts: Sequence[Html]) -> str:
    return "\n".join(part.text for part in parts)
