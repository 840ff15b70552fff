import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from planted import picture, reencoded

from cvrun.audit.examine import examine
from cvrun.audit.findings import findings
from cvrun.split import Split


@pytest.fixture
def audited(listed):
    """An audit: name -> image, class, part."""

    def audit(images, names=("train", "val", "test"), **more):
        manifest = listed({name: entry[:2] for name, entry in images.items()}, **more)
        parts = np.array([part for _, _, part in images.values()])
        split = Split(*(np.flatnonzero(parts == name) for name in ("train", "val", "test")))
        return examine(manifest, split, names, 2, 60.0)

    return audit


def base(count=24):
    return {f"{i:02d}.png": (picture(100 + i), "ab"[i % 2], ("train", "val", "test")[i % 3]) for i in range(count)}


def of_kind(found, kind):
    return [one for one in found if one.kind == kind]


def test_nothing_is_found_where_nothing_is(audited):
    assert findings(audited(base()), 0.0, False) == []


def test_images_in_two_parts_stop_a_run_unless_that_is_accepted(audited):
    images = base()
    images |= {"same.png": (picture(100), "a", "val"), "small.jpg": (reencoded(picture(103), 80), "b", "test")}
    found = of_kind(findings(audited(images), 0.0, False), "leakage")
    assert [(one.what, one.stops) for one in found] == [
        ("1 image of train is in val as well: 1 identical", True),
        ("1 image of train is in test as well: 1 copied with small changes", True),
    ]
    assert found[0].examples == ("00.png (train) = same.png (val)",)
    assert found[1].examples[0].startswith("03.png (train) ~ small.jpg (test)  r 0.99")
    assert not any(one.stops for one in findings(audited(images), 0.0, True))


def test_doubled_images_and_conflicting_labels_are_told(audited):
    images = base() | {"again.png": (picture(100), "b", "train")}
    found = findings(audited(images), 0.0, False)
    assert [(one.kind, one.what, one.count) for one in found] == [
        ("conflict", "2 images with the same pixels as another one, but another label", 2),
        ("duplicate", "1 image of train repeats another one of train: 1 identical", 1),
    ]
    assert found[0].examples == ("00.png (a) = again.png (b)",)


@pytest.mark.parametrize(
    ("part", "share", "stops"), [("train", 0.0, True), ("train", 0.2, False), ("val", 0.2, True), ("test", 0.0, False)]
)
def test_unreadable_images_stop_what_they_would_stop(audited, part, share, stops):
    content = io.BytesIO()
    picture(0).save(content, "PNG")
    images = base() | {"half.png": (content.getvalue()[:500], "a", part)}
    (one,) = findings(audited(images), share, False)
    assert (one.kind, one.stops, one.count) == ("unreadable", stops, 1)
    assert one.examples[0].startswith(f"half.png ({part}): cannot be decoded (")


def test_tiny_empty_odd_turned_and_animated_images_are_told(audited):
    exif = Image.Exif()
    exif[0x0112] = 3
    turned, animated = io.BytesIO(), io.BytesIO()
    picture(1).save(turned, "JPEG", exif=exif)
    picture(2).convert("RGB").save(animated, "WEBP", save_all=True, append_images=[picture(3)])
    images = base() | {
        "tiny.png": (picture(0).resize((40, 7)), "a", "train"),
        "black.png": (Image.new("RGB", (20, 20)), "a", "val"),
        "grey.png": (picture(4).convert("L"), "a", "train"),
        "turned.jpg": (turned.getvalue(), "a", "train"),
        "animated.webp": (animated.getvalue(), "a", "train"),
    }
    found = {one.kind: one for one in findings(audited(images), 0.0, False)}
    assert {kind: (one.count, one.examples) for kind, one in found.items()} == {
        "tiny": (1, ("tiny.png (train): 40x7",)),
        "empty": (1, ("black.png (val): 20x20",)),
        "mode": (1, ("grey.png (train): L",)),
        "turned": (1, ("turned.jpg (train): 48x48",)),
        "animated": (1, ("animated.webp (train): 48x48",)),
    }
    assert found["mode"].what.endswith("than RGB, which is the most common")


def test_groups_in_two_parts_and_absent_classes_are_told(audited):
    images = base(6) | {"c.png": (picture(9), "c", "train")}
    groups = ("p", "p", "q", "r", "s", "t", "")
    audit = audited(images, names=("train", "val"), classes=("a", "b", "c"))
    audit = replace(audit, manifest=replace(audit.manifest, groups=groups))
    found = findings(audit, 0.0, False)
    assert [(one.kind, one.what, one.stops) for one in found] == [
        ("groups", "1 group lies in several parts", True),
        ("absent", "1 of 3 classes has no image in val", False),
        ("absent", "1 of 3 classes has no image in test", False),
    ]
    assert found[0].examples == ("p: train, val",) and found[1].examples == ("c",)


def test_names_are_listed_up_to_a_number(audited):
    images = base() | {f"x{i:02d}.png": (picture(100), "a", "train") for i in range(25)}
    (one,) = of_kind(findings(audited(images), 0.0, False), "duplicate")
    assert (one.count, len(one.examples)) == (25, 20)
