"""Charts as SVG within a page: lines over two axes, told apart by colour, dashes and markers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cvrun.report.page import Html, text
from cvrun.report.theme import SERIES

_WIDTH, _HEIGHT = 460, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 14, 10, 44
_LEGEND_ROW = 20
_MOST_POINTS = 240
_MARKERS = 8


@dataclass(frozen=True)
class Series:
    """A line of a chart.

    Attributes:
        name: In the legend.
        x: Where its points are; what is not finite is left out, with its y.
        y: As many.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class Axes:
    """Of a chart.

    Attributes:
        x: What the horizontal axis shows, with its unit.
        y: What the vertical one shows.
        x_range: From and to; None takes that of the points.
        y_range: Likewise.
    """

    x: str
    y: str
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None


@dataclass(frozen=True)
class _Frame:
    left: float
    right: float
    low: float
    high: float

    def x(self, value: float) -> float:
        return _LEFT + (value - self.left) / (self.right - self.left) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - (value - self.low) / (self.high - self.low) * (_HEIGHT - _TOP - _BOTTOM)


def line_chart(
    anchor: str,
    title: str,
    series: Sequence[Series],
    axes: Axes,
    data: Html,
    guide: tuple[float, float, float, float] | None = None,
    bars: Sequence[tuple[float, float, float]] = (),
    marks: Sequence[tuple[float, str]] = (),
) -> Html:
    """Give a figure with a chart, its title and description for readers of the screen, and its numbers as a table.

    Args:
        anchor: An id that no other figure of the page has.
        title: What it shows.
        series: The lines; those beyond theme.SERIES begin again with the first colour.
        axes: Their names and ranges.
        data: A table with the same numbers, shown on demand.
        guide: A straight line behind the others: x and y where it begins, x and y where it ends.
        bars: Behind the lines: from x, to x, height in the unit of y.
        marks: Vertical lines: x and what is there.
    """
    kept = [_thinned(each) for each in series]
    frame = _frame(kept, axes)
    drawn = [_axes(frame, axes)]
    drawn += [_bar(frame, *bar) for bar in bars]
    if guide:
        drawn.append(_line("guide", frame.x(guide[0]), frame.y(guide[1]), frame.x(guide[2]), frame.y(guide[3])))
    for place, said in marks:
        x = frame.x(place)
        anchor_at = "end" if x > _WIDTH / 2 else "start"
        drawn.append(_line("guide", x, _TOP, x, _HEIGHT - _BOTTOM))
        side = -5 if anchor_at == "end" else 5
        drawn.append(
            f'<text class="tick" x="{x + side:.1f}" y="{_TOP + 11}" text-anchor="{anchor_at}">{text(said)}</text>'
        )
    drawn += [_drawn(frame, i % SERIES, each) for i, each in enumerate(kept)]
    legend, height = _legend([each.name for each in kept])
    about = f"{axes.y} over {axes.x}: " + "; ".join(map(_described, kept))
    return Html(
        f"<figure><figcaption>{text(title)}</figcaption>"
        f'<svg class="chart" role="img" viewBox="0 0 {_WIDTH} {_HEIGHT + height}" '
        f'aria-labelledby="{text(anchor)}-t {text(anchor)}-d">'
        f'<title id="{text(anchor)}-t">{text(title)}</title><desc id="{text(anchor)}-d">{text(about)}</desc>\n'
        + "\n".join(drawn)
        + f"\n{legend}</svg><details><summary>The numbers: {text(title)}</summary>{data.text}</details></figure>"
    )


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Give about count round numbers, 1, 2 or 5 times a power of ten apart, from low to high; low < high."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _thinned(series: Series) -> Series:
    points = [(x, y) for x, y in zip(series.x, series.y, strict=True) if math.isfinite(x) and math.isfinite(y)]
    every = max(1, math.ceil(len(points) / _MOST_POINTS))
    kept = [*points[:-1:every], *points[-1:]]
    return Series(series.name, [x for x, _ in kept], [y for _, y in kept])


def _frame(series: Sequence[Series], axes: Axes) -> _Frame:
    left, right = axes.x_range or _range([x for each in series for x in each.x])
    low, high = axes.y_range or _range([y for each in series for y in each.y])
    return _Frame(left, right, low, high)


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-30):
        room = abs(low) / 10 or 1.0
        return low - room, high + room
    return low, high + (high - low) * 0.04


def _axes(frame: _Frame, axes: Axes) -> str:
    bottom = _HEIGHT - _BOTTOM
    parts = []
    for value in ticks(frame.left, frame.right):
        x = frame.x(value)
        parts.append(_line("grid", x, _TOP, x, bottom))
        parts.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{_short(value)}</text>')
    for value in ticks(frame.low, frame.high):
        y = frame.y(value)
        parts.append(_line("grid", _LEFT, y, _WIDTH - _RIGHT, y))
        parts.append(f'<text class="tick" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_short(value)}</text>')
    parts.append(_line("axis", _LEFT, bottom, _WIDTH - _RIGHT, bottom))
    parts.append(_line("axis", _LEFT, _TOP, _LEFT, bottom))
    middle = _LEFT + (_WIDTH - _LEFT - _RIGHT) / 2
    parts.append(f'<text x="{middle:.1f}" y="{_HEIGHT - 8}" text-anchor="middle">{text(axes.x)}</text>')
    up = _TOP + (bottom - _TOP) / 2
    parts.append(f'<text transform="translate(13 {up:.1f}) rotate(-90)" text-anchor="middle">{text(axes.y)}</text>')
    return "\n".join(parts)


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _bar(frame: _Frame, start: float, end: float, height: float) -> str:
    x, y = frame.x(start), frame.y(height)
    wide, tall = frame.x(end) - x, frame.y(frame.low) - y
    return f'<rect class="bar" x="{x + 1:.1f}" y="{y:.1f}" width="{max(wide - 2, 1):.1f}" height="{tall:.1f}"/>'


def _drawn(frame: _Frame, i: int, series: Series) -> str:
    places = [(frame.x(x), frame.y(y)) for x, y in zip(series.x, series.y, strict=True)]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    line = f'<polyline class="s{i} stroke" points="{points}"/>' if len(places) > 1 else ""
    every = max(1, math.ceil(len(places) / _MARKERS))
    # Markers of several lines do not lie on each other.
    shown = places if len(places) <= _MARKERS else places[(i * every) // SERIES :: every]
    return line + "".join(_marker(i, x, y) for x, y in shown)


def _marker(i: int, x: float, y: float) -> str:
    corners = {
        1: ((-4, -4), (4, -4), (4, 4), (-4, 4)),
        2: ((0, -5), (5, 4), (-5, 4)),
        3: ((0, -5.5), (5.5, 0), (0, 5.5), (-5.5, 0)),
        4: ((-5, -4), (5, -4), (0, 5)),
        5: ((-1.5, -5), (1.5, -5), (1.5, 5), (-1.5, 5)),
        6: ((-5, -1.5), (5, -1.5), (5, 1.5), (-5, 1.5)),
    }
    if i not in corners:
        return f'<circle class="s{i} dot" cx="{x:.1f}" cy="{y:.1f}" r="{4 if i == 0 else 2.5}"/>'
    points = " ".join(f"{x + a:.1f},{y + b:.1f}" for a, b in corners[i])
    return f'<polygon class="s{i} dot" points="{points}"/>'


def _legend(names: Sequence[str]) -> tuple[str, int]:
    """Give the legend, two names a row, and how high it is; long names are cut, the table has them whole."""
    parts = []
    width = (_WIDTH - _LEFT) // 2
    for n, name in enumerate(names):
        i, x, y = n % SERIES, _LEFT + (n % 2) * width, _HEIGHT + 10 + (n // 2) * _LEGEND_ROW
        cut = name if len(name) <= 22 else f"{name[:19]}..."
        parts.append(f'<line class="s{i} stroke" x1="{x}" y1="{y}" x2="{x + 30}" y2="{y}"/>{_marker(i, x + 15, y)}')
        parts.append(f'<text x="{x + 36}" y="{y + 4}">{text(cut)}</text>')
    return "".join(parts), math.ceil(len(names) / 2) * _LEGEND_ROW + (6 if names else 0)


def _described(series: Series) -> str:
    if not series.y:
        return f"{series.name} has no values"
    return f"{series.name} from {_short(series.y[0])} to {_short(series.y[-1])}, {len(series.y)} points"


def _short(value: float) -> str:
    if abs(value) < 1e-12:
        return "0"
    if 1e-3 <= abs(value) < 1e5:
        return f"{value:.4g}"
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"
