"""How many cases an interval needs: `cvrun size --proportion 0.9 --half-width 0.05 --prevalence 0.1`.

n = z^2 p (1 - p) / w^2, rounded up: the normal (Wald) interval of a proportion p, such as a sensitivity, solved for n
independent cases of which the interval reaches w to each side (W. G. Cochran, Sampling Techniques, 3rd ed. 1977, 4.4).
With a prevalence, n / prevalence images have to be collected until n of them are positive on average. Where cases come
in clusters (several images a patient), n is multiplied by the design effect 1 + (m - 1) icc (L. Kish, Survey Sampling,
1965, 5.4). Beside it stands Wilson's interval, which is what reports give, at that n.
"""

from __future__ import annotations

import argparse
import json
import math
from typing import Any

from cvrun.command._arguments import parser_of
from cvrun.command._output import show
from cvrun.errors import ConfigError
from cvrun.interval import cases_needed, design_effect, wilson_of
from cvrun.report.tables import plain_table


def run(arguments: list[str]) -> int:
    """Print how many cases, and images, have to be collected; give the exit code."""
    given = _parser().parse_args(arguments)
    _check(given)
    found = needed(
        given.proportion, given.half_width, given.confidence, given.prevalence, given.cluster_size, given.icc
    )
    show(json.dumps(found, indent=2) + "\n" if given.json else plain_table(_lines(found)))
    return 0


def needed(
    proportion: float,
    half_width: float,
    confidence: float,
    prevalence: float | None,
    cluster_size: float | None,
    icc: float | None,
) -> dict[str, Any]:
    """Give the sizes as plain values.

    Args:
        proportion: Expected, in (0, 1).
        half_width: What the interval is to reach to each side.
        confidence: In (0, 1).
        prevalence: Share of the images that are cases, in (0, 1]; None: all are.
        cluster_size: Mean number of cases a cluster, >= 1; None: each is one of its own.
        icc: Correlation within a cluster, in [0, 1]; None without clusters.

    Returns:
        What was given, and `independent` cases, `design_effect`, `cases` with it, `images` to collect for these (None
        without a prevalence), and `wilson`, the interval at that many independent cases.
    """
    independent = cases_needed(proportion, half_width, confidence)
    factor = 1.0 if cluster_size is None or icc is None else design_effect(cluster_size, icc)
    # A product that is whole may come out a last bit too large.
    cases = math.ceil(independent * factor - 1e-9)
    return {
        "proportion": proportion,
        "half_width": half_width,
        "confidence": confidence,
        "prevalence": prevalence,
        "cluster_size": cluster_size,
        "icc": icc,
        "independent": independent,
        "design_effect": factor,
        "cases": cases,
        "images": None if prevalence is None else math.ceil(cases / prevalence - 1e-9),
        "wilson": list(wilson_of(proportion, independent, confidence)),
    }


def _lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    low, high = found["wilson"]
    width = f"{high - low:.3f} wide, asked for {2 * found['half_width']:.3f}"
    wanted = f"{found['proportion']:g} +- {found['half_width']:g} at confidence {found['confidence']:g}"
    lines = [("wanted", wanted), ("cases", f"{found['independent']:,} independent ones")]
    if found["cluster_size"] is not None:
        clusters = f"clusters of {found['cluster_size']:g}, icc {found['icc']:g}"
        lines.append(("in clusters", f"{found['cases']:,} ({clusters}: design effect {found['design_effect']:g})"))
    if found["images"] is not None:
        lines.append(("images", f"{found['images']:,} to collect, of which {found['prevalence']:g} are cases"))
    return [*lines, ("Wilson", f"{low:.3f} to {high:.3f} at {found['independent']:,} independent cases: {width}")]


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("size", __doc__)
    parser.add_argument("--proportion", type=float, required=True, metavar="P", help="expected, such as a sensitivity")
    parser.add_argument("--half-width", type=float, required=True, metavar="W", help="of the interval, to each side")
    parser.add_argument("--confidence", type=float, default=0.95, metavar="C", help="default: 0.95")
    parser.add_argument("--prevalence", type=float, metavar="P", help="share of the images that are cases")
    parser.add_argument("--cluster-size", type=float, metavar="M", help="mean number of cases a cluster (patient)")
    parser.add_argument("--icc", type=float, metavar="R", help="correlation of two cases of one cluster")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


def _check(given: argparse.Namespace) -> None:
    """See that every number is in its range.

    Raises:
        ConfigError: If one is not.
    """
    between = "a number between 0 and 1"
    rules = [
        ("proportion", 1e-6 <= given.proportion <= 1 - 1e-6, "a number between 0 and 1, 1e-6 from either"),
        ("half-width", 1e-6 <= given.half_width < 0.5, "a number below 0.5, at least 1e-6"),
        ("confidence", 0 < given.confidence < 1, between),
        ("prevalence", given.prevalence is None or 1e-9 <= given.prevalence <= 1, "a number from 1e-9 to 1"),
        ("cluster-size", given.cluster_size is None or 1 <= given.cluster_size <= 1e9, "a number from 1 to 1e9"),
        ("icc", given.icc is None or 0 <= given.icc <= 1, "a number from 0 to 1"),
    ]
    for name, holds, rule in rules:
        if not holds:
            value = getattr(given, name.replace("-", "_"))
            raise ConfigError(f"--{name} {value:g}: expected {rule}")
    if (given.cluster_size is None) != (given.icc is None):
        lacking = "--icc" if given.icc is None else "--cluster-size"
        raise ConfigError(f"{lacking}: expected as well", "clusters need both: 1 + (cluster size - 1) icc")
