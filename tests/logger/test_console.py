"""logger=console: lines in a pipe, a bar on a terminal."""

import io
import sys

import pytest
from rich.console import Console

from cvrun.logger.console import Config, ConsoleLogger, build

RECORD = {
    "step": 4,
    "epoch": 1.0,
    "time": "t",
    "train/loss": 2.5,
    "val/loss": 2.25,
    "val/accuracy": 0.5,
    "val/macro_f1": 0.4,
}


def on_a_terminal(logger: ConsoleLogger, width: int) -> io.StringIO:
    file = io.StringIO()
    logger._console = Console(
        file=file, force_terminal=True, width=width, color_system=None, highlight=False, markup=False, soft_wrap=True
    )
    return file


def test_an_evaluation_is_a_line_with_losses_accuracy_and_the_monitor(tmp_path, header, capsys):
    logger = build(Config(), tmp_path)
    logger.open(header())
    logger.advance(1)
    logger.write({"step": 1, "epoch": 0.25, "train/loss": 3.0})
    logger.write(RECORD)
    logger.close()
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "run    outputs/run/1\n"
        "model  convnet\n"
        "epoch 1.0  train/loss 2.5000  val/loss 2.2500  val/accuracy 0.5000  val/macro_f1 0.4000\n"
    )


@pytest.mark.parametrize("columns", [80, 120])
def test_the_plan_is_folded_between_words(tmp_path, header, capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    words = [f"group-{i}.key=value" for i in range(20)]
    logger = build(Config(), tmp_path)
    logger.open(header(lines=(("changes", " ".join(words)), ("long", "x" * 200), ("empty", ""))))
    logger.close()
    lines = capsys.readouterr().err.splitlines()
    assert max(len(line) for line in lines if "x" * 200 not in line) <= columns
    assert [word for line in lines for word in line.split() if word.startswith("group")] == words
    assert lines[-2:] == [f"long     {'x' * 200}", "empty"]
    assert all(line == line.rstrip() for line in lines)
    assert lines[1].startswith(" " * 9 + "group")


def test_brackets_are_no_markup_and_long_lines_stay_whole(tmp_path, capsys):
    logger = build(Config(), tmp_path)
    logger.say("[red]x[/red] :smile: " + "y" * 300)
    assert capsys.readouterr().err == "[red]x[/red] :smile: " + "y" * 300 + "\n"


@pytest.mark.parametrize("width", [80, 120])
def test_on_a_terminal_there_is_a_bar_that_goes_away(tmp_path, header, monkeypatch, width):
    logger = build(Config(), tmp_path)
    file = on_a_terminal(logger, width)
    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr("cvrun.logger.console.time.monotonic", lambda: float(next(clock)))
    logger.open(header(4))
    logger.advance(5)
    shown = file.getvalue()
    assert "epoch 1.2/3" in shown
    assert "images/s" in shown
    logger.write(RECORD)
    logger.close()
    logger.close()
    after = file.getvalue()[len(shown) :]
    assert "val/accuracy 0.5000" in after
    # The last thing is to clear the line of the bar and to show the cursor.
    assert after.index("\x1b[?25h") > 0
    assert after.endswith("\x1b[2K")


def test_a_closed_standard_error_is_an_error_that_can_be_caught(tmp_path, monkeypatch):
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Closed())
    logger = build(Config(), tmp_path)
    with pytest.raises(BrokenPipeError):
        logger.say("hello")
