import pytest
import torch

from cvrun.augment import _parts


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_what_is_taken_and_put_back_is_where_it_was(pictures, layout):
    images = pictures(7).contiguous(memory_format=layout)
    index = torch.tensor([5, 0, 3])
    part = _parts.take(images, index)
    assert torch.equal(part, images[index])
    assert part.is_contiguous(memory_format=layout)
    empty = torch.zeros_like(images)
    _parts.put(empty, index, part)
    assert torch.equal(empty[index], images[index])
    assert empty[[1, 2, 4, 6]].sum() == 0


def test_only_flagged_samples_change_and_the_input_stays(pictures):
    images, flags = pictures(6), torch.tensor([0, 1, 0, 0, 1, 1]).bool()
    before, seen = images.clone(), []

    def change(part, index):
        seen.extend(index.tolist())
        return 255 - part

    got = _parts.change_some(images, flags, change)
    assert seen == [1, 4, 5]
    assert torch.equal(got[flags], 255 - before[flags]) and torch.equal(got[~flags], before[~flags])
    assert torch.equal(images, before)


def test_nobody_flagged_costs_nothing(pictures):
    images = pictures(3)
    assert _parts.change_some(images, torch.zeros(3, dtype=torch.bool), lambda part, index: part / 0) is images


def test_masks_are_parts_too():
    masks = torch.arange(12).view(3, 2, 2)
    got = _parts.change_some(masks, torch.tensor([False, True, False]), lambda part, index: part * 0)
    assert got.sum() == masks.sum() - masks[1].sum()


@pytest.mark.parametrize("cached", [1, 5000, 10**9])
def test_pieces_are_all_there_in_order(pictures, monkeypatch, cached):
    monkeypatch.setattr(_parts, "_CACHED", cached)
    index = torch.tensor([4, 1, 3, 8, 0])
    found = list(_parts.pieces(index, pictures(9)))
    assert torch.equal(torch.cat(found), index)
    # An image has 19 * 26 * 3 = 1482 values.
    assert len(found[0]) == {1: 1, 5000: 3, 10**9: 5}[cached]


def test_no_samples_give_no_work(pictures):
    assert [len(piece) for piece in _parts.pieces(torch.empty(0, dtype=torch.int64), pictures(2))] in ([], [0])
