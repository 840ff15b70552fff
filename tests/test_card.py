import shutil
from pathlib import Path

import pytest
import yaml

from cvrun import config
from cvrun.card import COPY, read_card
from cvrun.errors import DataError
from cvrun.selection import facts, select

GOOD = 'source: https://example.org/cells\nlicence: CC BY 4.0\ndate: 2026-11-27\nnote: "1,000 cells"\n'
QUICK = ("model.width=4", "trainer.epochs=1", "trainer.batch_size=300", "workers=0", "audit=false")


@pytest.fixture
def card(tmp_path):
    path = tmp_path / "card.yaml"
    path.write_text(GOOD)
    return path


def test_a12_the_card_is_kept_with_the_run_beside_the_hash_of_the_data(call, card, tmp_path):
    said = call("train", *QUICK, f"data.card={card}")
    assert said.code == 0, said.err
    line = "source https://example.org/cells; licence CC BY 4.0; date 2026-11-27"
    assert line in said.err
    (folder,) = tmp_path.glob("outputs/run/*")
    assert (folder / "data_card.yaml").read_text() == GOOD
    data = yaml.safe_load((folder / "plan.yaml").read_text())["data"]
    assert data["card"]["licence"] == "CC BY 4.0"
    assert data["card"]["note"] == "1,000 cells"
    assert len(data["data_fingerprint"]) == 64
    # A run that goes on does not need the file any more.
    card.unlink()
    assert call("resume", folder, "trainer.epochs=2").code == 0
    assert call("eval", folder).code == 0
    assert (folder / "data_card.yaml").read_text() == GOOD


def test_without_a_card_nothing_is_said_of_one(call, tmp_path):
    assert "card" not in call("check", *QUICK).out


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("source: a\nlicence: b\n", "date is missing, expected source, licence, date; write date: ..."),
        (
            "source: a\nlicense: b\ndate: c\n",
            "licence is missing, expected source, licence, date; did you mean 'license'?",
        ),
        ("source: a\nlicence: b\ndate: 2026\n", "date=2026: expected a text; quotes make one of a number"),
        ("source: [a]\nlicence: b\ndate: c\n", "source=['a']: expected a text"),
        ("source: ' '\nlicence: b\ndate: c\n", "source= : expected a text"),
        ("- a\n", "expected keys with texts"),
        ("", "expected keys with texts"),
        ("source: a: b\n", "not YAML"),
    ],
)
def test_a_card_that_does_not_say_what_it_has_to_is_refused_before_training(call, card, tmp_path, text, part):
    card.write_text(text)
    said = call("train", *QUICK, f"data.card={card}")
    assert said.code == 3
    assert said.err.startswith(f"cvrun train: data.card={card}: ")
    assert " ".join(part.split()) in said.err
    assert len(said.err.splitlines()) == 1
    assert not (tmp_path / "outputs").exists()


def test_a_card_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"data.card=nowhere.yaml: cannot be read \(No such file or directory\)"):
        read_card("nowhere.yaml", tmp_path / COPY)
    assert read_card(None, tmp_path / COPY) is None


def test_a12_the_hash_of_the_data_is_the_same_on_two_machines(image_folder, tmp_path):
    """Other roots stand for other machines: nothing of where the data lie is in the hash."""
    other = Path(shutil.copytree(image_folder, tmp_path / "mnt" / "other disk" / "photos"))
    words = ("data=folder", "data.size=8", *QUICK)
    here, there = (facts(select(config.compose([*words, f"data.root='{root}'"]))) for root in (image_folder, other))
    assert here.data_fingerprint == there.data_fingerprint
    assert here.split_fingerprint == there.split_fingerprint
    with (other / "cat" / "00.png").open("ab") as file:
        file.write(b"more")
    changed = facts(select(config.compose([*words, f"data.root='{other}'"])))
    assert changed.data_fingerprint != here.data_fingerprint
