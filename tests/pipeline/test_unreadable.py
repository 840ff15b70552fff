import csv
import io
from pathlib import Path

import numpy as np
import pytest

from cvrun.data import ImageForm, Manifest
from cvrun.errors import DataError
from cvrun.pipeline.decode import ImageError
from cvrun.pipeline.unreadable import LeftOut, leave_out
from cvrun.split import Split

N = 100


def manifest(labels: list[int]) -> Manifest:
    return Manifest(
        ids=tuple(f"{i}.png" for i in range(len(labels))),
        labels=np.array(labels),
        classes=("a", "b"),
        form=ImageForm(1, 1, "stretch"),
        images=np.zeros((len(labels), 1, 1, 1), np.uint8),
    )


SPLIT = Split(train=np.arange(N), val=np.array([N, N + 1]), test=np.array([N + 2]))
DATA = manifest([0, 1] * (N // 2) + [0, 1, 0])


def bad(*positions: int) -> dict[int, ImageError]:
    return {i: ImageError(Path(f"/d/{i}.png"), f"reason {i}", "an image") for i in positions}


def test_the_others_stay_in_their_order() -> None:
    split, left_out = leave_out(DATA, SPLIT, bad(4, 7, 99), 0.05)
    assert split.train.tolist() == [i for i in range(N) if i not in (4, 7, 99)]
    assert split.val.tolist() == SPLIT.val.tolist() and split.test.tolist() == SPLIT.test.tolist()
    assert left_out == LeftOut({"4.png": "reason 4", "7.png": "reason 7", "99.png": "reason 99"}, N)


def test_nothing_is_left_out_of_what_is_whole() -> None:
    split, left_out = leave_out(DATA, SPLIT, {}, 0.05)
    assert split.train.tolist() == list(range(N)) and left_out.reasons == {}
    assert left_out.to_csv() == b"path,reason\n"


@pytest.mark.parametrize(
    ("share", "number", "allowed"), [(0.05, 5, 5), (0.05, 6, 5), (0.29, 29, 29), (0.29, 30, 29), (0.009, 1, 0)]
)
def test_the_budget_is_a_share_of_the_training_images(share: float, number: int, allowed: int) -> None:
    some = bad(*range(number))
    if number <= allowed:
        assert len(leave_out(DATA, SPLIT, some, share)[0].train) == N - number
        return
    with pytest.raises(DataError) as caught:
        leave_out(DATA, SPLIT, some, share)
    also = "also 1.png, 2.png; " if number > 1 else ""
    end = f"{number} of 100 training images cannot be used, skip_unreadable={share:g} allows {allowed}"
    assert str(caught.value) == f"/d/0.png: reason 0, expected an image; {also}{end}"


def test_a_class_may_not_vanish() -> None:
    with pytest.raises(DataError, match="no training image of class 'b'"):
        leave_out(DATA, SPLIT, bad(*range(1, N, 2)), 0.9)


@pytest.mark.parametrize(
    ("number", "names"), [(1, "0.png"), (3, "0.png, 1.png, 2.png"), (5, "0.png, 1.png, 2.png and 2 more")]
)
def test_the_warning_names_three(number: int, names: str) -> None:
    left_out = LeftOut({f"{i}.png": "x" for i in range(number)}, 2000)
    start = f"{number} of 2,000 training images cannot be used and are left out, see unreadable.csv: "
    assert left_out.warning() == start + names


def test_the_table_reads_back_and_starts_no_formula() -> None:
    text = LeftOut({"a,b.png": 'said "no"', "=1+1.png": "-2"}, 9).to_csv().decode()
    rows = list(csv.reader(io.StringIO(text)))
    assert rows == [["path", "reason"], ["a,b.png", 'said "no"'], ["'=1+1.png", "'-2"]]
