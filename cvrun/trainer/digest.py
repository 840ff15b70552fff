"""One number for a whole state: equal digests mean equal bits, of every tensor and every value."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor


class _Hash(Protocol):
    def update(self, data: bytes | memoryview, /) -> None: ...


def digest(value: Any) -> str:
    """Give a sha256 (hex) over nested mappings, lists, numbers, texts and tensors.

    It does not depend on the order of keys, nor on where or in which memory layout a tensor lies.
    """
    sha = hashlib.sha256()
    _add(sha, value)
    return sha.hexdigest()


def _add(sha: _Hash, value: Any) -> None:
    if isinstance(value, Mapping):
        sha.update(f"mapping {len(value)}\n".encode())
        for key in sorted(value, key=repr):
            sha.update(f"{key!r}\n".encode())
            _add(sha, value[key])
    elif isinstance(value, list | tuple):
        sha.update(f"list {len(value)}\n".encode())
        for entry in value:
            _add(sha, entry)
    elif isinstance(value, Tensor):
        sha.update(f"tensor {value.dtype} {tuple(value.shape)}\n".encode())
        flat = value.detach().cpu().contiguous().reshape(-1)
        sha.update(flat.view(torch.uint8).numpy().data)
    else:
        sha.update(f"{value!r}\n".encode())
