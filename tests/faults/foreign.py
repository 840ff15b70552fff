"""Files as somebody else could send them: with code in a pickle, or forged commits whose hashes are right."""

import hashlib
import io
import json
import os
import pickle
from pathlib import Path

import torch


class Trap:
    """Unpickling it makes a folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def saved(value) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def trapped(folder: Path, beside=None) -> dict[str, bytes]:
    """Ways to put a trap into a file, each with its bytes; beside is what the file holds as well."""
    content = {**(beside or {}), "trap": Trap(folder)}
    old = io.BytesIO()
    torch.save(content, old, _use_new_zipfile_serialization=False)
    return {"torch": saved(content), "torch before 1.6": old.getvalue(), "pickle": pickle.dumps(content)}


def forge(commit: Path, name: str, data: bytes) -> None:
    """Put other bytes in a file of a commit, and their hash in its manifest."""
    (commit / name).write_bytes(data)
    manifest = json.loads((commit / "manifest.json").read_text())
    manifest["files"][name] |= {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    (commit / "manifest.json").write_text(json.dumps(manifest))


def change(commit: Path, edit) -> None:
    """Load the state of a commit, let edit change it, and put it back with a hash that is right."""
    content = torch.load(commit / "state.pt", weights_only=True)
    edit(content)
    forge(commit, "state.pt", saved(content))


def commits(run: Path, kind: str) -> list[Path]:
    found = sorted((run / "checkpoints").glob(f"{kind}-*"))
    assert found
    return found
