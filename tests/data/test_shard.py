"""Shards from strangers: whatever a header claims, there is one DataError, soon, and nothing is extracted."""

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cvrun.data._shard import Member, members
from cvrun.errors import DataError

Edit = Callable[[tarfile.TarInfo], None]


def write(path: Path, *infos: tarfile.TarInfo, format: int = tarfile.GNU_FORMAT) -> Path:
    with tarfile.open(path, "w", format=format) as tar:
        for info in infos:
            tar.addfile(info, io.BytesIO(b"x" * info.size) if info.isreg() else None)
    return path


def info(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.size, found.type, found.linkname = size, kind, link
    return found


def read(path: Path) -> list[Member]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return members(path, descriptor, os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)


def refused(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value).isprintable()
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_files_with_their_places(tmp_path: Path, format: int) -> None:
    long = "a/" * 60 + "0.png" if format == tarfile.USTAR_FORMAT else "a" * 200 + "/0.png"
    path = write(tmp_path / "t.tar", info("d", kind=tarfile.DIRTYPE), info("0.png", 700), info(long, 5), format=format)
    with tarfile.open(path) as tar:
        wanted = [Member(m.name, m.offset_data, m.size) for m in tar if m.isreg()]
    assert len(wanted) == 2
    assert read(path) == wanted


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (tarfile.SYMTYPE, "a link"),
        (tarfile.LNKTYPE, "a link"),
        (tarfile.CHRTYPE, "no plain file"),
        (tarfile.BLKTYPE, "no plain file"),
        (tarfile.FIFOTYPE, "no plain file"),
        (b"Z", "no plain file"),
    ],
)
def test_what_is_no_file_is_refused(tmp_path: Path, kind: bytes, what: str) -> None:
    path = write(tmp_path / "t.tar", info("0.png", kind=kind, link="/etc/passwd"))
    assert refused(path).endswith(f"member '0.png' is {what}, expected files and folders alone")


@pytest.mark.parametrize(
    "headers",
    [{"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}, {"GNU.sparse.size": "9", "GNU.sparse.map": "0,1"}],
)
def test_sparse_files_are_refused(tmp_path: Path, headers: dict[str, str]) -> None:
    sparse = info("0.png", 512)
    sparse.pax_headers = headers
    assert refused(write(tmp_path / "t.tar", sparse, format=tarfile.PAX_FORMAT))


@pytest.mark.parametrize("name", ["../0.png", "a/../../0.png", "/0.png", "a\x1b[31m.png", "..", "a\udcff.png"])
def test_names_that_lead_elsewhere(tmp_path: Path, name: str) -> None:
    assert "expected a relative name without '..' and control characters" in refused(
        write(tmp_path / "t.tar", info(name))
    )


def header(size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A header with a size that tarfile would not write, and its checksum."""
    content = bytearray(info("0.png", kind=kind).tobuf())
    content[124:136] = (1 << 95 | size).to_bytes(12, "big") if size >= 0 else (size % (1 << 96)).to_bytes(12, "big")
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content)
    return bytes(content)


@pytest.mark.parametrize("size", [1537, 1 << 40, 1 << 62, 1 << 80, -1, -512, -1024, -(1 << 70)])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.DIRTYPE, b"Z"])
def test_absurd_sizes(tmp_path: Path, size: int, kind: bytes) -> None:
    path = tmp_path / "t.tar"
    path.write_bytes(header(size, kind) + b"x" * 512 + bytes(1024))
    refused(path)


def test_a_chain_of_extended_headers(tmp_path: Path) -> None:
    path = tmp_path / "t.tar"
    path.write_bytes(header(0, tarfile.XHDTYPE) * 20_000 + bytes(1024))
    refused(path)


def test_every_cut_is_noticed(tmp_path: Path) -> None:
    whole = write(tmp_path / "t.tar", info("0.png", 700), info("0.cls", 1), info("1.png", 512)).read_bytes()
    end = len(whole.rstrip(b"\0"))
    assert len(read(tmp_path / "t.tar")) == 3
    for length in range(0, end, 64):
        (tmp_path / "t.tar").write_bytes(whole[:length])
        refused(tmp_path / "t.tar")


def test_a_damaged_header_in_the_middle_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path / "t.tar", info("0.png", 512), info("1.png", 512), info("2.png", 512))
    content = bytearray(path.read_bytes())
    content[1024] ^= 1
    path.write_bytes(content)
    assert "has a damaged header at byte 1024" in refused(path)


def test_joined_archives_are_refused(tmp_path: Path) -> None:
    one = write(tmp_path / "t.tar", info("0.png", 5)).read_bytes()
    (tmp_path / "t.tar").write_bytes(one + one)
    assert "goes on behind its end" in refused(tmp_path / "t.tar")


def test_what_is_no_tar_file(tmp_path: Path) -> None:
    path = tmp_path / "t.tar"
    for content in (b"", b"text\n" * 1000):
        path.write_bytes(content)
        assert "not a plain tar file" in refused(path)
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(info("0.png"))
    assert refused(path).endswith("; unpack it with gunzip")


def test_flipped_bytes_give_members_or_one_error(tmp_path: Path) -> None:
    pax = info("0.png", 30)
    pax.pax_headers = {"comment": "caf\u00e9", "mtime": "1.5"}
    path = write(tmp_path / "t.tar", pax, info("b" * 150, 3), format=tarfile.PAX_FORMAT)
    whole = path.read_bytes()
    outcomes = set()
    for at in range(0, len(whole.rstrip(b"\0")), 3):
        for flip in (0x01, 0x80):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :])
            try:
                read(path)
                outcomes.add("read")
            except DataError as error:
                assert str(error).isprintable()
                outcomes.add("refused")
    assert outcomes == {"read", "refused"}
