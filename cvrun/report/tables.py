"""Tables as text, for terminals and pipes."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from cvrun.errors import printable

_GAP = 2
"""[characters] between two columns."""

_NARROWEST = 12
"""[characters] to which a column may be folded."""

_UNFOLDED = 100_000
"""[characters] wider than any table."""


def text_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = (), whole: Sequence[int] = ()
) -> str:
    """Give a table as text that fits the terminal, or is as wide as its content where the output is no terminal.

    Args:
        columns: Headings.
        rows: Cells; control characters and markup in them are inert.
        right: Positions of the columns that are aligned to the right; they are not broken over lines.
        whole: Positions of further columns that are not broken, such as paths that one may want to copy.
    """
    narrowest = -_GAP
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for position, name in enumerate(columns):
        justify: JustifyMethod = "right" if position in right else "left"
        kept = position in (*right, *whole)
        width = max(cell_len(printable(cell)) for cell in (name, *(row[position] for row in rows)))
        least = width if kept else min(width, _NARROWEST)
        table.add_column(name, justify=justify, no_wrap=kept, min_width=least, overflow="fold")
        narrowest += least + _GAP
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    return render(table, narrowest)


def render(content: Table, narrowest: int = 0) -> str:
    """Give what rich draws for standard output: bold where that is a terminal, folded at its width or at COLUMNS.

    Args:
        content: What to draw.
        narrowest: [characters] Below this it is not folded: a narrower terminal breaks the lines, and nothing is lost.
    """
    real = Console(highlight=False)
    width = max(real.width, narrowest) if real.is_terminal or "COLUMNS" in os.environ else _UNFOLDED
    console = Console(
        file=io.StringIO(), width=width, force_terminal=real.is_terminal, no_color=real.no_color, highlight=False
    )
    console.print(content)
    file = console.file
    assert isinstance(file, io.StringIO)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def plain_table(rows: Sequence[tuple[str, str]]) -> str:
    """Give pairs of a name and a text in two columns without rules; long texts wrap in their column."""
    table = Table.grid(padding=(0, 2))
    for name, text in rows:
        table.add_row(Text(name), Text(printable(text)))
    return render(table)
