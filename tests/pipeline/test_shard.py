import pytest
import torch

from cvrun.pipeline.shard import shard, smallest_share

SIZES = [(n, world) for n in (1, 2, 3, 5, 6, 8, 31, 128, 129) for world in (1, 2, 3, 4, 7) if (n + 1) // 2 >= world]


@pytest.mark.parametrize(("n", "world"), SIZES)
def test_the_shares_are_the_batch(n, world):
    shares = [shard(n, rank, world) for rank in range(world)]
    assert all(share.dtype == torch.int64 for share in shares)
    assert sorted(torch.cat(shares).tolist()) == list(range(n))
    sizes = [len(share) for share in shares]
    assert min(sizes) >= 1 and max(sizes) - min(sizes) <= 2
    assert smallest_share(n, world) == min(sizes)


@pytest.mark.parametrize(("n", "world"), SIZES)
def test_the_flip_of_a_share_is_the_share_of_the_flip(n, world):
    batch = torch.arange(100, 100 + n)
    for rank in range(world):
        rows = shard(n, rank, world)
        assert torch.equal(batch[rows].flip(0), batch.flip(0)[rows])


def test_shares_by_hand():
    assert [shard(8, rank, 2).tolist() for rank in (0, 1)] == [[0, 1, 6, 7], [2, 3, 4, 5]]
    assert [shard(5, rank, 2).tolist() for rank in (0, 1)] == [[0, 4], [1, 2, 3]]
    assert shard(6, 0, 1).tolist() == list(range(6))


def test_more_ranks_than_pairs_leave_one_without_an_image():
    assert smallest_share(4, 3) == 0
