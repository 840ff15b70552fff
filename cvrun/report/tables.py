"""Tables as text, for terminals and pipes."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text


def text_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = (), title: str = ""
) -> str:
    """Give a table as text, as wide as the terminal (or as its content, where the output is no terminal).

    Args:
        columns: Headings.
        rows: Cells; control characters and markup in them are inert.
        right: Positions of the columns that are aligned to the right.
        title: A line above.
    """
    table = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False)
    for position, name in enumerate(columns):
        number = position in right
        table.add_column(name, justify="right" if number else "left", no_wrap=number, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    return render(table)


def render(content: Table) -> str:
    """Give what rich draws for standard output, in its colours when that is a terminal."""
    real = Console(highlight=False)
    width = real.width if real.is_terminal else 200
    console = Console(
        file=io.StringIO(), width=width, force_terminal=real.is_terminal, no_color=real.no_color, highlight=False
    )
    console.print(content)
    file = console.file
    assert isinstance(file, io.StringIO)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def printable(text: str) -> str:
    """Give text with control characters written out, since names come from files."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def plain_table(rows: Sequence[tuple[str, str]]) -> str:
    """Give pairs of a name and a text in two columns without rules; long texts wrap in their column."""
    table = Table.grid(padding=(0, 2))
    for name, text in rows:
        table.add_row(Text(name), Text(printable(text)))
    return render(table)
