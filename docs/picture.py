"""Draws docs/digits.svg, the picture in the README, from a real run: `.venv/bin/python docs/picture.py`."""

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

COMMAND = ["cvrun", "train", "+exp=digits"]
WIDTH = 92


def main() -> None:
    """Run the command and draw what it prints."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as folder:
        lines = subprocess.run(
            COMMAND,
            cwd=folder,
            env={**os.environ, "COLUMNS": str(WIDTH), "PATH": path},
            text=True,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ).stdout.splitlines()
    epochs = [i for i, line in enumerate(lines) if line.startswith("epoch")]
    # Forty lines of progress say no more than the first and the last three.
    shown = [*lines[: epochs[2] + 1], "...", *lines[epochs[-3] :]]
    console = Console(record=True, width=WIDTH, file=io.StringIO(), highlight=False)
    console.print(Text(f"$ {' '.join(COMMAND)}\n", style="bold"))
    console.print(Text("\n".join(line.rstrip() for line in shown).rstrip()))
    svg = console.export_svg(title=" ".join(COMMAND), theme=MONOKAI)
    # Fonts of the reader's system instead of one from a remote address.
    svg = re.sub(r"@font-face \{.*?\}\n", "", svg, flags=re.DOTALL).replace("Fira Code", "DejaVu Sans Mono, Menlo")
    Path(__file__).with_name("digits.svg").write_text(svg)


if __name__ == "__main__":
    main()
