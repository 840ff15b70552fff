"""The fast decoder gives Pillow's pixels, or leaves the file to Pillow."""

import io
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from cvrun.data import ImageForm
from cvrun.errors import DataError
from cvrun.pipeline import jpeg
from cvrun.pipeline.decode import decode, decode_whole

PHOTOS = load_sample_images().images


def encoded(image: Image.Image, **keys) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", **keys)
    return file.getvalue()


def pillow(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def test_a_slightly_damaged_file_is_left_to_pillow_and_nothing_is_written(capfd):
    content = bytearray(encoded(Image.fromarray(PHOTOS[0][:64, :64])))
    # Bytes that belong to nothing before the end: a warning of libjpeg's.
    content[-2:-2] = b"\x12\x34\x56\x78" * 3
    assert jpeg.decode(bytes(content)) is None
    assert pillow(bytes(content)).shape == (64, 64, 3)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [5, 75, 95])
def test_pixels_are_those_of_pillow(mode, progressive, subsampling, quality):
    for photo, shape in ((PHOTOS[0], (427, 640)), (PHOTOS[1], (33, 7)), (PHOTOS[1], (1, 1))):
        image = Image.fromarray(photo[: shape[0], : shape[1]]).convert(mode)
        content = encoded(image, quality=quality, subsampling=subsampling, progressive=progressive)
        assert np.array_equal(jpeg.decode(content), pillow(content))


def test_pixels_of_real_files_are_those_of_pillow(cifar10_folder, blood_cells):
    paths = sorted(cifar10_folder.rglob("*.jpg"))[::50] + sorted(blood_cells.rglob("*.jpg"))[::4]
    contents = [path.read_bytes() for path in paths]
    assert all(np.array_equal(jpeg.decode(content), pillow(content)) for content in contents)


def test_notes_about_an_image_change_nothing():
    image = Image.fromarray(PHOTOS[0][:64, :64])
    exif = Image.Exif()
    exif[274], exif[271] = 1, "Camera"
    content = encoded(image, exif=exif, comment=b"a comment", icc_profile=b"profile" * 10000)
    assert np.array_equal(jpeg.decode(content), pillow(content))


@pytest.mark.parametrize("orientation", range(2, 9))
def test_turned_images_are_left_to_pillow(orientation, tmp_path):
    exif = Image.Exif()
    exif[274] = orientation
    content = encoded(Image.fromarray(PHOTOS[0][:40, :64]), exif=exif)
    assert jpeg.decode(content) is None
    (tmp_path / "a.jpg").write_bytes(content)
    assert decode_whole(tmp_path / "a.jpg", 3, 0).turned


def test_other_files_are_left_to_pillow(monkeypatch):
    image = Image.fromarray(PHOTOS[0][:64, :64])
    plain = encoded(image)
    two = io.BytesIO()
    image.save(two, "MPO", save_all=True, append_images=[image])
    png = io.BytesIO()
    image.save(png, "PNG")
    for content in (two.getvalue(), png.getvalue(), encoded(image.convert("CMYK")), b"", b"\xff\xd8", plain[:100]):
        assert jpeg.decode(content) is None
    assert jpeg.decode(plain) is not None
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 64 - 1)
    assert jpeg.decode(plain) is None


def outcome(path: Path, form: ImageForm) -> np.ndarray | str:
    try:
        return decode(path, form).pixels
    except DataError as error:
        return str(error)


def test_damaged_files_end_as_with_pillow_alone(tmp_path, monkeypatch):
    """Cut short, with bytes changed, or both: the same pixels, or the same words about what is wrong."""
    draw = random.Random(0)
    form = ImageForm(24, 3, "stretch")
    contents = [encoded(Image.fromarray(photo[:48, :40]), progressive=p) for photo in PHOTOS for p in (False, True)]
    accepted = fast = 0
    for number in range(400):
        content = bytearray(contents[number % 4])
        for _ in range(draw.randint(0, 3)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        path = tmp_path / "a.jpg"
        path.write_bytes(content[: draw.choice([len(content), draw.randrange(len(content))])])
        ours = outcome(path, form)
        fast += jpeg.decode(path.read_bytes()) is not None
        with monkeypatch.context() as without:
            without.setattr(jpeg, "decode", lambda content: None)
            theirs = outcome(path, form)
        assert type(ours) is type(theirs) and np.array_equal(ours, theirs), number
        accepted += not isinstance(ours, str)
    assert accepted > 100 and 400 - accepted > 100 and fast > 80
