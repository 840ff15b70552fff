import os

import numpy as np
import pytest
from planted import picture

from cvrun.audit import kept
from cvrun.audit.look import NOTE
from cvrun.data import ImageForm, Manifest


def notes(*keys, reason=b""):
    made = np.zeros(len(keys), NOTE)
    made["key"], made["reason"] = keys, reason
    return made


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "a.notes"
    kept.write(path, notes(), notes(b"one", b"two"))
    assert kept.read(path)["key"].tolist() == [b"one", b"two"]


def test_notes_of_other_images_stay_unless_they_are_many(tmp_path):
    path = tmp_path / "a.notes"
    kept.write(path, notes(b"old"), notes(b"one"))
    assert sorted(kept.read(path)["key"].tolist()) == [b"old", b"one"]
    kept.write(path, notes(*[b"%d" % i for i in range(5)]), notes(b"one"))
    assert kept.read(path)["key"].tolist() == [b"one"]


def test_what_could_not_be_read_is_not_kept(tmp_path):
    path = tmp_path / "a.notes"
    kept.write(path, notes(), np.concatenate([notes(b"one"), notes(b"bad", reason=b"Input/output error")]))
    assert kept.read(path)["key"].tolist() == [b"one"]


@pytest.mark.parametrize("damage", [lambda c: c[:-1], lambda c: c[:50] + b"x" + c[51:], lambda c: b"", lambda c: c * 2])
def test_a_damaged_file_holds_nothing(tmp_path, damage):
    path = tmp_path / "a.notes"
    kept.write(path, notes(), notes(b"one"))
    path.write_bytes(damage(path.read_bytes()))
    assert len(kept.read(path)) == 0 and kept.read(path).dtype == NOTE


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").write_text("")
    kept.write(tmp_path / "file" / "a.notes", notes(), notes(b"one"))


def test_key_follows_the_file_as_it_is(listed):
    manifest = listed({"a.png": (picture(0), "a"), "b.png": (picture(1), "b")})
    rows = np.arange(2)
    before = kept.keys(manifest, rows)
    assert (kept.keys(manifest, rows) == before).all() and before[0] != before[1]
    # The same size and time of modification: only the time of change, which nobody can set, tells.
    path = manifest.paths[0]
    found, content = path.stat(), path.read_bytes()
    path.write_bytes(content[:-1] + b"x")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    after = kept.keys(manifest, rows)
    assert after[0] != before[0] and after[1] == before[1]


def test_key_of_an_embedded_image_is_its_content():
    images = np.arange(2 * 4 * 4, dtype=np.uint8).reshape(2, 4, 4, 1)

    def key(pixels, channels=1):
        form = ImageForm(4, channels, "stretch")
        return kept.keys(Manifest(("0", "1"), np.zeros(2, np.int64), ("a",), form, images=pixels), np.arange(2))

    changed = images.copy()
    changed[1, 0, 0, 0] += 1
    assert key(images)[0] == key(changed)[0] and key(images)[1] != key(changed)[1]
    assert key(images)[0] != key(images, channels=3)[0]


def test_place_is_in_the_cache_folder_and_of_the_source(listed, tmp_path):
    manifest = listed({"a.png": (picture(0), "a")})
    assert kept.place(manifest).parent == tmp_path / "cache" / "audit"
    assert kept.place(manifest) == kept.place(listed({"a.png": (picture(0), "a")}))
