import re

import pytest
from browser import seen

from cvrun.report.page import Section, page, table
from cvrun.report.theme import DARK, HEAT_STEPS, LIGHT, SCRIPT, SERIES, STYLE


def luminance(colour: str) -> float:
    """Of sRGB, as WCAG 2.2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def mixed(colour: str, paper: str, share: float) -> str:
    pairs = [(int(colour[i : i + 2], 16), int(paper[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(share * c + (1 - share) * p):02x}" for c, p in pairs)


def test_the_contrast_of_black_on_white_is_that_of_the_standard():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_lines_can_be_read_in_both_themes(theme):
    for name in ("ink", "quiet", "accent", "good", "bad"):
        assert contrast(theme[name], theme["paper"]) >= 4.5, name
    assert contrast(theme["ink"], theme["panel"]) >= 4.5
    for i in range(SERIES):
        assert contrast(theme[f"s{i}"], theme["paper"]) >= 3, i


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_counts_can_be_read_on_every_shade(theme):
    share = int(re.search(rf"heat{HEAT_STEPS}\{{background:color-mix\(in srgb,var\(--heat\) (\d+)%", STYLE)[1]) / 100
    assert contrast(theme["ink"], mixed(theme["heat"], theme["paper"], share)) >= 4.5


def test_themes_name_the_same_colours():
    assert LIGHT.keys() == DARK.keys()


def test_style_and_script_name_nothing_remote():
    assert not re.search(r"url\(|@import|https?:|//|fetch|import\(|innerHTML|eval", STYLE + SCRIPT)


@pytest.mark.slow
def test_in_a_browser_infinite_numbers_are_sorted_as_numbers(tmp_path):
    values = ["10", "inf", "9", "-", "-inf", "1,000", "inf"]
    body = [table("t", ["name", "value"], [[str(i), value] for i, value in enumerate(values)], sortable=True)]
    path = tmp_path / "page.html"
    path.write_text(page("t", [], [Section("one", "One", body)], "made"))
    script = """(() => {
      const table = document.querySelector('table.sortable');
      table.tHead.rows[0].cells[1].querySelector('button').click();
      return [...table.tBodies[0].rows].map((row) => row.cells[1].textContent);
    })()"""
    found, console = seen(path, tmp_path, script)
    assert console == [] and found == ["-inf", "9", "10", "1,000", "inf", "inf", "-"]
