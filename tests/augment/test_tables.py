import pytest
from torchvision.transforms.v2 import AutoAugment, AutoAugmentPolicy

from cvrun.augment._magnitudes import OPERATIONS
from cvrun.augment._tables import TABLES


@pytest.mark.parametrize("name", ["imagenet", "cifar10", "svhn"])
def test_the_pairs_are_those_of_torchvision(name):
    operations, probabilities, magnitudes = TABLES[name]
    reference = AutoAugment(AutoAugmentPolicy(name))._policies
    assert operations.shape == probabilities.shape == magnitudes.shape == (len(reference), 2) == (25, 2)
    for row, pair in enumerate(reference):
        for place, (operation, probability, magnitude) in enumerate(pair):
            assert OPERATIONS[operations[row, place]].replace("_", "") == operation.lower()
            assert probabilities[row, place].item() == probability
            assert magnitudes[row, place].item() == (magnitude or 0)
