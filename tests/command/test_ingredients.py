import pytest

from cvrun import config
from cvrun.command._ingredients import _network
from cvrun.spec import Choice


def network(*words: str):
    choice = config.compose(words).parts["model"]
    assert isinstance(choice, Choice)
    return _network(choice)


def test_how_a_model_starts_and_trains_is_not_what_it_computes(tmp_path):
    plain = network("model.width=4")
    assert (
        network("model.width=4", "model.drop_rate=0.3", f"model.weights={tmp_path}/x.pt", "model.head=reset") == plain
    )
    timm = network("model=timm", "model.name=resnet18")
    assert network("model=timm", "model.name=resnet18", "model.drop_path_rate=0.1", "model.pretrained=false") == timm


@pytest.mark.parametrize(
    "words", [("model.width=5",), ("model.blocks=[1,2]",), ("model=timm",), ("model=torchvision",)]
)
def test_another_network_is_another_one(words):
    assert network("model.width=4") != network(*words)
    # The same tensors, and another activation: no names or shapes would tell.
    assert network("model=timm", "model.name=a") != network("model=timm", "model.name=b")
