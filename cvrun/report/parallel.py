"""Figures of a sweep as SVG: parallel coordinates, and the score against a hyperparameter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cvrun.report.page import Html, text
from cvrun.report.scale import Scale, scale_of

_WIDE, _HIGH = 740, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 80, 44, 18
_SMALL_WIDE, _SMALL_HIGH = 460, 260
_MARGIN = (70, 16, 12, 50)
"""Left, right, above and below, of a small figure."""
_MOST_LETTERS = 9
_HALO = 'stroke="var(--paper)" stroke-width="4" stroke-linejoin="round" paint-order="stroke"'
"""Of a text over lines."""


@dataclass(frozen=True)
class Axis:
    """A hyperparameter, or the score.

    Attributes:
        name: What it shows.
        values: One a run, as the configuration has it.
    """

    name: str
    values: Sequence[Any]


def parallel_coordinates(title: str, axes: Sequence[Axis], best: int) -> Html:
    """Give a figure with an axis for each hyperparameter, the score last, and a line for each run.

    Args:
        title: What it shows.
        axes: Two at least, with as many values each, one at least.
        best: Which run is drawn over the others, with dashes and markers.
    """
    scales = [scale_of(axis.values) for axis in axes]
    step = (_WIDE - _LEFT - _RIGHT) / (len(axes) - 1)
    columns = [_LEFT + i * step for i in range(len(axes))]
    runs = len(axes[0].values)
    fade = max(0.05, min(0.75, 20 / runs))
    lines = []
    for run in [*(i for i in range(runs) if i != best), best]:
        points = [
            (x, _TOP + (1 - scale.place(axis.values[run])) * (_HIGH - _TOP - _BOTTOM))
            for x, scale, axis in zip(columns, scales, axes, strict=True)
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        if run == best:
            dots = "".join(_square(x, y) for x, y in points)
            lines.append(f'<polyline fill="none" stroke="var(--paper)" stroke-width="6" points="{path}"/>')
            lines.append(f'<polyline class="s1 stroke" points="{path}"/>{dots}')
        else:
            lines.append(f'<polyline class="s0 stroke" stroke-opacity="{fade:.2f}" points="{path}"/>')
    rulers = [_ruler(x, i, axis, scale) for i, (x, axis, scale) in enumerate(zip(columns, axes, scales, strict=True))]
    names = ", ".join(axis.name for axis in axes)
    about = f"{runs:,} runs as lines over the axes {names}. The best run is dashed, with squares."
    return _figure("parallel", title, about, _WIDE, _HIGH, [*lines, *rulers])


def score_against(anchor: str, hyperparameter: Axis, score: Axis, best: int) -> Html:
    """Give a figure with a point for each run.

    Args:
        anchor: An id that no other figure of the page has.
        hyperparameter: Over which, horizontally.
        score: As many values.
        best: Which run is drawn as a square.
    """
    across, up = scale_of(hyperparameter.values), scale_of(score.values)
    left, right, top, bottom = _MARGIN
    wide, high = _SMALL_WIDE - left - right, _SMALL_HIGH - top - bottom
    parts = []
    for place, said in up.marks():
        y = top + (1 - place) * high
        parts.append(f'<line class="grid" x1="{left}" y1="{y:.1f}" x2="{left + wide}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{_cut(said)}</text>')
    for place, said in across.marks():
        x = left + place * wide
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{top + high}"/>')
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{top + high + 16}" text-anchor="middle">{_cut(said, 10)}</text>'
        )
    parts.append(f'<line class="axis" x1="{left}" y1="{top + high}" x2="{left + wide}" y2="{top + high}"/>')
    kind = {"log": " (log)", "linear": "", "ordinal": ""}[across.kind]
    middle = left + wide / 2
    name = _tail(hyperparameter.name, 44) + kind
    parts.append(f'<text x="{middle:.1f}" y="{_SMALL_HIGH - 8}" text-anchor="middle">{name}</text>')
    for run in [*(i for i in range(len(score.values)) if i != best), best]:
        x, y = (
            left + across.place(hyperparameter.values[run]) * wide,
            top + (1 - up.place(score.values[run])) * high,
        )
        dot = f'<circle class="s0 dot" fill-opacity="0.55" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
        parts.append(_square(x, y) if run == best else dot)
    title = f"{score.name} against {hyperparameter.name}"
    about = f"{len(score.values):,} runs as points; the best one is a square. The axis is {across.kind}."
    return _figure(anchor, title, about, _SMALL_WIDE, _SMALL_HIGH, parts)


def _ruler(x: float, i: int, axis: Axis, scale: Scale) -> str:
    bottom = _HIGH - _BOTTOM
    # Names of neighbours stand at two heights, so that long ones do not run into each other.
    up = 12 if i % 2 else 28
    kind = " (log)" if scale.kind == "log" else ""
    parts = [f'<line class="axis" x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{bottom}"/>']
    parts.append(f'<text x="{x:.1f}" y="{up}" text-anchor="middle">{_tail(axis.name, 20)}{kind}</text>')
    for place, said in scale.marks():
        y = _TOP + (1 - place) * (bottom - _TOP)
        parts.append(f'<line class="axis" x1="{x:.1f}" y1="{y:.1f}" x2="{x + 5:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{x + 8:.1f}" y="{y + 4:.1f}" {_HALO}>{_cut(said, 11)}</text>')
    return "".join(parts)


def _figure(anchor: str, title: str, about: str, wide: int, high: int, parts: Sequence[str]) -> Html:
    return Html(
        f"<figure><figcaption>{text(title)}</figcaption>"
        f'<svg class="chart" role="img" viewBox="0 0 {wide} {high}" '
        f'aria-labelledby="{text(anchor)}-t {text(anchor)}-d"><title id="{text(anchor)}-t">{text(title)}</title>'
        f'<desc id="{text(anchor)}-d">{text(about)}</desc>\n' + "\n".join(parts) + "</svg></figure>"
    )


def _square(x: float, y: float) -> str:
    return f'<rect class="s1 dot" x="{x - 4.5:.1f}" y="{y - 4.5:.1f}" width="9" height="9"/>'


def _cut(value: str, most: int = _MOST_LETTERS) -> str:
    """Give text for the picture, cut where it is long; the table has it whole."""
    return text(value if len(value) <= most else f"{value[: most - 1]}\u2026")


def _tail(key: str, most: int) -> str:
    """Give a full key for the picture: of a long one its end, which tells more than the group before it."""
    return text(key if len(key) <= most else f"\u2026{key[1 - most :]}")
