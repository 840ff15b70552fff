"""Batches: a pure function of (seed, step), whatever happened before."""

import dataclasses
import time
from functools import cache
from itertools import islice

import numpy as np
import pytest
import torch

from cvrun import config, options
from cvrun.errors import StorageError
from cvrun.pipeline import feed
from cvrun.pipeline.loader import TrainLoader, evaluation_batches, occurrences
from cvrun.pipeline.store import Store
from cvrun.sampler import Shown

CPU = torch.device("cpu")
AUGMENT = ("augment=basic", "augment.crop_padding=1", "augment.brightness=0.3", "augment.contrast=0.3")


@cache
def compose(overrides: tuple[str, ...]):
    return config.compose(overrides)


def store(num=50, channels=3, masks=False) -> Store:
    random = np.random.default_rng(0)
    images = torch.from_numpy(random.integers(0, 256, (num, 6, 6, channels), dtype=np.uint8))
    shape = (num, 6, 6) if masks else (num,)
    targets = torch.from_numpy(random.integers(0, 3, shape))
    # Positions in the manifest are not those in the store.
    return Store(images, targets, torch.from_numpy(random.permutation(10 * num)[:num]))


def loader(data: Store, overrides=AUGMENT, sampler="natural", seed=0, batch_size=8, total_steps=20) -> TrainLoader:
    spec = compose((*overrides, f"sampler={sampler}"))
    labels = data.targets.numpy() if data.targets.ndim == 1 else np.zeros(len(data), np.int64)
    shown, keys = Shown(labels, 3), spec.parts["sampler"].config
    return TrainLoader(
        store=data,
        sampler=options.build("sampler", sampler, keys, shown, seed),
        augment=options.build("augment", spec.parts["augment"].option, spec.parts["augment"].config, 10),
        normalize=lambda image: image.float() / 255,
        seed=seed,
        batch_size=batch_size,
        steps_per_epoch=options.call("sampler", sampler, "images_per_epoch", keys, shown.counts) // batch_size,
        total_steps=total_steps,
        device=CPU,
    )


def equal(one, two) -> bool:
    return all(torch.equal(getattr(one, name), getattr(two, name)) for name in ("image", "target", "index"))


@pytest.mark.parametrize("sampler", options.choices("sampler"))
@pytest.mark.parametrize("start", range(21))
def test_from_any_step_the_batches_are_the_same(sampler, start):
    batches = loader(store(), sampler=sampler)
    every = list(batches(0))
    assert len(every) == 20
    rest = list(batches(start))
    assert len(rest) == 20 - start
    assert all(equal(one, two) for one, two in zip(every[start:], rest, strict=True))


def test_two_iterations_at_once_do_not_disturb_each_other():
    batches = loader(store())
    expected = list(batches(0))
    pairs = zip(batches(0), islice(batches(0), 3, None), strict=False)
    assert all(equal(one, expected[i]) and equal(two, expected[i + 3]) for i, (one, two) in enumerate(pairs))


def test_the_global_generator_is_neither_read_nor_moved():
    batches = loader(store())
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = list(batches(0))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert all(equal(a, b) for a, b in zip(one, batches(0), strict=True))


def test_an_epoch_shows_each_image_at_most_once_and_whole_batches_only():
    data = store()
    # 50 images: six batches of 8 an epoch, two images left out.
    for epoch in range(3):
        seen = torch.cat([batch.index for batch in islice(loader(data)(6 * epoch), 6)]).tolist()
        assert len(set(seen)) == len(seen) == 48
        assert set(seen) <= set(data.index.tolist())
    orders = [torch.cat([b.index for b in islice(loader(data)(6 * e), 6)]).tolist() for e in range(3)]
    assert orders[0] != orders[1] != orders[2]


def test_a_seed_changes_order_and_augmentation():
    one, two = next(loader(store())(0)), next(loader(store(), seed=1)(0))
    assert not torch.equal(one.index, two.index)


def test_a_sample_is_augmented_alike_whatever_its_batch():
    """The draw of a sample in an epoch depends on the sample alone."""
    small = {}
    for batch in islice(loader(store(48), batch_size=8)(0), 6):
        small |= dict(zip(batch.index.tolist(), batch.image, strict=True))
    large = next(loader(store(48), batch_size=48)(0))
    assert len(small) == 48
    for i, image in zip(large.index, large.image, strict=True):
        assert torch.equal(small[int(i)], image)


def test_repeated_samples_of_an_epoch_are_augmented_differently():
    data = Store(torch.randint(0, 256, (4, 6, 6, 3), dtype=torch.uint8), torch.tensor([0, 1, 1, 1]), torch.arange(4))
    different = 0
    for epoch in range(20):
        batch = next(loader(data, sampler="weighted", batch_size=4, total_steps=20)(epoch))
        for i in range(4):
            same = batch.image[batch.index == i]
            different += sum(not torch.equal(same[0], other) for other in same[1:])
    assert different > 10


@pytest.mark.parametrize("channels", [1, 3])
def test_without_augmentation_a_batch_is_the_stored_images(channels):
    data = store(channels=channels)
    place = {int(index): row for row, index in enumerate(data.index)}
    for batch in islice(loader(data, overrides=("augment=none",))(0), 6):
        rows = torch.tensor([place[int(index)] for index in batch.index])
        assert torch.equal(batch.image, data.images[rows].permute(0, 3, 1, 2).float() / 255)
        assert torch.equal(batch.target, data.targets[rows])
        assert batch.image.shape == (8, channels, 6, 6)


@pytest.mark.parametrize("overrides", [("augment=none",), ("augment=basic", "augment.crop_padding=1")])
def test_images_stay_uint8_until_they_are_normalized(overrides):
    seen = []
    batches = loader(store(), overrides=overrides)
    object.__setattr__(batches, "normalize", lambda image: seen.append(image.dtype) or image.float())
    next(batches(0))
    evaluation = evaluation_batches(store(), batches.normalize, 8, CPU)
    next(evaluation())
    assert seen == [torch.uint8, torch.uint8]


def test_masks_move_with_their_images():
    """Each mask is a copy of its image's only channel, so both must be moved alike."""
    images = torch.randint(0, 256, (40, 6, 6, 1), dtype=torch.uint8)
    data = Store(images, images[..., 0].long(), torch.arange(40))
    moves = ("augment=basic", "augment.crop_padding=2", "augment.hflip=0.5", "augment.vflip=0.5")
    batches = loader(data, overrides=moves, batch_size=10, total_steps=8)
    object.__setattr__(batches, "normalize", lambda image: image)
    moved = 0
    for batch in batches(0):
        assert batch.target.shape == (10, 6, 6)
        assert torch.equal(batch.image[:, 0].long(), batch.target)
        moved += int((batch.target != data.targets[batch.index]).flatten(1).any(dim=1).sum())
    assert moved > 40


def test_masks_pass_through_an_evaluation():
    data = store(masks=True)
    whole = torch.cat([b.target for b in evaluation_batches(data, lambda image: image, 16, CPU)()])
    assert torch.equal(whole, data.targets)


@pytest.mark.parametrize("num", [1, 7, 8, 9, 50])
@pytest.mark.parametrize("batch_size", [1, 8, 50, 512])
def test_an_evaluation_shows_every_image_once_in_order(num, batch_size):
    data = store(num)
    batches = evaluation_batches(data, lambda image: image.float(), batch_size, CPU)
    for _ in range(2):
        found = list(batches())
        assert [len(batch) for batch in found[:-1]] == [batch_size] * (len(found) - 1)
        assert torch.equal(torch.cat([batch.index for batch in found]), data.index)
        assert torch.equal(torch.cat([batch.image for batch in found]), data.images.permute(0, 3, 1, 2).float())


def test_a_batch_does_not_touch_the_store():
    data = store()
    before = data.images.clone()
    batch = next(evaluation_batches(data, lambda image: image, 8, CPU)())
    assert batch.image.is_contiguous(memory_format=torch.channels_last)
    batch.image.zero_()
    assert torch.equal(data.images, before)


@dataclasses.dataclass(frozen=True)
class Slow:
    """A store whose images are taken ahead, some of them later than others."""

    store: Store
    slow: bool = True

    @property
    def targets(self):
        return self.store.targets

    @property
    def index(self):
        return self.store.index

    def __len__(self):
        return len(self.store)

    def take(self, rows, keys):
        time.sleep(float(keys.remainder(3).sum()) * 1e-3)
        return self.store.take(rows, keys)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_taken_ahead_the_batches_are_the_same(workers, monkeypatch):
    monkeypatch.setattr(feed, "PIECE", 3)
    expected = list(loader(store())(4))
    batches = dataclasses.replace(loader(store()), store=Slow(store()), workers=workers)
    found = list(batches(4))
    assert len(found) == 16 and all(equal(one, two) for one, two in zip(found, expected, strict=True))
    whole = evaluation_batches(Slow(store()), lambda image: image, 16, CPU, workers)
    plain = evaluation_batches(store(), lambda image: image, 16, CPU)
    assert all(equal(one, two) for one, two in zip(whole(), plain(), strict=True))


def test_images_that_are_not_there_in_time_are_an_error():
    class Hanging(Slow):
        def take(self, rows, keys):
            time.sleep(5)

    batches = dataclasses.replace(loader(store()), store=Hanging(store()), workers=1, timeout=0.05)
    with pytest.raises(StorageError, match="cannot be read: not done within worker_timeout=0.05 s, tried 3 times"):
        next(batches(0))


@pytest.mark.parametrize("world", [2, 3])
def test_ranks_share_out_each_batch(world):
    whole = loader(store())
    parts = [dataclasses.replace(whole, rank=rank, world=world) for rank in range(world)]
    for one, *shares in zip(whole(3), *(part(3) for part in parts), strict=True):
        index = torch.cat([share.index for share in shares])
        assert sorted(index.tolist()) == sorted(one.index.tolist())
        for share in shares:
            places = [one.index.tolist().index(i) for i in share.index.tolist()]
            assert torch.equal(share.image, one.image[places])
            # Who is mixed with whom is the same in the share as in the whole batch.
            assert [7 - place for place in places] == places[::-1]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("num", "most"), [(0, 1), (1, 1), (2, 1), (40, 5), (200, 1000)])
def test_occurrences_are_those_of_counting(seed, num, most):
    order = torch.from_numpy(np.random.default_rng(seed).integers(0, most, num))
    counts: dict[int, int] = {}
    expected = []
    for entry in order.tolist():
        expected.append(counts.get(entry, 0))
        counts[entry] = counts.get(entry, 0) + 1
    assert occurrences(order).tolist() == expected


def test_the_example_of_the_docstring():
    assert occurrences(torch.tensor([5, 7, 5, 5])).tolist() == [0, 0, 1, 2]
