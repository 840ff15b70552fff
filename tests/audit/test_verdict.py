from dataclasses import replace

import numpy as np
import pytest
from planted import picture, reencoded

from cvrun.audit import gather as gathering
from cvrun.audit import verdict as judging
from cvrun.audit.examine import examine
from cvrun.audit.verdict import judge, keep
from cvrun.errors import DataError
from cvrun.split import Split

NONE = np.zeros(0, np.int64)


@pytest.fixture
def base():
    return {f"{i:02d}.png": (picture(100 + i), "ab"[i % 2]) for i in range(20)}


@pytest.fixture
def examined(monkeypatch):
    """How often images are examined."""
    times = []

    def counting(*arguments):
        times.append(arguments)
        return examine(*arguments)

    monkeypatch.setattr(judging, "examine", counting)
    return times


def split(count, val, test=NONE):
    left = np.setdiff1d(np.arange(count), [*val, *test])
    return Split(left, np.array(val), np.array(test, dtype=np.int64))


def test_sound_data_is_examined_once(listed, base, examined):
    manifest, parts = listed(base), split(20, [0, 1])
    assert judge(manifest, parts, 2, 60.0, False) == ()
    assert judge(manifest, parts, 2, 60.0, False) == ()
    assert len(examined) == 1


def test_a_leak_stops_every_start_and_is_named(listed, base, examined):
    manifest = listed(base | {"same.png": (picture(100), "a"), "near.jpg": (reencoded(picture(101), 80), "b")})
    parts = split(22, [20, 21])
    for _ in range(2):
        with pytest.raises(DataError) as error:
            judge(manifest, parts, 2, 60.0, False)
    line = str(error.value)
    assert line.startswith("data: 2 images of train in val as well (1 identical, 1 copied with small changes), such as")
    assert "00.png (train) = same.png (val)" in line
    assert "--exclude FILE" in line and "data.accept_leakage=true" in line
    assert error.value.exit_code == 3 and len(examined) == 1
    (warning,) = judge(manifest, parts, 2, 60.0, True)
    assert warning.startswith("data.accept_leakage=true: 2 images of train in val")


def test_what_is_doubled_in_one_part_is_a_warning(listed, base):
    manifest = listed(base | {"same.png": (picture(102), "b")})
    lines = judge(manifest, split(21, [0, 1]), 2, 60.0, False)
    assert lines == (
        "data: 2 images with the same pixels as another one, but another label, such as 02.png (a) = same.png (b)",
        "data: 1 image of train repeats another one of train: 1 identical, such as same.png (train) = 02.png (train)",
    )


def test_a_changed_file_label_or_part_is_examined_anew(listed, base, examined):
    manifest, parts = listed(base), split(20, [0, 1])
    judge(manifest, parts, 2, 60.0, False)
    judge(manifest, split(20, [0, 2]), 2, 60.0, False)
    judge(replace(manifest, labels=1 - manifest.labels), parts, 2, 60.0, False)
    assert len(examined) == 3
    picture(102).save(manifest.paths[0])
    with pytest.raises(DataError, match=r"02.png \(train\) = 00.png \(val\)"):
        judge(manifest, parts, 2, 60.0, False)


def test_a_run_looks_at_no_test_image_but_knows_what_cvrun_data_found(listed, base, examined):
    manifest = listed(base | {"same.png": (picture(102), "a")})
    parts = split(21, [0, 1], [20])
    assert judge(manifest, parts, 2, 60.0, False) == ()
    audit = examine(manifest, parts, ("train", "val", "test"), 2, 60.0)
    keep(audit, parts)
    manifest.paths[20].unlink()
    with pytest.raises(DataError, match=r"1 image of train in test as well .* 02.png \(train\) = same.png \(test\)"):
        judge(manifest, parts, 2, 60.0, False)
    # Without the test part nothing is learnt of it, and nothing is forgotten.
    keep(examine(manifest, parts, ("train", "val"), 2, 60.0), parts)
    with pytest.raises(DataError, match="in test as well"):
        judge(manifest, parts, 2, 60.0, False)
    assert [arguments[2] for arguments in examined] == [("train", "val")]


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"leak": 1, "warnings": [], "time": ""}', '{"leak": "", "warnings": [1], "time": ""}']
)
def test_a_damaged_verdict_is_made_anew(listed, base, examined, tmp_path, content):
    manifest, parts = listed(base), split(20, [0, 1])
    judge(manifest, parts, 2, 60.0, False)
    (kept,) = (tmp_path / "cache" / "audit").glob("*.json")
    kept.write_text(content)
    assert judge(manifest, parts, 2, 60.0, False) == ()
    assert len(examined) == 2


def test_alike_images_are_told_where_they_are_many(listed):
    # Frames of one film: neighbours share most of what they show, as neighbouring sections do.
    random = np.random.default_rng(0)
    from PIL import Image

    fields = np.cumsum(random.normal(size=(60, 12, 12)), axis=0)
    frames = [(field - field.min()) / np.ptp(field) * 255 for field in fields]
    images = {
        f"{i:02d}.png": (Image.fromarray(frame.astype(np.uint8)).resize((48, 48), Image.Resampling.BICUBIC), "a")
        for i, frame in enumerate(frames)
    }
    manifest = listed(images, classes=("a",), channels=1)
    (line,) = judge(manifest, split(60, range(40, 60, 2)), 2, 60.0, False)
    assert "across train and val more alike than chance explains" in line and "data.group_by" in line


@pytest.fixture
def failing(monkeypatch):
    """Names of files that cannot be read, although nothing about them has changed."""
    names, real = set(), gathering.source_of

    def broken():
        raise OSError(5, "Input/output error")

    def source(manifest, position):
        found = real(manifest, position)
        return found._replace(read=broken) if manifest.ids[position] in names else found

    monkeypatch.setattr(gathering, "source_of", source)
    return names


def test_no_verdict_is_kept_while_an_image_cannot_be_read(listed, base, failing):
    manifest, parts = listed(base | {"same.png": (picture(100), "a")}), split(21, [1, 20])
    failing.add("same.png")
    assert judge(manifest, parts, 2, 60.0, False) == ()
    keep(examine(manifest, parts, ("train", "val"), 2, 60.0), parts)
    failing.clear()
    with pytest.raises(DataError, match=r"00.png \(train\) = same.png \(val\)"):
        judge(manifest, parts, 2, 60.0, False)


def test_what_a_run_leaves_out_is_not_judged(listed, base, failing, examined):
    manifest, parts = listed(base), split(20, [0, 1])
    failing.add("05.png")
    started = replace(parts, train=np.setdiff1d(parts.train, [5]))
    keep(examine(manifest, parts, ("train", "val"), 2, 60.0), started)
    assert judge(manifest, started, 2, 60.0, False) == () and not examined


def test_a_test_image_that_cannot_be_read_clears_nothing(listed, base, failing):
    manifest, parts = listed(base | {"same.png": (picture(102), "a")}), split(21, [0, 1], [19, 20])
    every = ("train", "val", "test")
    failing.add("19.png")
    keep(examine(manifest, parts, every, 2, 60.0), parts)
    with pytest.raises(DataError, match="in test as well"):
        judge(manifest, parts, 2, 60.0, False)
    # Not what it was, and so looked at again.
    picture(500).save(manifest.paths[20])
    failing.add("same.png")
    keep(examine(manifest, parts, every, 2, 60.0), parts)
    with pytest.raises(DataError, match="in test as well"):
        judge(manifest, parts, 2, 60.0, False)


def test_an_old_finding_in_the_test_part_says_its_age_and_what_clears_it(listed, base, monkeypatch):
    manifest, parts = listed(base | {"same.png": (picture(102), "a")}), split(21, [0, 1], [20])
    every = ("train", "val", "test")
    monkeypatch.setattr(judging, "now", lambda: "2026-03-01T08:00:00.000Z")
    keep(examine(manifest, parts, every, 2, 60.0), parts)
    picture(500).save(manifest.paths[20])
    with pytest.raises(DataError) as error:
        judge(manifest, parts, 2, 60.0, False)
    told = "found by `cvrun data` at 2026-03-01T08:00:00.000Z; to run it again looks anew"
    assert told in str(error.value)
    keep(examine(manifest, parts, every, 2, 60.0), parts)
    assert judge(manifest, parts, 2, 60.0, False) == ()


def test_another_range_of_values_is_examined_anew(listed, base, examined):
    manifest, parts = listed(base), split(20, [0, 1])
    for limits in (None, (0.0, 255.0), (10.0, 255.0), None):
        judge(replace(manifest, form=replace(manifest.form, value_range=limits)), parts, 2, 60.0, False)
    assert len(examined) == 3
