"""Weights from files: read without running code, fit to other channels or classes, loaded, or said what differs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from cvrun.errors import CheckpointError, ConfigError, require

SUFFIXES = (".safetensors", ".pt", ".pth")

StateDict = dict[str, Tensor]

# Keys under which training scripts put the weights when they save more beside.
_WRAPPERS = ("state_dict", "model_state_dict", "model")


def check_name(weights: str | None) -> None:
    """Check the ending of a file's name; whether the file exists is asked when it is needed.

    Raises:
        RuleError: If cvrun cannot read such a file.
    """
    if weights is not None:
        require(weights.endswith(SUFFIXES), "weights", weights, f"a file that ends with {', '.join(SUFFIXES)}")


def read(path: str | Path) -> StateDict:
    """Give the tensors of a file, on the CPU.

    A .safetensors file holds nothing else. Any other file goes through torch.load(weights_only=True), which refuses
    whatever is not plain data. Weights below "state_dict" or "model" and a prefix "module." on all names are found.

    Raises:
        ConfigError: If there is no such file.
        CheckpointError: If the file is damaged, or holds anything but a mapping of names to tensors.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise ConfigError(f"model.weights={path}: no such file, expected weights ({', '.join(SUFFIXES)})")
    try:
        content = _read_safetensors(file) if file.suffix == ".safetensors" else _read_pickle(file)
    except Exception as error:  # the readers raise a dozen types, from EOFError to RuntimeError
        raise CheckpointError(
            f"{file}: cannot be read as weights ({_short(error)})", "the file is damaged or holds more than tensors"
        ) from error
    for wrapper in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise CheckpointError(f"{file}: expected a mapping of names to tensors, as model.state_dict() gives")
    shared = "module." if all(name.startswith("module.") for name in content) else ""
    return {name.removeprefix(shared): value for name, value in content.items()}


def fit(state: StateDict, model: nn.Module, first_conv: Iterable[str], head: Iterable[str]) -> StateDict:
    """Give state with its input and its head brought to the shapes of model, as far as that can be done.

    Args:
        state: What read() gave.
        model: A model with its initial weights.
        first_conv: Names of the convolutions that see the image; their input channels are adapted.
        head: Names of the classifiers; where the file has another number of classes, or none, the initial weights
            of model stand in.
    """
    fitted = dict(state)
    own = model.state_dict()
    for name in (f"{module}.weight" for module in first_conv):
        if name in fitted and name in own:
            fitted[name] = adapt_channels(fitted[name], own[name].shape[1])
    for name in (f"{module}.{kind}" for module in head for kind in ("weight", "bias")):
        if name in own and (name not in fitted or fitted[name].shape != own[name].shape):
            fitted[name] = own[name]
    return fitted


def adapt_channels(weight: Tensor, channels: int) -> Tensor:
    """Give the weight of a convolution for another number of input channels, or weight itself when none fits.

    From colour to grey the weights of the three channels are added, so that a grey image gives the same output as
    its copy in three equal channels; from grey to colour the weight is repeated and divided by three. A stem that
    moves pixels into channels has a multiple of both numbers.

    Args:
        weight: (out, in, height, width).
        channels: The wanted `in`.
    """
    have = weight.shape[1] if weight.ndim == 4 else 0
    if have == 3 * channels:
        return weight.reshape(len(weight), channels, 3, *weight.shape[2:]).sum(dim=2)
    if 3 * have == channels:
        return weight.repeat_interleave(3, dim=1) / 3
    return weight


def matches(model: nn.Module, state: StateDict) -> bool:
    """Whether state has the names and shapes of model."""
    return not any(_differences(model, state))


def load(model: nn.Module, state: StateDict, where: str) -> None:
    """Load state into model.

    Raises:
        CheckpointError: If names or shapes differ.
    """
    if not matches(model, state):
        raise mismatch(model, state, where)
    model.load_state_dict(state, strict=False)


def mismatch(model: nn.Module, state: StateDict, where: str) -> CheckpointError:
    """Give the error that says in which names and shapes state differs from model."""
    kinds = ("missing", "unexpected", "of another shape")
    found = [
        f"{len(names)} {kind} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
        for kind, names in zip(kinds, _differences(model, state), strict=True)
        if names
    ]
    return CheckpointError(f"{where}: the weights are not those of the model: {'; '.join(found)}", "check model.name")


def _differences(model: nn.Module, state: StateDict) -> tuple[list[str], list[str], list[str]]:
    """Give the names that are missing, unexpected, and of another shape."""
    own = model.state_dict()
    # Files from before torch 0.4.1 do not have the counter, which only matters for momentum=None.
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in state if name not in own]
    shapes = [name for name in own if name in state and state[name].shape != own[name].shape]
    return missing, unexpected, shapes


def _read_safetensors(file: Path) -> object:
    from safetensors.torch import load_file

    return load_file(file)


def _read_pickle(file: Path) -> object:
    return torch.load(file, map_location="cpu", weights_only=True)


def _short(error: Exception) -> str:
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return first if len(first) <= 120 else f"{first[:117]}..."
