import torch

from cvrun.augment import _boxes


def test_paste_fills_each_box_and_nothing_else(pictures):
    images, others = pictures(5), pictures(5, seed=9)
    boxes = torch.tensor([[0, 0, 19, 26], [3, 4, 5, 6], [18, 25, 1, 1], [0, 0, 0, 0], [2, 0, 7, 26]])
    got = _boxes.paste(images, boxes, others)
    for i, (top, left, height, width) in enumerate(boxes.tolist()):
        wanted = images[i].clone()
        wanted[:, top : top + height, left : left + width] = others[i][:, top : top + height, left : left + width]
        assert torch.equal(got[i], wanted)
    assert got.is_contiguous(memory_format=torch.channels_last)


def test_paste_takes_a_colour_a_sample(pictures):
    images = pictures(2)
    colour = torch.tensor([[1, 2, 3], [4, 5, 6]], dtype=torch.uint8)[:, :, None, None]
    got = _boxes.paste(images, torch.tensor([[1, 2, 3, 4], [0, 0, 2, 2]]), colour)
    assert torch.equal(got[0, :, 1:4, 2:6], colour[0].expand(3, 3, 4))
    assert torch.equal(got[1, :, 0:2, 0:2], colour[1].expand(3, 2, 2))
    assert torch.equal(got[1, :, 2:], images[1, :, 2:])


def test_the_first_try_that_fits_is_taken():
    fits = torch.tensor([[False, True, True], [False, False, False], [True, False, False]])
    found, (values,) = _boxes.first(fits, torch.tensor([[1, 2, 3], [4, 5, 6], [7, 8, 9]]))
    assert found.tolist() == [True, False, True]
    assert values[found].tolist() == [2, 7]


def test_places_are_uniform_up_to_the_last():
    room = torch.full((30_000,), 2)
    places = _boxes.place(room, torch.rand(30_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    # Five standard errors of a share of one third.
    assert (places.bincount(minlength=4) / 30_000 - torch.tensor([1, 1, 1, 0]) / 3).abs().max() < 0.014
    assert _boxes.place(torch.tensor([4]), torch.tensor([1 - 2**-24], dtype=torch.float64)).item() == 4


def test_what_lies_outside_is_cut_off():
    center, half = torch.tensor([0, 5, 9]), torch.full((3,), 3)
    start, length = _boxes.clipped(center, half, half, 10)
    assert start.tolist() == [0, 2, 6]
    assert length.tolist() == [3, 6, 4]


def test_tries_are_apart(keys_of):
    sizes = torch.tensor([[100, 80]]).expand(500, 2)
    heights, widths, places = _boxes.candidates(sizes, keys_of(500), "x", (0.1, 0.5), (0.5, 2.0))
    area, ratio = (heights * widths) / 8000, widths / heights
    # Sides are rounded to whole pixels.
    assert 0.08 < area.min() < 0.13 and 0.45 < area.max() < 0.53
    assert 0.48 < ratio.min() < 0.52 and 1.9 < ratio.max() < 2.1
    assert places.unique().numel() > 9_000
