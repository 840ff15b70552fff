import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from cvrun.errors import CheckpointError, ConfigError, RuleError
from cvrun.model import _weights


class Small(nn.Module):
    def __init__(self, channels=3, num_classes=4):
        super().__init__()
        self.stem = nn.Conv2d(channels, 5, 3)
        self.norm = nn.BatchNorm2d(5)
        self.head = nn.Linear(5, num_classes)

    def forward(self, image):
        return self.head(self.norm(self.stem(image)).mean(dim=(2, 3)))


@pytest.fixture
def state():
    torch.manual_seed(0)
    return Small().state_dict()


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": state, "optimizer": {"lr": 0.1}},
        lambda state: {f"module.{name}": value for name, value in state.items()},
    ],
    ids=["plain", "state_dict", "model", "module"],
)
@pytest.mark.parametrize("suffix", ["pt", "pth"])
def test_pickled_files(tmp_path, state, wrap, suffix):
    torch.save(wrap(state), tmp_path / f"w.{suffix}")
    assert same(_weights.read(tmp_path / f"w.{suffix}").tensors, state)


def test_safetensors_files(tmp_path, state):
    save_file(state, tmp_path / "w.safetensors")
    found = _weights.read(tmp_path / "w.safetensors")
    assert same(found.tensors, state) and found.classes is None


def test_a_missing_file(tmp_path):
    with pytest.raises(ConfigError, match=r"model.weights=.*w.pt: no such file, expected weights"):
        _weights.read(tmp_path / "w.pt")


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"this is a text file\n" * 9], ids=["empty", "zeros", "text"])
def test_a_file_that_is_no_weights(tmp_path, suffix, content):
    (tmp_path / f"w.{suffix}").write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot be read") as caught:
        _weights.read(tmp_path / f"w.{suffix}")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_a_file_that_was_cut_off(tmp_path, state, suffix):
    path = tmp_path / f"w.{suffix}"
    save_file(state, path) if suffix == "safetensors" else torch.save(state, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(CheckpointError, match=r"w\.\w+: cannot be read \(.+\); the file is damaged"):
        _weights.read(path)


class Trap:
    """Unpickling it would create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("save", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_code_in_a_pickle_is_refused_and_not_run(tmp_path, save):
    save({"stem.weight": Trap(tmp_path / "sprung")}, tmp_path / "w.pt")
    with pytest.raises(CheckpointError, match=r"w.pt: refused, it names (io|_io)\.open"):
        _weights.read(tmp_path / "w.pt")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, [1, 2], {"state_dict": {"a": 1}}, {3: torch.zeros(1)}])
def test_a_file_without_tensors(tmp_path, content):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(CheckpointError, match="expected a mapping of names to tensors"):
        _weights.read(tmp_path / "w.pt")


@pytest.mark.parametrize(
    ("weights", "head", "said"),
    [
        ("w.onnx", "keep", "weights=w.onnx: expected a file that ends with .safetensors, .pt, .pth"),
        (None, "drop", "head=drop: expected one of keep, reset, remap"),
        (None, "remap", "head=remap: expected weights=FILE.safetensors beside it"),
        ("w.pt", "remap", "head=remap: expected weights=FILE.safetensors beside it"),
    ],
)
def test_keys_that_cannot_be_meant(weights, head, said):
    with pytest.raises(RuleError, match=said):
        _weights.check(weights, head)


def test_weights_that_match_are_loaded(state):
    model = Small()
    _weights.load(model, state, "w.pt")
    assert same(model.state_dict(), state)


def test_the_counter_of_old_files_may_be_missing(state):
    del state["norm.num_batches_tracked"]
    _weights.load(Small(), state, "w.pt")


def test_differences_are_counted_and_named(state):
    del state["stem.bias"]
    state |= {f"extra{i}": torch.zeros(1) for i in range(5)}
    state["norm.weight"] = torch.zeros(6)
    expected = (
        r"w.pt: the weights are not those of the model: 7 of 9 tensors fit; 1 missing \(stem.bias\); "
        r"5 unexpected \(extra0, extra1, extra2, extra3, extra4\); 1 of another shape \(norm.weight\); check model.name"
    )
    with pytest.raises(CheckpointError, match=expected):
        _weights.load(Small(), state, "w.pt")


HEAD = ["head"]


def start(model, state, how="keep", classes=None, data=()):
    """Load as an option does: a file with state and classes, for data of other classes."""
    weights = _weights.Weights(state, classes, "w")
    _weights.load(model, _weights.fit(weights, model, ["stem"], HEAD, how, data), "w", HEAD)
    return model


@pytest.mark.parametrize("drop", [False, True], ids=["other classes", "no head"])
@pytest.mark.parametrize("how", ["reset", "published"])
def test_a_head_that_does_not_fit_is_drawn_anew_when_that_was_asked_for(state, drop, how):
    model = Small(num_classes=7)
    initial = model.head.weight.clone()
    given = {name: value for name, value in state.items() if not (drop and name.startswith("head"))}
    start(model, given, how)
    assert torch.equal(model.head.weight, initial)
    assert torch.equal(model.stem.weight, state["stem.weight"])


def test_a_head_that_does_not_fit_is_refused(state):
    with pytest.raises(CheckpointError, match="w: the classifier is for 4 classes, the model's is for 7; model.head"):
        start(Small(num_classes=7), state)
    body = {name: value for name, value in state.items() if not name.startswith("head")}
    with pytest.raises(CheckpointError, match=r"w: the classifier is missing, the model's is for 4; model.head=reset"):
        start(Small(), body)


@pytest.mark.parametrize("how", ["keep", "published"])
def test_a_head_that_fits_is_loaded(state, how):
    assert torch.equal(start(Small(), state, how).head.weight, state["head.weight"])


def test_a_head_that_fits_is_drawn_anew_when_that_was_asked_for(state):
    model = Small()
    initial = model.head.bias.clone()
    assert torch.equal(start(model, state, "reset").head.bias, initial)


ANIMALS = ("ant", "bee", "cat", "dog")


def test_the_same_classes_in_the_same_order_are_kept(state):
    assert torch.equal(start(Small(), state, "keep", ANIMALS, ANIMALS).head.bias, state["head.bias"])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (("ant", "cat", "bee", "dog"), r"its classes are in another order \(number 1 is bee there and cat here\)"),
        (("ant", "bee", "cat", "elk"), r"its classes are not those of the data \(only there: dog; only here: elk\)"),
        (("ant", "bee", "cat"), r"its classes are not those of the data \(only there: dog; only here: none\)"),
    ],
)
def test_other_classes_are_refused(state, data, said):
    with pytest.raises(CheckpointError, match=f"w: {said}; model.head=remap takes .* model.head=reset draws"):
        start(Small(num_classes=len(data)), state, "keep", ANIMALS, data)


def test_rows_are_taken_by_name(state):
    model = Small(num_classes=3)
    initial = model.head.weight.clone(), model.head.bias.clone()
    start(model, state, "remap", ANIMALS, ("dog", "elk", "ant"))
    assert torch.equal(model.head.weight[[0, 2]], state["head.weight"][[3, 0]])
    assert torch.equal(model.head.bias[[0, 2]], state["head.bias"][[3, 0]])
    assert torch.equal(model.head.weight[1], initial[0][1]) and torch.equal(model.head.bias[1], initial[1][1])


@pytest.mark.parametrize(
    ("classes", "data", "said"),
    [
        (None, ANIMALS, "w: does not name its classes"),
        (ANIMALS, ("elk", "fox"), r"w: none of its classes \(ant, bee, cat, dog\) is one of the data's"),
        (("ant", "bee"), ANIMALS, r"w: head.weight is \(4, 5\), but the file names 2 classes"),
    ],
)
def test_rows_that_cannot_be_taken_by_name(state, classes, data, said):
    with pytest.raises(CheckpointError, match=said):
        start(Small(num_classes=len(data)), state, "remap", classes, data)


@pytest.mark.parametrize("said", ["{", "3", '{"a": 1}', "[1, 2]", "[" * 100_000], ids=range(5))
def test_classes_that_are_not_a_list_of_names(tmp_path, state, said):
    save_file(state, tmp_path / "w.safetensors", {"classes": said})
    with pytest.raises(CheckpointError, match=r"w.safetensors: its metadata 'classes' is not a list of names"):
        _weights.read(tmp_path / "w.safetensors")


def test_classes_are_read_from_the_metadata(tmp_path, state):
    save_file(state, tmp_path / "w.safetensors", {"classes": '["ant", "bee"]', "format": "pt"})
    assert _weights.read(tmp_path / "w.safetensors").classes == ("ant", "bee")


def test_a_grey_image_gives_what_its_colour_copy_gave(state):
    colour, grey = Small(3).eval(), Small(1).eval()
    colour.load_state_dict(state)
    start(grey, state)
    image = torch.rand(2, 1, 9, 9)
    torch.testing.assert_close(grey(image), colour(image.expand(-1, 3, -1, -1)))


def test_grey_weights_give_the_same_on_a_grey_colour_image():
    torch.manual_seed(0)
    grey, colour = Small(1).eval(), Small(3).eval()
    given = grey.state_dict()
    start(colour, given)
    image = torch.rand(2, 1, 9, 9)
    torch.testing.assert_close(colour(image.expand(-1, 3, -1, -1)), grey(image))


@pytest.mark.parametrize("given", [3, 1])
def test_channels_are_adapted_as_timm_does(given):
    from timm.models import adapt_input_conv

    weight = torch.randn(8, given, 3, 3, generator=torch.Generator().manual_seed(0))
    wanted = 4 - given
    expected = adapt_input_conv(wanted, weight, base_chans=given)
    torch.testing.assert_close(_weights.adapt_channels(weight, wanted), expected)


@pytest.mark.parametrize("channels", [2, 4, 5, 7])
def test_channels_beyond_grey_and_colour_are_adapted_as_timm_does(channels):
    from timm.models import adapt_input_conv

    weight = torch.randn(8, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(_weights.adapt_channels(weight, channels), adapt_input_conv(channels, weight))


def test_channels_of_a_stem_that_moves_pixels_into_channels():
    from timm.models import adapt_input_conv

    weight = torch.randn(8, 48, 3, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(_weights.adapt_channels(weight, 16), adapt_input_conv(1, weight))


def test_channels_that_cannot_be_adapted_are_left():
    weight = torch.randn(8, 4, 3, 3)
    assert _weights.adapt_channels(weight, 3) is weight
