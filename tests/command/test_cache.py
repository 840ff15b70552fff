"""cvrun cache: what is kept on disk, and how it goes."""

import json
import os

import pytest

from cvrun.pipeline import locks, stores


@pytest.fixture
def kept(call, image_folder):
    """The stores of a run on 60 images: 42 to train, 9 to validate."""
    words = ("data=folder", f"data.root={image_folder}", "data.size=8", "split.val=0.15", "split.test=0.15")
    said = call("train", *words, "trainer.epochs=1", "trainer.batch_size=8", "model.width=4", "workers=0", "cache=disk")
    assert said.code == 0, said.err
    return {stored.header["count"]: stored.path for stored in stores.stored(stores.root())}


def test_the_list_has_every_store(call, kept, image_folder):
    os.utime(kept[42] / "used", (86400, 86400))
    found = json.loads(call("cache", "list", "--json").out)
    assert [one["images"] for one in found] == [9, 42]
    assert found[1].pop("made").startswith("20")
    assert found[1] == {
        "store": kept[42].name,
        "path": str(kept[42]),
        "source": str(image_folder),
        "images": 42,
        "kept": "8x8x3 crop",
        "bytes": sum(path.stat().st_size for path in kept[42].iterdir()),
        "last_used": "1970-01-02T00:00:00Z",
        "user": None,
        "whole": True,
    }


def test_the_table_is_plain_in_a_pipe(call, kept, image_folder):
    os.utime(kept[42] / "used", (86400, 86400))
    held = locks.share(kept[9] / "used")
    heading, rule, first, second, _, total = call("cache", "list").out.splitlines()
    assert heading.split() == ["store", "images", "kept", "as", "MB", "last", "used", "in", "use", "by", "made", "from"]
    assert set(rule) == {"─"}
    assert f"process {os.getpid()} on " in first and first.startswith(kept[9].name[:8])
    size = f"{stores.size_of(kept[42]) / 1e6:.1f}"
    expected = [kept[42].name[:8], "42", "8x8x3", "crop", size, "1970-01-02T00:00:00Z", "-", str(image_folder)]
    assert second.split() == expected
    assert total.startswith("2 stores, 0.0 MB in ") and total.endswith(str(stores.root()))
    assert held is not None


def test_a_damaged_one_is_listed_and_cleared(call, kept):
    (kept[42] / "store.json").write_text("{")
    (one,) = (one for one in json.loads(call("cache", "list", "--json").out) if not one["whole"])
    assert (one["store"], one["images"], one["source"]) == (kept[42].name, None, None)
    assert "damaged" in call("cache", "list").out
    assert call("cache", "clear").code == 0
    assert list(stores.root().iterdir()) == []


def test_clear_removes_all_and_says_what(call, kept):
    sizes = {path.name[:8]: stores.size_of(path) for path in kept.values()}
    said = call("cache", "clear")
    *removed, total = said.out.splitlines()
    assert sorted(removed) == sorted(f"removed {name}: {size:,} bytes" for name, size in sizes.items())
    assert total == f"{sum(sizes.values()):,} bytes are free again"
    assert (said.code, said.err) == (0, "")
    assert call("cache", "list").out == f"no decoded images in {stores.root()}\n"
    assert call("cache", "list", "--json").out == "[]\n"
    assert call("cache", "clear").out == "0 bytes are free again\n"


def test_statistics_stay(call, kept):
    before = sorted((stores.root().parent / "normalize").iterdir())
    call("cache", "clear")
    assert sorted((stores.root().parent / "normalize").iterdir()) == before != []


def test_clear_removes_what_is_named(call, kept):
    said = call("cache", "clear", kept[9].name[:6])
    assert said.code == 0 and not kept[9].exists() and kept[42].exists()


def test_what_a_killed_process_left_goes_too(call, kept):
    left = stores.root() / ".abc.new"
    left.mkdir()
    (left / "pixels.bin").write_bytes(bytes(12345))
    sizes = sum(map(stores.size_of, kept.values()))
    assert call("cache", "clear").out.endswith(f"{sizes + 12345:,} bytes are free again\n")
    assert list(stores.root().iterdir()) == []


def test_one_in_use_stays_and_is_told(call, kept):
    held = locks.share(kept[9] / "used")
    line = f"{kept[9].name[:8]} is in use by process {os.getpid()} on "
    said = call("cache", "clear", kept[9].name)
    assert said.code == 2 and said.err.startswith(f"cvrun cache: {line}")
    assert said.err.endswith(": not removed; wait for it or stop it\n")
    said = call("cache", "clear")
    assert said.code == 0 and said.err.startswith(line) and said.err.endswith(": not removed\n")
    assert kept[9].exists() and not kept[42].exists()
    held.release()
    assert call("cache", "clear").code == 0 and not kept[9].exists()


@pytest.mark.parametrize("name", ["zzz", "", "../store"])
def test_a_name_that_is_none(call, kept, name):
    said = call("cache", "clear", name)
    assert said.code == 2
    assert said.err == (
        f"cvrun cache: {name}: no such store, expected the beginning of the name of one; `cvrun cache list` shows all\n"
    )
    assert all(path.exists() for path in kept.values())


def test_a_word_is_needed(call):
    said = call("cache")
    assert said.code == 2 and said.err.startswith("cvrun cache: the following arguments are required: list|clear")
    assert "choose from" in call("cache", "clean").err
