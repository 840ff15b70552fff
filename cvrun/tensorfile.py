"""Files of tensors, read without running what they hold, and compared with what a model needs.

This is the only module that unpickles, through torch.load(weights_only=True), and it never tries again in another way.
What is meant for others goes into safetensors, which cannot hold code at all.
"""

from __future__ import annotations

import contextlib
import io
import json
import pickletools
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor, nn

from cvrun.errors import CheckpointError, printable

NUM_NAMED = 10
"""How many names a message lists before it only counts."""

MAX_NAME = 100
"""Characters of a foreign name that a message shows."""

_HARMLESS = re.compile(
    r"collections\.OrderedDict|torch\.(Size|device|_utils\._rebuild_\w+|\w+Storage|storage\.\w+Storage)"
    r"|torch\.(bool|b?float\d+|u?int\d+|complex\d+)|_codecs\.encode"
)
"""Globals that files of plain tensors name as well."""

_MAX_PICKLE = 64 * 2**20
"""[bytes] of a pickle that are read in search of globals."""

_NUM_PICKLES = 5
"""One after another in a file from before torch 1.6: two numbers, the system, the object, the names of storages."""


def load(data: bytes | Path, where: str, hint: str = "") -> object:
    """Give what torch.save wrote, on the CPU: tensors, numbers, text, and lists and mappings of these.

    Args:
        data: The content of a file, or its path.
        where: The file, for messages.
        hint: What to do about a file that names more than tensors.

    Raises:
        CheckpointError: If it cannot be read, or names functions or classes; those are named, and were not loaded.
    """
    source = io.BytesIO(data) if isinstance(data, bytes) else data
    try:
        _refuse_inflating(data)
        with warnings.catch_warnings(action="ignore"):
            return torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # a dozen types, from EOFError to RuntimeError
        names = globals_named(data)
        if names:
            message = f"{where}: refused, it names {listed(names)}; only plain tensors are read, and nothing was run"
            raise CheckpointError(message, hint) from error
        raise CheckpointError(f"{where}: cannot be read ({short(error)})", "the file is damaged") from error


def read_safetensors(data: bytes | Path, where: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Give the tensors of a safetensors file, on the CPU, and its metadata.

    Args:
        data: The content of a file, or its path.
        where: The file, for messages.

    Raises:
        CheckpointError: If it is damaged.
    """
    from safetensors.torch import load as load_bytes
    from safetensors.torch import load_file

    try:
        if isinstance(data, bytes):
            return load_bytes(data), _header(io.BytesIO(data)).get("__metadata__", {})
        with data.open("rb") as file:
            return load_file(data), _header(file).get("__metadata__", {})
    except Exception as error:
        raise CheckpointError(f"{where}: cannot be read ({short(error)})", "the file is damaged") from error


def write_safetensors(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """Give the content of a safetensors file; the same tensors and metadata give the same bytes.

    Tensors that share their memory, as tied weights do, are written once each.
    """
    from safetensors.torch import save

    plain: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, value in tensors.items():
        tensor = value.detach().cpu().contiguous()
        memory = tensor.untyped_storage().data_ptr()
        plain[name] = tensor.clone() if memory in seen else tensor
        seen.add(memory)
    content = memoryview(save(plain))
    # safetensors writes metadata in an order that differs between processes.
    body = content[8 + int.from_bytes(content[:8], "little") :]
    entries = _header(io.BytesIO(content))
    if metadata:
        entries = {"__metadata__": dict(sorted(metadata.items())), **entries}
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join((len(text).to_bytes(8, "little"), text, body))


def load_into(model: nn.Module, weights: Mapping[str, Tensor], where: str, hint: str = "", optional: str = "") -> None:
    """Put weights into a model whose names and shapes they have.

    Args:
        model: It stays as it is when they differ.
        weights: Name -> tensor.
        where: Where weights come from, for messages.
        hint: What to do when they differ.
        optional: The ending of names that weights may lack; none when empty.

    Raises:
        CheckpointError: If names or shapes differ; says how many fit, and which do not.
    """
    found = differences(model.state_dict(), weights, optional)
    if found:
        raise CheckpointError(f"{where}: the weights are not those of the model: {found}", hint)
    try:
        model.load_state_dict(weights, strict=not optional)
    except RuntimeError as error:  # a tensor without values, or sparse
        raise CheckpointError(f"{where}: the weights cannot be used ({short(error)})", hint) from error


def require_same(own: Mapping[str, Tensor], given: Any, where: str) -> None:
    """See that given has the names, shapes and types of own.

    Raises:
        CheckpointError: If it has not.
    """
    if not isinstance(given, Mapping) or not all(isinstance(value, Tensor) for value in given.values()):
        raise CheckpointError(f"{where}: holds no weights")
    found = differences(own, given)
    odd = [name for name in own if not found and given[name].dtype != own[name].dtype]
    if odd:
        found = f"{len(odd)} of another type ({listed(odd)})"
    if found:
        raise CheckpointError(f"{where}: the weights are not those of the model: {found}")


def differences(own: Mapping[str, Tensor], given: Mapping[str, Tensor], optional: str = "") -> str:
    """Give in words where the names and shapes of given differ from those of own; empty when they do not.

    Args:
        own: What a model has.
        given: What a file has.
        optional: The ending of names that given may lack; none when empty.
    """
    missing = [name for name in own if name not in given and not (optional and name.endswith(optional))]
    unexpected = [name for name in given if name not in own]
    shapes = [name for name in own if name in given and given[name].shape != own[name].shape]
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
    if not any(kinds.values()):
        return ""
    fit = sum(name in given and given[name].shape == own[name].shape for name in own)
    found = [f"{len(names)} {kind} ({listed(names)})" for kind, names in kinds.items() if names]
    return "; ".join([f"{fit} of {len(own)} tensors fit", *found])


def globals_named(data: bytes | Path) -> list[str]:
    """Give the functions and classes that a pickled file names, sorted, but for those that plain tensors need.

    Nothing is loaded: the pickle's instructions are read as text. A file made to mislead can hide names from this,
    never from load(), which refuses what it does not know.
    """
    found: set[str] = set()
    with contextlib.suppress(Exception):  # what follows is not a pickle, or was cut off
        source = io.BytesIO(data) if isinstance(data, bytes) else data.open("rb")
        with source as stream:
            for pickle in _pickles(stream):
                _collect_globals(pickle, found)
    return sorted(name for name in found if not _HARMLESS.fullmatch(name))


def listed(names: Iterable[str]) -> str:
    """Give the first names for a message, with dots when there are more."""
    every = list(names)
    shown = [printable(name) if len(name) <= MAX_NAME else f"{printable(name[:MAX_NAME])}..." for name in every]
    return ", ".join(shown[:NUM_NAMED]) + (", ..." if len(every) > NUM_NAMED else "")


def short(error: Exception) -> str:
    """Give the first line of what an error says, without torch's advice to load the file unsafely."""
    text = str(error).strip() or type(error).__name__
    refused = re.search(r"WeightsUnpickler error: *(.+)", text)
    first = refused[1] if refused else text.splitlines()[0]
    return "not a file of plain tensors" if "weights_only" in first else first[:120]


def _refuse_inflating(data: bytes | Path) -> None:
    """Raise ValueError for an archive that holds more than its size; torch.save compresses nothing."""
    source = io.BytesIO(data) if isinstance(data, bytes) else data.open("rb")
    with source as stream:
        if not zipfile.is_zipfile(stream):
            return
        size = stream.seek(0, io.SEEK_END)
        inside = sum(entry.file_size for entry in zipfile.ZipFile(stream).infolist())
        if inside > size:
            raise ValueError(f"an archive of {size:,} bytes that holds {inside:,}")


def _pickles(stream: BinaryIO) -> Iterator[BinaryIO]:
    """Give the pickles of a file that torch.save or pickle wrote, each at its beginning."""
    if zipfile.is_zipfile(stream):
        archive = zipfile.ZipFile(stream)
        for entry in archive.infolist():
            if entry.filename.endswith(".pkl"):
                yield io.BytesIO(archive.open(entry).read(_MAX_PICKLE))
        return
    stream.seek(0)
    for _ in range(_NUM_PICKLES):
        yield stream


def _collect_globals(pickle: BinaryIO, found: set[str]) -> None:
    """Add the names of functions and classes in one pickle to found, up to where it ends or breaks."""
    texts: list[str] = ["", ""]
    memo: dict[int, str] = {}
    for opcode, argument, _ in pickletools.genops(pickle):
        if opcode.name in ("GLOBAL", "INST"):
            found.add(str(argument).replace(" ", "."))
        elif opcode.name == "STACK_GLOBAL":
            found.add(".".join(texts[-2:]))
        elif opcode.name == "MEMOIZE":
            memo[len(memo)] = texts[-1]
        elif opcode.name.endswith("PUT"):
            memo[int(str(argument))] = texts[-1]
        elif opcode.name.endswith("GET"):
            texts.append(memo.get(int(str(argument)), ""))
        elif isinstance(argument, str):
            texts.append(argument)


def _header(stream: BinaryIO) -> dict[str, Any]:
    """Give the header of a safetensors file: name -> type, shape and place of a tensor."""
    content: dict[str, Any] = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    return content
