import pytest
import torch

from cvrun.augment import _policies
from cvrun.augment._magnitudes import NARROW, OPERATIONS, SIGNED, WIDE
from cvrun.augment._tables import TABLES

NUM = 14_000


def uniform_within(counts: torch.Tensor, places: int) -> bool:
    """Whether counts of NUM draws are those of places equal ones, by five standard errors."""
    share = 1 / places
    return bool((counts / counts.sum() - share).abs().max() < 5 * (share * (1 - share) / counts.sum()) ** 0.5)


def test_randaugment(keys_of):
    policy = _policies.randaugment(3, 9, 31)
    rounds = policy.draw(keys_of(NUM))
    assert (policy.space, policy.bins, len(rounds)) == (NARROW, 31, 3)
    for drawn in rounds:
        counts = drawn.operation.bincount(minlength=15)
        assert counts[OPERATIONS.index("invert")] == 0
        assert uniform_within(counts[:14], 14)
        assert (drawn.magnitude == 9).all()
    together = (rounds[0].operation * 14 + rounds[1].operation).bincount(minlength=196)
    assert uniform_within(together, 196)


def test_trivialaugment(keys_of):
    policy = _policies.trivialaugment(31)
    (drawn,) = policy.draw(keys_of(NUM))
    assert (policy.space, policy.bins) == (WIDE, 31)
    assert uniform_within(drawn.operation.bincount(minlength=14), 14)
    assert uniform_within(drawn.magnitude.bincount(minlength=31), 31)


def test_signs_are_even_where_there_are_any(keys_of):
    (drawn,) = _policies.trivialaugment(31).draw(keys_of(NUM))
    signed = SIGNED[drawn.operation]
    assert (drawn.sign[~signed] == 1).all()
    assert drawn.sign.abs().unique().tolist() == [1]
    assert uniform_within((drawn.sign[signed] > 0).long().bincount(), 2)


@pytest.mark.parametrize("name", TABLES)
def test_autoaugment(keys_of, name):
    operations, probabilities, magnitudes = TABLES[name]
    policy = _policies.autoaugment(name)
    first, second = policy.draw(keys_of(NUM))
    assert (policy.space, policy.bins) == (NARROW, 10)
    identity = OPERATIONS.index("identity")
    both = (first.operation != identity) & (second.operation != identity)
    columns = (first.operation, first.magnitude, second.operation, second.magnitude)
    seen = torch.stack([column[both] for column in columns], dim=1).unique(dim=0)
    possible = (probabilities > 0).all(dim=1)
    pairs = torch.stack((operations[:, 0], magnitudes[:, 0], operations[:, 1], magnitudes[:, 1]), dim=1)
    assert torch.equal(seen, pairs[possible].unique(dim=0))
    for place, drawn in enumerate((first, second)):
        met = (drawn.operation != identity).float().mean().item()
        # Five standard errors at most.
        assert met == pytest.approx(probabilities[:, place].mean().item(), abs=2.5 / NUM**0.5)


def test_a_sample_draws_alone_what_it_draws_in_company(keys_of):
    keys = keys_of(20)
    for policy in (_policies.randaugment(2, 9, 31), _policies.trivialaugment(31), _policies.autoaugment("svhn")):
        whole, alone = policy.draw(keys), policy.draw(keys[7:8])
        for one, other in zip(whole, alone, strict=True):
            assert one.operation[7] == other.operation[0]
            assert one.magnitude[7] == other.magnitude[0]
            assert one.sign[7] == other.sign[0]
