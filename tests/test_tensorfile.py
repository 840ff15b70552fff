import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from cvrun import tensorfile
from cvrun.errors import CheckpointError


def saved(value, **options) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


class Trap:
    """Unpickling it would create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


WRITERS = {
    "torch": saved,
    "torch, protocol 4": lambda value: saved(value, pickle_protocol=4),
    "torch, old": lambda value: saved(value, _use_new_zipfile_serialization=False),
    "pickle": pickle.dumps,
    "pickle, protocol 0": lambda value: pickle.dumps(value, protocol=0),
}


@pytest.mark.parametrize("as_path", [False, True])
def test_plain_values_come_back(tmp_path, as_path):
    value = {"a": torch.arange(6).reshape(2, 3), "b": [1, 2.5, None, "x"], "c": OrderedDict(d=torch.tensor(3.0))}
    (tmp_path / "x.pt").write_bytes(saved(value))
    found = tensorfile.load(tmp_path / "x.pt" if as_path else saved(value), "x.pt")
    assert found["b"] == [1, 2.5, None, "x"]
    assert found["a"].tolist() == [[0, 1, 2], [3, 4, 5]] and found["c"]["d"] == 3


@pytest.mark.parametrize("writer", WRITERS)
def test_code_is_refused_named_and_not_run(tmp_path, writer, recwarn):
    data = WRITERS[writer]({"weight": 1.0, "more": Trap(tmp_path / "sprung")})
    with pytest.raises(CheckpointError) as caught:
        tensorfile.load(data, "x.pt")
    assert str(caught.value).startswith("x.pt: refused, it names posix.mkdir; only plain tensors are read")
    assert "weights_only" not in str(caught.value) and len(recwarn) == 0
    assert not (tmp_path / "sprung").exists()


def test_the_trap_is_one(tmp_path):
    pickle.loads(pickle.dumps(Trap(tmp_path / "sprung")))
    assert (tmp_path / "sprung").exists()


def test_names_of_a_pickle_that_remembers_its_strings():
    twice = pickle.dumps([os.mkdir, os.rmdir, os.mkdir], protocol=4)
    assert tensorfile.globals_named(twice) == ["posix.mkdir", "posix.rmdir"]


def test_names_out_of_a_pickle_that_was_cut_off(tmp_path):
    data = pickle.dumps(Trap(tmp_path), protocol=4)
    assert tensorfile.globals_named(data[:-1]) == ["posix.mkdir"]


def test_plain_tensors_name_nothing():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).bfloat16()
    for writer in (saved, WRITERS["torch, old"]):
        assert tensorfile.globals_named(writer({"model": model.state_dict(), "w": nn.Parameter(torch.ones(1))})) == []


def test_the_names_of_a_file_cannot_reach_the_terminal_or_fill_it():
    data = b"\x80\x02" + b"".join(b"cos\nx\x1b[31m%s\n" % (b"y" * 999 + b"%d" % i) for i in range(30)) + b"."
    with pytest.raises(CheckpointError) as caught:
        tensorfile.load(data, "x.pt")
    assert "\x1b" not in str(caught.value) and len(str(caught.value)) < 1500


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 100, b"this is text\n" * 9, b"PK\x03\x04", b"\x80\x02.", b"\x80\x02K"]
)
def test_garbage(content):
    with pytest.raises(CheckpointError, match=r"^x.pt: cannot be read \(.+\); the file is damaged$") as caught:
        tensorfile.load(content, "x.pt")
    assert "weights_only" not in str(caught.value)
    with pytest.raises(CheckpointError, match=r"^x: cannot be read \(.+\); the file is damaged$"):
        tensorfile.read_safetensors(content, "x")


def test_a_file_that_is_not_there(tmp_path):
    for read in (tensorfile.load, tensorfile.read_safetensors):
        with pytest.raises(CheckpointError, match="^x: cannot be read"):
            read(tmp_path / "x", "x")


def test_an_archive_that_inflates_is_refused_before_it_does():
    buffer = io.BytesIO()
    plain = zipfile.ZipFile(io.BytesIO(saved({"a": torch.zeros(250_000)})))
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for entry in plain.namelist():
            packed.writestr(entry, plain.read(entry))
    assert len(buffer.getvalue()) < 10_000
    with pytest.raises(CheckpointError, match=r"an archive of [\d,]+ bytes that holds 1,0\d\d,\d\d\d"):
        tensorfile.load(buffer.getvalue(), "x.pt")


def tensors():
    shared = torch.arange(4.0)
    return {
        "tied.a": shared,
        "tied.b": shared,
        "part": torch.arange(10.0)[2:5],
        "transposed": torch.arange(6).reshape(2, 3).T,
        "number": torch.tensor(7, dtype=torch.int64),
        "empty": torch.zeros(0, 3),
        "half": nn.Parameter(torch.ones(2, dtype=torch.bfloat16)),
    }


METADATA = {"classes": json.dumps(["dog", "\u732b"]), "run_id": "0123abcd", "form": "[20, 3]", "normalization": "{}"}


@pytest.mark.parametrize("as_path", [False, True])
def test_safetensors_come_back_with_their_metadata(tmp_path, as_path):
    data = tensorfile.write_safetensors(tensors(), METADATA)
    (tmp_path / "x.safetensors").write_bytes(data)
    found, metadata = tensorfile.read_safetensors(tmp_path / "x.safetensors" if as_path else data, "x")
    assert metadata == METADATA
    assert found.keys() == tensors().keys()
    for name, value in tensors().items():
        assert torch.equal(found[name], value) and found[name].dtype == value.dtype


def test_others_read_what_is_written(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(tensorfile.write_safetensors(tensors(), METADATA))
    assert load_file(path)["transposed"].tolist() == [[0, 3], [1, 4], [2, 5]]
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == METADATA


def test_a_file_without_metadata():
    assert tensorfile.read_safetensors(tensorfile.write_safetensors({"a": torch.ones(1)}, {}), "x")[1] == {}


def test_the_same_content_gives_the_same_bytes_in_another_process():
    code = (
        "import hashlib, torch; from cvrun.tensorfile import write_safetensors as w;"
        "print(hashlib.sha256(w({'b': torch.ones(3), 'a': torch.zeros(2)}, {c: c for c in 'abcdefgh'})).hexdigest())"
    )
    said = {subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(2)}
    assert len(said) == 1


def net(width=3, outputs=2):
    return nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width), nn.Linear(width, outputs))


def test_weights_that_fit_are_put_in():
    source, model = net(), net()
    tensorfile.load_into(model, source.state_dict(), "x")
    assert all(
        torch.equal(a, b) for a, b in zip(model.state_dict().values(), source.state_dict().values(), strict=True)
    )


def test_differences_are_counted_and_named_on_one_line():
    given = net().state_dict()
    del given["0.bias"]
    given |= {f"extra{i:02d}": torch.zeros(1) for i in range(12)}
    given["2.weight"] = torch.zeros(5, 3)
    model = net()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        tensorfile.load_into(model, given, "x.pt", "check model.name")
    assert str(caught.value) == (
        "x.pt: the weights are not those of the model: 7 of 9 tensors fit; 1 missing (0.bias); 12 unexpected ("
        + ", ".join(f"extra{i:02d}" for i in range(10))
        + ", ...); 1 of another shape (2.weight); check model.name"
    )
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_weights_of_which_none_fits():
    with pytest.raises(CheckpointError, match="0 of 9 tensors fit; 9 missing .*; 2 unexpected"):
        tensorfile.load_into(net(), {"a": torch.zeros(1), "b": torch.zeros(1)}, "x.pt")


def test_what_may_be_missing():
    given = net().state_dict()
    del given["1.num_batches_tracked"]
    with pytest.raises(CheckpointError, match=r"1 missing \(1.num_batches_tracked\)"):
        tensorfile.load_into(net(), given, "x.pt")
    tensorfile.load_into(net(), given, "x.pt", optional="num_batches_tracked")


def test_a_tensor_without_values():
    given = net().state_dict()
    given["0.weight"] = torch.empty(3, 2, device="meta")
    with pytest.raises(CheckpointError, match="x.pt: the weights cannot be used"):
        tensorfile.load_into(net(), given, "x.pt")
