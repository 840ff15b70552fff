"""What the text of predictions holds, whatever names and numbers are."""

import csv
import io

import numpy as np
import pytest

from cvrun.command._predict_formats import Wanted, writer
from cvrun.command._predicted import Row


def _csv(pairs, classes) -> str:
    """The CSV text of paths with their probabilities."""
    file = io.BytesIO()
    content = writer("csv", Wanted(tuple(classes), 0, True), file)
    content.start()
    content.add([Row(path, numbers, int(numbers.argmax())) for path, numbers in pairs])
    return file.getvalue().decode()


@pytest.mark.parametrize("name", ["a,b", 'say "cat"', "two\nlines", "car\rriage", " space", "", "ü"])
def test_any_class_name_and_path_survives(tmp_path, name):
    probabilities = np.array([0.1, 0.9], dtype=np.float32)
    path = tmp_path / "p.csv"
    path.write_bytes(_csv(iter([(name, probabilities)]), ("other", name)).encode())
    with path.open(newline="") as file:
        assert list(csv.reader(file)) == [["path", "label", "score", "other", name], [name, name, "0.9", "0.1", "0.9"]]


@pytest.mark.parametrize("bits", [1, 0x00800000, 0x3F7FFFFF, 0x3DCCCCCD, 0x3EAAAAAB])
def test_a_float32_survives_its_text(bits):
    number = np.array([bits], dtype=np.uint32).view(np.float32)
    text = _csv(iter([("p", number)]), ("a",)).splitlines()[1].split(",")[3]
    assert np.float32(text).view(np.uint32) == bits


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_names_are_no_formulas_and_numbers_are_numbers(tmp_path, start):
    name = f"{start}cmd|' /C calc'!A0"
    probabilities = np.array([-0.5, 1e-7], dtype=np.float32)
    path = tmp_path / "p.csv"
    path.write_bytes(_csv(iter([(name, probabilities)]), (name, "other")).encode())
    with path.open(newline="") as file:
        header, row = csv.reader(file)
    assert header == ["path", "label", "score", f"'{name}", "other"]
    assert row == [f"./{name}", "other", "1e-07", "-0.5", "1e-07"]
