"""A page in a real browser, Debian's Chromium without a window: what its console says, what a script finds in it."""

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

FIGURES = """
[...document.querySelectorAll('svg')].map((svg) => {
  const drawn = [...svg.querySelectorAll('polyline,circle,polygon,rect')].map((each) => each.getBBox());
  const box = svg.getBoundingClientRect();
  return {width: box.width, height: box.height, shapes: drawn.filter((each) => each.width + each.height > 0).length};
})
"""
"""Size of each figure [pixels], and how many of its shapes have one."""


def seen(page: Path, folder: Path, script: str, size: str = "1000,800", dark: bool = False) -> tuple:
    """The value of a JavaScript expression in a page, and the lines of the console; the page loads no other script.

    dark says what the system prefers.

    The expression stands in a copy of the page, whose policy also allows that script, by its hash.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed: this test looks at a page in a real browser (apt install chromium)")
    probe = f"""
document.addEventListener('DOMContentLoaded', () => {{
  const found = (() => ({script}))();
  const place = document.createElement('pre');
  place.id = 'probe';
  place.textContent = JSON.stringify(found);
  document.body.append(place);
}});
"""
    digest = base64.b64encode(hashlib.sha256(probe.encode()).digest()).decode()
    content = page.read_text()
    allowed = content.replace("script-src ", f"script-src 'sha256-{digest}' ", 1)
    assert allowed != content, "the page has a policy for scripts"
    copy = folder / "probed.html"
    copy.write_text(allowed.replace("</head>", f"<script>{probe}</script></head>", 1))
    said = subprocess.run(
        [
            *(chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--enable-logging=stderr", "--v=0", f"--user-data-dir={folder / 'chromium'}", f"--window-size={size}"),
            *(["--blink-settings=preferredColorScheme=0"] if dark else []),
            *("--virtual-time-budget=5000", "--dump-dom", copy.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    match = re.search(r'<pre id="probe">(.*?)</pre>', said.stdout, re.DOTALL)
    assert match, f"the browser showed no page: {said.stderr[-2000:]}"
    return json.loads(html.unescape(match[1])), [line for line in said.stderr.splitlines() if "CONSOLE" in line]
