"""The table of torchvision's sets agrees with the installed torchvision."""

import inspect

import pytest

from cvrun.data._torchvision_sets import SOURCES


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_the_set_exists_and_takes_these_arguments(name):
    import torchvision.datasets

    parameters = inspect.signature(getattr(torchvision.datasets, name).__init__).parameters
    for arguments in SOURCES[name].parts.values():
        assert set(arguments) <= set(parameters)


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_images_are_either_embedded_or_listed(name):
    source = SOURCES[name]
    assert bool(source.images) != bool(source.samples)
    assert bool(source.layout) == bool(source.images)


@pytest.mark.parametrize(
    "name", ["CIFAR10", "CIFAR100", "FashionMNIST", "MNIST", "Flowers102", "OxfordIIITPet", "Food101", "DTD", "SVHN"]
)
def test_the_sets_that_users_ask_for_are_there(name):
    assert name in SOURCES
