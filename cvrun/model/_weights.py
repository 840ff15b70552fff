"""Weights from files: read without running code, fit to other channels or classes, loaded, or said what differs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from cvrun import tensorfile
from cvrun.errors import CheckpointError, ConfigError, one_of, require

SUFFIXES = (".safetensors", ".pt", ".pth")
HEADS = ("keep", "reset", "remap")

StateDict = dict[str, Tensor]

# Keys under which training scripts put the weights when they save more beside.
_WRAPPERS = ("state_dict", "model_state_dict", "model")

# Files from before torch 0.4.1 do not have the counter, which only matters for momentum=None.
_OPTIONAL = "num_batches_tracked"


@dataclass(frozen=True)
class Weights:
    """What a file of weights holds.

    Attributes:
        tensors: Name -> tensor, on the CPU.
        classes: Names of the outputs, in order; None where the file does not say, as most do not.
        where: The file, for messages.
    """

    tensors: StateDict
    classes: tuple[str, ...] | None
    where: str


def check(weights: str | None, head: str) -> None:
    """Check the keys `weights` and `head`; whether the file exists is asked when it is needed.

    Raises:
        RuleError: If cvrun cannot read such a file, or head asks for what only a file can give.
    """
    one_of("head", head, HEADS)
    if weights is not None:
        require(weights.endswith(SUFFIXES), "weights", weights, f"a file that ends with {', '.join(SUFFIXES)}")
    named = weights is not None and weights.endswith(".safetensors")
    require(head != "remap" or named, "head", head, "weights=FILE.safetensors beside it, which names its classes")


def read(path: str | Path) -> Weights:
    """Give what a file holds.

    A .safetensors file holds tensors and, when cvrun wrote it, the names of the classes. Any other file may hold
    plain data alone. Weights below "state_dict" or "model" and a prefix "module." on all names are found.

    Raises:
        ConfigError: If there is no such file.
        CheckpointError: If the file is damaged, or holds anything but a mapping of names to tensors.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise ConfigError(f"model.weights={path}: no such file, expected weights ({', '.join(SUFFIXES)})")
    content: object
    metadata: dict[str, str] = {}
    if file.suffix == ".safetensors":
        content, metadata = tensorfile.read_safetensors(file, str(file))
    else:
        content = tensorfile.load(file, str(file), "a model's state_dict() is enough")
    for wrapper in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    named = isinstance(content, dict) and content and all(isinstance(name, str) for name in content)
    if not (isinstance(content, dict) and named and all(isinstance(value, Tensor) for value in content.values())):
        raise CheckpointError(f"{file}: expected a mapping of names to tensors, as model.state_dict() gives")
    shared = "module." if all(name.startswith("module.") for name in content) else ""
    tensors = {name.removeprefix(shared): value for name, value in content.items()}
    return Weights(tensors, _classes(metadata, str(file)), str(file))


def fit(
    weights: Weights, model: nn.Module, first_conv: Iterable[str], head: Sequence[str], how: str, classes: Sequence[str]
) -> StateDict:
    """Give the tensors of weights with input and head brought to the shapes of model, as far as that was asked for.

    Args:
        weights: What read() gave.
        model: A model with its initial weights.
        first_conv: Names of the convolutions that see the image; their input channels are adapted.
        head: Names of the classifiers.
        how: keep: the classifier is taken as it is; reset: the initial one of model stands in; remap: its rows are
            taken by the names of the classes; published: kept where its size fits, else reset.
        classes: Names of the classes of the data, in order; empty where they are not known.

    Raises:
        CheckpointError: If the classifier is to be kept and is for other classes, or to be remapped and that cannot
            be done.
    """
    fitted = dict(weights.tensors)
    own = model.state_dict()
    for name in (f"{module}.weight" for module in first_conv):
        if name in fitted and name in own:
            fitted[name] = adapt_channels(fitted[name], own[name].shape[1])
    if how == "keep" and weights.classes is not None and classes and weights.classes != tuple(classes):
        raise _other_classes(weights.where, weights.classes, classes)
    rows = _rows(weights, classes) if how == "remap" else []
    for name in _head_tensors(head, own):
        there = fitted.get(name)
        misfit = there is None or there.shape != own[name].shape
        if how == "reset" or (how == "published" and misfit):
            fitted[name] = own[name]
        elif how == "remap" and there is not None:
            fitted[name] = _remapped(weights, name, own[name], rows)
    return fitted


def adapt_channels(weight: Tensor, channels: int) -> Tensor:
    """Give the weight of a convolution for another number of input channels, or weight itself when none fits.

    From colour to grey the weights of the three channels are added, so that a grey image gives the same output as
    its copy in three equal channels; from grey to colour the weight is repeated and divided by three. A stem that
    moves pixels into channels has a multiple of both numbers. For any other number the three are repeated in turn and
    multiplied by 3 / channels, as timm does it, so that the sums stay as large as they were.

    Args:
        weight: (out, in, height, width).
        channels: The wanted `in`.
    """
    have = weight.shape[1] if weight.ndim == 4 else 0
    if have == 3 * channels:
        return weight.reshape(len(weight), channels, 3, *weight.shape[2:]).sum(dim=2)
    if 3 * have == channels:
        return weight.repeat_interleave(3, dim=1) / 3
    if have == 3 and channels not in (0, 3):
        return weight[:, torch.arange(channels) % 3] * (3 / channels)
    return weight


def matches(model: nn.Module, state: StateDict) -> bool:
    """Whether state has the names and shapes of model."""
    return not tensorfile.differences(model.state_dict(), state, _OPTIONAL)


def load(model: nn.Module, state: StateDict, where: str, head: Sequence[str] = ()) -> None:
    """Load state into model.

    Args:
        model: It stays as it is when state does not fit.
        state: What fit() gave.
        where: The file, for messages.
        head: Names of the classifiers.

    Raises:
        CheckpointError: If names or shapes differ.
    """
    if not matches(model, state):
        raise mismatch(model, state, where, head)
    tensorfile.load_into(model, state, where, optional=_OPTIONAL)


def mismatch(model: nn.Module, state: StateDict, where: str, head: Sequence[str] = ()) -> CheckpointError:
    """Give the error that says in which names and shapes state differs from model; it knows a differing head."""
    own = model.state_dict()
    names = _head_tensors(head, own)
    if names and matches(model, {**state, **{name: own[name] for name in names}}):
        there = f"is for {len(state[names[0]])} classes" if names[0] in state else "is missing"
        message = f"{where}: the classifier {there}, the model's is for {len(own[names[0]])}"
        return CheckpointError(message, "model.head=reset draws a new one")
    found = tensorfile.differences(own, state, _OPTIONAL)
    return CheckpointError(f"{where}: the weights are not those of the model: {found}", "check model.name")


def _head_tensors(head: Sequence[str], own: StateDict) -> list[str]:
    """Give the names of the classifiers' tensors that the model has, the weight first."""
    names = [f"{module}.{kind}" for module in head for kind in ("weight", "bias")]
    return [name for name in names if name in own]


def _classes(metadata: dict[str, str], where: str) -> tuple[str, ...] | None:
    """Give the names of the classes that cvrun wrote into a file's metadata, or None.

    Raises:
        CheckpointError: If it is not a list of names.
    """
    if "classes" not in metadata:
        return None
    try:
        names = json.loads(metadata["classes"])
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise CheckpointError(f"{where}: its metadata 'classes' is not a list of names")
    return tuple(names)


def _rows(weights: Weights, classes: Sequence[str]) -> list[tuple[int, int]]:
    """Give the place of each shared class in the data and in the file.

    Raises:
        CheckpointError: If the file does not name its classes, or none is among those of the data.
    """
    if weights.classes is None:
        message = f"{weights.where}: does not name its classes, so model.head=remap cannot find them"
        raise CheckpointError(message, "keep takes a classifier as it is, reset draws a new one")
    there = {name: row for row, name in enumerate(weights.classes)}
    rows = [(here, there[name]) for here, name in enumerate(classes) if name in there]
    if not rows:
        message = f"{weights.where}: none of its classes ({tensorfile.listed(weights.classes)}) is one of the data's"
        raise CheckpointError(message, "model.head=reset draws a new classifier")
    return rows


def _remapped(weights: Weights, name: str, initial: Tensor, rows: list[tuple[int, int]]) -> Tensor:
    """Give a tensor of a classifier with the rows that the file has, the others as they were drawn.

    Raises:
        CheckpointError: If the file has another number of rows than it names classes.
    """
    there, num = weights.tensors[name], len(weights.classes or ())
    if there.shape[:1] != (num,):
        raise CheckpointError(f"{weights.where}: {name} is {tuple(there.shape)}, but the file names {num} classes")
    if there.shape[1:] != initial.shape[1:]:
        return there
    taken = initial.clone()
    for here, row in rows:
        taken[here] = there[row]
    return taken


def _other_classes(where: str, there: Sequence[str], here: Sequence[str]) -> CheckpointError:
    """Give the error for a file of other classes: another order, or another set."""
    if sorted(there) == sorted(here):
        number = next(i for i, (a, b) in enumerate(zip(there, here, strict=True)) if a != b)
        what = f"in another order (number {number} is {there[number]} there and {here[number]} here)"
    else:
        lost, new = (
            tensorfile.listed([name for name in a if name not in b]) for a, b in ((there, here), (here, there))
        )
        what = f"not those of the data (only there: {lost or 'none'}; only here: {new or 'none'})"
    hint = "model.head=remap takes the classifier's rows by name, model.head=reset draws a new one"
    return CheckpointError(f"{where}: its classes are {what}", hint)
