"""What is read of one shard; tests/data/test_webdataset.py goes through what samples may lack."""

import io
import tarfile
from pathlib import Path

from cvrun.data._samples import Keys, Sample, read_shard

KEYS = Keys(("png",), "cls", None, ())


def pack(path: Path, *entries: tuple[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_a_sample_says_where_its_image_begins(tmp_path: Path) -> None:
    path = pack(tmp_path / "s.tar", ("k.cls", b"cat\n"), ("k.png", b"123"))
    shard = read_shard(path, "s", KEYS)
    # A header of 512 bytes, the label in a block of 512, another header.
    assert shard.samples == [Sample("k", 1536, 3, "cat", "", ())]
    assert path.read_bytes()[1536:1539] == b"123"
    assert shard.size == path.stat().st_size


def test_shards_with_defects_are_not_kept(tmp_path: Path) -> None:
    path = pack(tmp_path / "s.tar", ("k.png", b"123"))
    assert [defect.entry for defect in read_shard(path, "s", KEYS).defects] == ["s/k"]
    assert not (tmp_path / "cache").exists()


def test_a_cache_folder_that_cannot_be_made_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    path = pack(tmp_path / "s.tar", ("k.cls", b"cat"), ("k.png", b"123"))
    assert read_shard(path, "s", KEYS).samples == read_shard(path, "s", KEYS).samples


def test_what_is_kept_is_for_these_keys(tmp_path: Path) -> None:
    path = pack(tmp_path / "s.tar", ("k.cls", b"cat"), ("k.grp", b"p1"), ("k.png", b"123"))
    assert read_shard(path, "s", KEYS).samples[0].group == ""
    assert read_shard(path, "s", Keys(("png",), "cls", "grp", ())).samples[0].group == "p1"
    assert read_shard(path, "s", KEYS).samples[0].group == ""
