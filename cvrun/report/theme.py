"""How a page looks and sorts: colours of both themes, the style sheet and the only script."""

from __future__ import annotations

from collections.abc import Mapping

LIGHT = {
    "paper": "#ffffff",
    "panel": "#f5f6f8",
    "ink": "#1b1f24",
    "quiet": "#57606a",
    "line": "#d0d7de",
    "accent": "#0b57a4",
    "good": "#176639",
    "bad": "#b3261e",
    "heat": "#0b57a4",
    "s0": "#0b63b5",
    "s1": "#c2410c",
    "s2": "#0f766e",
    "s3": "#a21caf",
    "s4": "#7a6200",
    "s5": "#4b5563",
    "s6": "#b91c5c",
    "s7": "#4d7c0f",
}
"""Colours on white; s0 to s7 are those of series. Text has a contrast of 4.5 to 1 at least, lines of 3 to 1."""

DARK = {
    "paper": "#14171c",
    "panel": "#1d2229",
    "ink": "#e7eaee",
    "quiet": "#a3adb8",
    "line": "#3a424d",
    "accent": "#7cb8ff",
    "good": "#6fd39a",
    "bad": "#ff9a8f",
    "heat": "#3f8fe0",
    "s0": "#6fb3ff",
    "s1": "#ffa266",
    "s2": "#4fd1c5",
    "s3": "#e59bf2",
    "s4": "#e3c64a",
    "s5": "#b8c0cc",
    "s6": "#ff8fb8",
    "s7": "#a5d65c",
}
"""Colours on near black, of the same names."""

SERIES = 8
"""How many series differ in colour; each also differs in its dashes and markers."""

HEAT_STEPS = 10
"""Of the shades of a table's cells, from heat0 (none) to heat10."""


def _variables(colours: Mapping[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())


def _series() -> str:
    dashes = ("none", "7 3", "2 3", "9 3 2 3", "12 4", "4 2", "1 4", "9 3 2 3 2 3")
    return "".join(
        f".s{i}{{stroke:var(--s{i})}} .s{i}.stroke{{stroke-dasharray:{dashes[i]}}} .s{i}.dot{{fill:var(--s{i})}}\n"
        for i in range(SERIES)
    )


def _heat() -> str:
    # At most 60 % of the colour, so that the ink on it keeps its contrast.
    return "".join(
        f"td.heat{i}{{background:color-mix(in srgb,var(--heat) {6 * i}%,var(--paper))}}\n"
        for i in range(1, HEAT_STEPS + 1)
    )


STYLE = f"""
:root{{color-scheme:light dark;{_variables(LIGHT)}}}
@media (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}
*{{box-sizing:border-box}}
body{{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}}
header,main,footer,nav{{max-width:70rem;margin:0 auto;padding:0 1rem}}
header{{padding-top:1.5rem}}
h1{{font-size:1.6rem;line-height:1.25;margin:0 0 .25rem;overflow-wrap:anywhere}}
h2{{font-size:1.25rem;margin:2.25rem 0 .5rem;padding-top:.5rem;border-top:1px solid var(--line)}}
h3{{font-size:1.05rem;margin:1.25rem 0 .25rem}}
p{{margin:.4rem 0;max-width:48rem;overflow-wrap:anywhere}}
a{{color:var(--accent)}}
.skip{{position:absolute;left:-999rem}} .skip:focus{{left:1rem;top:.5rem;background:var(--paper);padding:.25rem .5rem}}
nav ul{{display:flex;flex-wrap:wrap;gap:.1rem 1rem;list-style:none;padding:0;margin:.75rem 0}}
.lead{{font-size:1.1rem}} .quiet{{color:var(--quiet)}} .good{{color:var(--good)}} .bad{{color:var(--bad)}}
.note{{border-left:4px solid var(--accent);background:var(--panel);padding:.5rem .75rem;margin:.5rem 0;max-width:48rem}}
.scroll{{overflow-x:auto;margin:.5rem 0 1rem;max-width:100%}}
:focus-visible{{outline:2px solid var(--accent);outline-offset:2px}}
table{{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}}
caption{{text-align:left;color:var(--quiet);padding:.15rem 0;font-size:.9rem}}
th,td{{padding:.25rem .5rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:middle}}
th{{font-weight:600}} thead th{{border-bottom:2px solid var(--quiet);vertical-align:bottom}}
.right{{text-align:right;white-space:nowrap}}
td.name,th.name{{max-width:22rem;overflow-wrap:anywhere;min-width:8.5rem}}
h2,h3,caption,summary,figcaption,nav{{overflow-wrap:anywhere}}
td.self{{outline:1px solid var(--quiet);outline-offset:-2px}}
{_heat()}
th button{{font:inherit;color:inherit;background:none;border:0;padding:0;cursor:pointer}}
th button{{text-align:inherit;white-space:nowrap}}
th button::after{{content:" \\2195";color:var(--quiet);font-weight:400}}
th[aria-sort=ascending] button::after{{content:" \\2191"}} th[aria-sort=descending] button::after{{content:" \\2193"}}
code,pre{{font:.9em/1.45 ui-monospace,monospace;overflow-wrap:anywhere}}
pre{{background:var(--panel);padding:.6rem .75rem;white-space:pre-wrap;margin:.5rem 0}}
details{{margin:.25rem 0 .75rem}} summary{{cursor:pointer;color:var(--accent)}}
.figures{{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,26rem),1fr));gap:1rem 2rem}}
figure{{margin:.5rem 0;min-width:0}} figcaption{{font-weight:600;margin-bottom:.25rem}}
svg.chart{{display:block;width:100%;height:auto;max-width:46rem}}
svg text{{fill:var(--ink);font:13px system-ui,sans-serif}} svg .tick{{fill:var(--quiet);font-size:12px}}
.grid{{stroke:var(--line)}} .axis{{stroke:var(--quiet)}} .stroke{{fill:none;stroke-width:2}} .dot{{stroke-width:1}}
.guide{{stroke:var(--quiet);stroke-dasharray:4 4;fill:none}} .bar{{fill:var(--s0);opacity:.45}}
{_series()}
img.thumb{{display:block;width:64px;height:64px;object-fit:contain;image-rendering:pixelated;background:var(--panel)}}
footer{{margin-top:2.5rem;padding-bottom:2rem;color:var(--quiet);font-size:.9rem}}
@media print{{:root{{{_variables(LIGHT)}}} body{{font-size:10pt}} nav,.skip,th button::after{{display:none}}
header,main,footer{{max-width:none;padding:0}} .scroll{{overflow:visible}} h2,h3,figcaption,caption{{break-after:avoid}}
figure,tr,.note{{break-inside:avoid}} details:not([open]){{display:none}} .figures{{grid-template-columns:1fr 1fr}}
thead{{display:table-header-group}} *{{print-color-adjust:exact}}}}
"""
"""The style sheet; it names no file and no address."""

SCRIPT = """
for (const table of document.querySelectorAll('table.sortable')) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const shown = (row, column) => row.cells[column].textContent.trim();
  const ends = { inf: Infinity, '-inf': -Infinity };
  const plain = (text) => (text === '-' || text === '' ? NaN : Number(text.replace(/[,%]/g, '')));
  const number = (text) => (Object.hasOwn(ends, text) ? ends[text] : plain(text));
  heads.forEach((head, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const sign = head.getAttribute('aria-sort') === 'ascending' ? -1 : 1;
      const rows = [...body.rows].map((row) => ({ row, text: shown(row, column) }));
      const known = rows.filter((entry) => entry.text !== '-' && entry.text !== '');
      const numeric = known.every((entry) => !Number.isNaN(number(entry.text)));
      const order = (a, b) => numeric ? Math.sign(number(a.text) - number(b.text)) || 0 : a.text.localeCompare(b.text);
      known.sort((a, b) => sign * order(a, b));
      const rest = rows.filter((entry) => entry.text === '-' || entry.text === '');
      body.append(...known.concat(rest).map((entry) => entry.row));
      heads.forEach((other) => other.removeAttribute('aria-sort'));
      head.setAttribute('aria-sort', sign > 0 ? 'ascending' : 'descending');
    });
  });
}
"""
"""Makes the columns of tables of the class sortable; a page is complete without it. What is not known stays last."""
