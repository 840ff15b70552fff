import numpy as np
import pytest
from sklearn.datasets import load_digits

from cvrun.data import ImageForm
from cvrun.data.digits import Config, build


def test_the_set_is_scikit_learns() -> None:
    manifest = build(Config(8, 1, "stretch"))
    reference = load_digits()
    assert manifest.images is not None
    assert manifest.images.shape == (1797, 8, 8, 1)
    np.testing.assert_array_equal(manifest.images[..., 0], np.floor(reference.images * 255 / 16 + 0.5))
    np.testing.assert_array_equal(manifest.labels, reference.target)
    assert manifest.images.min() == 0
    assert manifest.images.max() == 255


def test_is_found_by_scikit_learn_where_its_file_is_not_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = build(Config(8, 1, "stretch"))
    monkeypatch.setattr("sys.path", [])
    found = build(Config(8, 1, "stretch"))
    np.testing.assert_array_equal(found.images, expected.images)
    np.testing.assert_array_equal(found.labels, expected.labels)


def test_names_and_counts() -> None:
    manifest = build(Config(8, 1, "stretch"))
    assert manifest.classes == tuple("0123456789")
    assert (manifest.ids[0], manifest.ids[-1]) == ("0000", "1796")
    # The documentation of load_digits: about 180 a class; the exact counts are those of the UCI test file.
    assert manifest.counts(np.arange(1797)).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert manifest.groups is None
    assert manifest.official is None


def test_another_size_is_only_a_wish_to_the_pipeline() -> None:
    manifest = build(Config(16, 3, "pad"))
    assert manifest.images is not None
    assert manifest.images.shape == (1797, 8, 8, 1)
    assert manifest.form == ImageForm(16, 3, "pad")
