import numpy as np
import pytest

from cvrun.audit.suspects import Suspect, rank, read
from cvrun.errors import DataError


def saved(path, ids, targets, probabilities, classes=("a", "b")):
    np.savez_compressed(
        path,
        ids=np.array(ids, dtype=np.str_),
        targets=np.array(targets, dtype=np.int64),
        probabilities=np.array(probabilities, dtype=np.float32),
        classes=np.array(classes, dtype=np.str_),
    )
    return path


def test_the_least_likely_label_comes_first(tmp_path):
    one = read(saved(tmp_path / "one.npz", ["x", "y"], [0, 1], [[0.5, 0.5], [0.25, 0.75]]))
    two = read(saved(tmp_path / "two.npz", ["z"], [0], [[0.125, 0.875]]))
    found = rank([one, two])
    assert [(s.name, s.label, s.likeliest, s.runs) for s in found] == [
        ("z", "a", "b", 1),
        ("x", "a", "a", 1),
        ("y", "b", "b", 1),
    ]
    # -ln(1/8), -ln(1/2), -ln(3/4)
    np.testing.assert_allclose([s.loss for s in found], [2.0794415, 0.6931472, 0.2876821], rtol=1e-6)
    assert [s.probability for s in found] == [0.125, 0.5, 0.75]


def test_an_image_in_several_runs_has_their_mean(tmp_path):
    files = [saved(tmp_path / f"{i}.npz", ["x"], [0], [[p, 1 - p]]) for i, p in enumerate((0.5, 0.125))]
    (one,) = rank([read(file) for file in files])
    assert (one.runs, one.probability, one.likeliest) == (2, 0.3125, "b")
    # (ln 2 + ln 8) / 2 = 2 ln 2
    assert one.loss == pytest.approx(2 * np.log(2))


def test_a_probability_of_zero_has_a_finite_loss(tmp_path):
    (one,) = rank([read(saved(tmp_path / "a.npz", ["x"], [0], [[0, 1]]))])
    assert one == Suspect("x", "a", "b", 0.0, pytest.approx(-np.log(1e-12)), 1)


def test_other_classes_or_labels_are_refused(tmp_path):
    one = read(saved(tmp_path / "one.npz", ["x"], [0], [[0.5, 0.5]]))
    other = read(saved(tmp_path / "other.npz", ["y"], [0], [[0.5, 0.5]], classes=("a", "c")))
    with pytest.raises(DataError, match=r"classes a, c, expected those of"):
        rank([one, other])
    changed = read(saved(tmp_path / "changed.npz", ["x"], [1], [[0.5, 0.5]]))
    with pytest.raises(DataError, match=r"'x' is b, in .*one.npz it is a, expected one label"):
        rank([one, changed])


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip"])
def test_damaged_predictions_are_one_line(tmp_path, content):
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        read(path)


def test_predictions_that_do_not_fit_are_damaged(tmp_path):
    with pytest.raises(DataError, match="shapes do not fit"):
        read(saved(tmp_path / "a.npz", ["x", "y"], [0, 1], [[0.5, 0.5]]))
    with pytest.raises(DataError, match="targets beyond the classes"):
        read(saved(tmp_path / "b.npz", ["x"], [2], [[0.5, 0.5]]))


def test_predictions_that_are_not_there_are_one_line(tmp_path):
    with pytest.raises(DataError, match="cvrun eval RUN writes them"):
        read(tmp_path / "none.npz")


@pytest.mark.parametrize(
    "changed",
    [
        {"ids": np.array("x")},
        {"classes": np.array(2)},
        {"ids": np.array([["x"]]), "targets": np.array([[0]]), "probabilities": np.array([[[0.5, 0.5]]])},
        {"targets": np.array([0.0])},
        {"probabilities": np.array([["a", "b"]])},
        {"classes": np.array([["a"], ["b"]])},
        {"classes": np.array([1, 2])},
        {"ids": np.array([1])},
        {"targets": np.array([-1])},
        {"probabilities": np.array([["0.5", "0.5"]])},
        {"probabilities": np.array([[np.nan, 0.5]])},
        {"ids": np.array(["x"], object)},
    ],
)
def test_predictions_of_other_shapes_or_kinds_are_one_line(tmp_path, changed):
    whole = {"ids": np.array(["x"]), "targets": np.array([0]), "probabilities": np.array([[0.5, 0.5]])}
    np.savez(tmp_path / "a.npz", **{**whole, "classes": np.array(["a", "b"]), **changed})
    with pytest.raises(DataError, match="damaged") as caught:
        read(tmp_path / "a.npz")
    assert "pickle" not in str(caught.value)


def test_labels_of_any_number_are_read_where_they_are_asked_for(tmp_path):
    path = saved(tmp_path / "a.npz", ["x"], [[0, 1]], [[0.25, 0.75]])
    assert read(path, several=True).labels.tolist() == read(path, several=None).labels.tolist() == [[0, 1]]
    with pytest.raises(DataError, match="task=multilabel"):
        read(path)
    with pytest.raises(DataError, match="no 0 or 1"):
        read(saved(tmp_path / "b.npz", ["x"], [1], [[0.25, 0.75]]), several=True)
    with pytest.raises(DataError, match="beyond"):
        read(saved(tmp_path / "c.npz", ["x"], [[0, 2]], [[0.25, 0.75]]), several=True)


def test_a_bit_in_the_middle_of_compressed_predictions_is_one_line(tmp_path):
    random = np.random.default_rng(0)
    values = {"ids": np.arange(500).astype(str), "targets": np.zeros(500, int), "classes": np.array(["a", "b"])}
    np.savez_compressed(tmp_path / "a.npz", probabilities=random.random((500, 2)), **values)
    content = (tmp_path / "a.npz").read_bytes()
    refused = 0
    for place in range(60, len(content), len(content) // 40):
        changed = bytearray(content)
        changed[place] ^= 255
        (tmp_path / "a.npz").write_bytes(bytes(changed))
        try:
            read(tmp_path / "a.npz")
        except DataError:
            refused += 1
    assert refused > 30
