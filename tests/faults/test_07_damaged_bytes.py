"""Row 7: whatever bytes a file has, it gives an image or a typed error with its path; sha256 finds wrong images."""

import contextlib
import hashlib
import io

import kit
import numpy as np
import pytest
from PIL import Image

from cvrun.data import ImageForm
from cvrun.errors import DataError
from cvrun.pipeline.decode import decode

FORM = ImageForm(16, 3, "crop")
FORMATS = {
    "jpg": ("JPEG", "RGB"),
    "png": ("PNG", "RGBA"),
    "bmp": ("BMP", "RGB"),
    "webp": ("WEBP", "RGB"),
    "tif": ("TIFF", "RGB"),
    "gif": ("GIF", "P"),
    "ppm": ("PPM", "RGB"),
    "pgm": ("PPM", "L"),
}
DRAWS = 120


def content(suffix: str) -> bytes:
    """A smooth picture of 40x32 pixels."""
    format_, mode = FORMATS[suffix]
    ramp = np.linspace(0, 255, 40)[None, :, None] * np.linspace(0.2, 1, 32)[:, None, None]
    image = Image.fromarray((ramp * np.array([1, 0.7, 0.4])).astype(np.uint8)).convert(mode)
    file = io.BytesIO()
    image.save(file, format_, **({"compression": "tiff_lzw"} if suffix == "tif" else {}))
    return file.getvalue()


def damaged(whole: bytes, random) -> bytes:
    """The file cut short, or with up to eight bits flipped, half of the time in its first 64 bytes."""
    if random.random() < 0.3:
        return whole[: random.integers(0, len(whole))]
    some = np.frombuffer(whole, np.uint8).copy()
    reach = min(64, len(some)) if random.random() < 0.5 else len(some)
    for at in random.integers(0, reach, random.integers(1, 9)):
        some[at] ^= 1 << random.integers(0, 8)
    return some.tobytes()


@pytest.mark.parametrize("suffix", FORMATS)
def test_damage_gives_an_image_or_an_error_that_names_the_file(suffix, tmp_path):
    whole, path = content(suffix), tmp_path / f"x.{suffix}"
    path.write_bytes(whole)
    assert decode(path, FORM).pixels.shape == (16, 16, 3)
    random = np.random.default_rng(list(suffix.encode()))
    errors = 0
    for _ in range(DRAWS):
        path.write_bytes(damaged(whole, random))
        try:
            found = decode(path, FORM).pixels
            assert found.shape == (16, 16, 3) and found.dtype == np.uint8
        except DataError as error:
            errors += 1
            assert str(error).startswith(f"{path}: cannot be decoded (") and str(error).isprintable()
            assert error.exit_code == 3
    assert errors > DRAWS * 0.2


def test_bits_of_a_jpeg_that_decode_wrongly_are_found_by_the_hash(tmp_path):
    whole, path = content("jpg"), tmp_path / "x.jpg"
    sha256 = hashlib.sha256(whole).hexdigest()
    path.write_bytes(whole)
    right = decode(path, FORM, sha256).pixels
    random = np.random.default_rng(0)
    wrong = 0
    for _ in range(100):
        some = bytearray(whole)
        some[random.integers(len(whole) // 2, len(whole) - 2)] ^= 1 << random.integers(0, 8)
        path.write_bytes(some)
        with contextlib.suppress(DataError):
            wrong += not np.array_equal(decode(path, FORM).pixels, right)
        with pytest.raises(DataError, match=r"x\.jpg: its content has the sha256 [0-9a-f]{12}\.\.\., expected "):
            decode(path, FORM, sha256)
    # Without a hash they would be trained on.
    assert wrong > 10


@pytest.fixture
def table(images, tmp_path):
    """Writes a table of the images with their hashes, some of them changed; gives the words that choose it."""

    def write(**changed):
        names = sorted(path.relative_to(images).as_posix() for path in images.rglob("*.png"))
        rows = ["path,label,sha"]
        for name in names:
            right = hashlib.sha256((images / name).read_bytes()).hexdigest()
            rows.append(f"{name},{name.partition('/')[0]},{changed.get(name.replace('/', '_')[:-4], right.upper())}")
        (tmp_path / "table.csv").write_text("\n".join(rows))
        quick = [word for word in kit.QUICK if word != "data=folder"]
        own = ["data=csv", f"data.root={images}", f"data.file={tmp_path}/table.csv", "data.hash_column=sha"]
        return ("train", *quick, *own, "trainer.epochs=1")

    return write


def test_a_table_with_hashes(call, table, images):
    assert call(*table()).code == 0
    # Stratified halves: whichever part it is in but the test, it is refused.
    said = call(*table(ant_00="0" * 64), "split.test=0")
    assert said.code == 3
    assert f"{images}/ant/00.png: its content has the sha256 " in said.err
    assert "expected 000000000000... as the table says; the file was changed or is damaged; 1 of " in said.err


def test_a_wrong_hash_counts_as_unreadable(call, table, tmp_path):
    said = call(*table(**{f"bee_{i:02d}": "f" * 64 for i in range(10)}), "skip_unreadable=0.01")
    assert said.code == 3 and "its content has the sha256" in said.err and "skip_unreadable=0.01 allows 0" in said.err
    assert not (tmp_path / "outputs").exists()


def test_hashes_that_are_none_are_defects_of_their_rows(call, table, tmp_path):
    said = call(*table(ant_00="", ant_02="abc", ant_04="g" * 64))
    assert said.code == 3
    assert "row 2, column 'sha': '', expected the sha256 of the file, 64 hex digits" in said.err
    assert said.err.endswith("; 3 defects in 3 rows: 2, 4, 6\n")
    assert not (tmp_path / "outputs").exists()
