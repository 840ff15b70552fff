"""Lengths in place of pixels: checklist B9 and E26, and every key that is a size in pixels."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import get_type_hints

import pytest
import yaml

from cvrun import config, options
from cvrun.errors import ConfigError
from cvrun.physical import Pixels, PixelsFraction, in_pixels, is_size, length


@dataclass(frozen=True)
class Sizes:
    size: Pixels
    sigma: PixelsFraction
    epochs: int
    name: str


def converted(pixel_size, **values):
    return in_pixels(Sizes, {"size": 8, "sigma": 1.0, "epochs": 3, "name": "x", **values}, "data", pixel_size)


@pytest.mark.parametrize(
    ("text", "edge", "pixels"),
    [("200um", 0.243, 823), ("2mm", 0.243, 8230), ("200um", 0.5, 400), ("0.2 mm", 0.5, 400), (" 24.3um ", 0.243, 100)],
)
def test_b9_a_length_becomes_pixels(text, edge, pixels):
    assert converted(edge, size=text)["size"] == pixels


def test_b9_a_circle_of_200_um_has_532031_pixels():
    diameter = converted(0.243, sigma="200um")["sigma"]
    assert diameter == pytest.approx(823.045, abs=5e-4)
    assert round(math.pi / 4 * diameter**2) == 532_031


def test_e26_a_micro_metastasis_is_above_823_and_up_to_8230_pixels():
    """CAMELYON17: above 0.2 mm, up to 2 mm, at 0.243 um a pixel."""
    low, high = (converted(0.243, size=text)["size"] for text in ("0.2mm", "2mm"))
    assert (low, high) == (823, 8230)


def test_both_letters_that_look_like_micro_are_read():
    assert length("200\u00b5m") == length("200\u03bcm") == length("200um") == 200.0
    assert length("2mm") == 2000.0


@pytest.mark.parametrize("text", ["200", "um", "-200um", "1e3um", "200nm", "200umm", "2 m", "200um 3um", ""])
def test_other_text_is_no_length(text):
    assert length(text) is None
    assert converted(0.5, size=text)["size"] == text


def test_only_sizes_are_converted():
    assert converted(0.5, epochs="200um", name="200um") == converted(0.5) | {"epochs": "200um", "name": "200um"}


def test_a_length_needs_the_edge_of_a_pixel():
    with pytest.raises(ConfigError) as caught:
        converted(None, size="200um")
    assert str(caught.value) == (
        "data.size=200um: a length, expected pixels where data.pixel_size_um is null;"
        " set data.pixel_size_um to the edge of a pixel, such as 0.243"
    )


def test_a_length_of_less_than_half_a_pixel_is_not_taken_for_none():
    with pytest.raises(ConfigError, match=r"data.size=0.1um: is 0.2 of a pixel of 0.5 um, expected at least half"):
        converted(0.5, size="0.1um")
    assert converted(0.5, size="0um")["size"] == 0


@pytest.mark.parametrize("key", ["size", "sigma"])
@pytest.mark.parametrize(("text", "edge"), [("9" * 400 + "um", 1.0), ("9" * 307 + "mm", 1.0), ("1um", 1e-310)])
def test_a_length_beyond_all_numbers_is_refused(key, text, edge):
    with pytest.raises(ConfigError, match=rf"^data.{key}={text}: too many pixels of .* um to be counted, expected a s"):
        converted(edge, **{key: text})


FILES = sorted(path for path in options.config_root().glob("*/*.yaml") if "[pixels]" in path.read_text())


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_key_in_pixels_takes_a_length(path: Path):
    keys = re.findall(r"(?m)^(\w+):.*# \[pixels\]", path.read_text())
    hints = get_type_hints(
        options.load(path.parent.name, yaml.safe_load(path.read_text())["option"]).Config, None, None, True
    )
    assert [key for key in keys if not is_size(hints[key])] == []
    assert keys


def test_files_with_sizes_are_found():
    assert {"data", "augment"} == {path.parent.name for path in FILES}


LENGTHS = ["data.pixel_size_um=0.5", "augment=standard"]


@pytest.mark.parametrize(
    ("said", "group", "key", "expected"),
    [
        ("data.size=16um", "data", "size", 32),
        ('data.size="16\u00b5m"', "data", "size", 32),
        ("augment.side=0.1mm", "augment", "side", 200),
        ("augment.blur_sigma_max=1.2um", "augment", "blur_sigma_max", 2.4),
    ],
)
def test_a_command_line_may_say_a_length(said, group, key, expected):
    spec = config.compose([*LENGTHS, said])
    assert getattr(spec.parts[group].config, key) == expected
    # The run's own text is kept as it was said; its id counts pixels.
    assert said.partition("=")[2].strip('"') in spec.text
    assert spec.id == config.compose([*LENGTHS, f"{group}.{key}={expected}"]).id
    assert spec.id != config.compose([*LENGTHS, f"{group}.{key}={expected + 1}"]).id


def test_a_file_may_say_a_length(tmp_path):
    (tmp_path / "exp").mkdir()
    text = "# @package _global_\ndata:\n  size: 16um\n  pixel_size_um: 0.5\n"
    (tmp_path / "exp" / "mine.yaml").write_text(text)
    assert config.compose(["+exp=mine"], tmp_path).parts["data"].config.size == 32


def test_a_saved_run_says_the_same_again(tmp_path):
    spec = config.compose([*LENGTHS, "data.size=16um"])
    (tmp_path / "spec.yaml").write_text(spec.text)
    assert config.load(tmp_path / "spec.yaml", []).parts == spec.parts


@pytest.mark.parametrize("said", ["optimizer.lr=200um", "trainer.epochs=200um", "data.channels=1um", "data.size=abc"])
def test_what_is_no_size_or_no_length_is_refused(said):
    with pytest.raises(ConfigError, match="expected a (whole )?number"):
        config.compose([*LENGTHS, said])
