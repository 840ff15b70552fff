"""The card of an exported model says what is known, and names from data are inert in it."""

import re
from pathlib import Path

import pytest

from cvrun.command._model_card import _inert


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain name", "plain name"),
        ("<script>alert(1)</script>", r"\<script\>alert\(1\)\</script\>"),
        ("[a](http://x.y)", r"\[a\]\(http\://x\.y\)"),
        ("a|b", r"a\|b"),
        ("\x1b[2J", r"\\x1b\[2J"),
        ("`x`*y*_z_", r"\`x\`\*y\*\_z\_"),
        ("Zürich", "Zürich"),
    ],
)
def test_text_from_data_is_no_markup(text, shown):
    assert _inert(text) == shown


def test_the_card_says_what_a_user_has_to_know(call, image_folder, tmp_path):
    (image_folder / "cat").rename(image_folder / "a|<b>x")
    words = ("data=folder", f"data.root={image_folder}", "data.size=8", "trainer.batch_size=16", "trainer.epochs=1")
    assert call("train", *words, "model.width=4").code == 0
    run = next(tmp_path.glob("outputs/run/*"))
    assert call("export", run, "--format", "torch", "--output", "m.pt2").code == 0
    card = Path(tmp_path / "m.pt2.md").read_text()
    assert r"a\|\<b\>x" in card and "<b>" not in card
    for part in ("## Classes", "## Input and output", "## Data", "## Measured", "## Limits", "## Use", run.name):
        assert part in card
    assert "uint8 (B, 3, height, width)" in card and "On the 6 validation images" in card
    assert "not told" in card and "load it only from somebody you trust" in card
    assert re.search(r"\| accuracy \| [01]\.\d{4} \|", card)
    assert "has not been opened" in card.replace("\\", "")
