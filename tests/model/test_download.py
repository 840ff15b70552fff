import urllib.error
import urllib.request
from types import SimpleNamespace

import huggingface_hub.constants
import pytest
import torch

from cvrun.errors import ConfigError
from cvrun.model import _download

URL = "https://nowhere.invalid/models/small-0123abcd.pth"


@pytest.fixture
def torch_home(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    return tmp_path / "checkpoints"


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def refuse(*args, **kwargs):
    raise AssertionError("no request is expected")


def test_a_cached_file_needs_no_request(torch_home, monkeypatch):
    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    torch_home.mkdir()
    (torch_home / "small-0123abcd.pth").write_bytes(b"x")
    assert _download.from_url(URL, "small") == torch_home / "small-0123abcd.pth"


def test_an_unreachable_server_is_asked_once(torch_home, monkeypatch):
    requests = []

    def fail(request, timeout):
        requests.append((request.get_method(), timeout))
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(urllib.request, "urlopen", fail)
    expected = (
        "model.pretrained=true: no weights of small, neither in the cache nor from .*Name or service not known.*"
        "model.weights=FILE"
    )
    with pytest.raises(ConfigError, match=expected):
        _download.from_url(URL, "small")
    assert requests == [("HEAD", _download.PATIENCE)]
    assert not torch_home.exists()


def test_a_server_that_never_answers_is_given_up(torch_home, monkeypatch):
    import threading

    silence = threading.Event()
    monkeypatch.setattr(_download, "PATIENCE", -0.9)
    monkeypatch.setattr(urllib.request, "urlopen", lambda *args, **kwargs: silence.wait(30))
    try:
        with pytest.raises(ConfigError, match="no answer within 0.1 s"):
            _download.from_url(URL, "small")
    finally:
        silence.set()


def test_a_download_that_breaks_off_is_an_error(torch_home, monkeypatch):
    def break_off(*args, **kwargs):
        raise RuntimeError('invalid hash value (expected "0123abcd", got "ffff")')

    monkeypatch.setattr(urllib.request, "urlopen", lambda *args, **kwargs: SimpleNamespace(close=lambda: None))
    monkeypatch.setattr(torch.hub, "download_url_to_file", break_off)
    with pytest.raises(ConfigError, match="invalid hash value"):
        _download.from_url(URL, "small")


def test_a_url_is_downloaded_into_the_cache(torch_home, monkeypatch):
    def download(url, file, begin, progress):
        assert (url, begin) == (URL, "0123abcd")
        open(file, "wb").close()

    monkeypatch.setattr(urllib.request, "urlopen", lambda *args, **kwargs: SimpleNamespace(close=lambda: None))
    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    assert _download.from_url(URL, "small").is_file()


def test_a_cached_hub_file_needs_no_request(hub_cache, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", refuse)
    folder = hub_cache / "models--owner--small"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    (folder / "snapshots" / "abc").mkdir(parents=True)
    (folder / "snapshots" / "abc" / "b.bin").write_bytes(b"x")
    found = _download.from_hub("owner/small", ("a.safetensors", "b.bin"), "small")
    assert found == folder / "snapshots" / "abc" / "b.bin"


def test_an_unreachable_hub_is_asked_once(hub_cache, monkeypatch):
    asked = []

    def fail(url, timeout):
        asked.append(url)
        raise ConnectionError("Network is unreachable\nand more")

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", fail)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    with pytest.raises(ConfigError, match=r"from owner/small \(Network is unreachable\).*model.weights=FILE"):
        _download.from_hub("owner/small", ("a.safetensors", "b.bin"), "small")
    assert len(asked) == 1


def test_the_second_file_is_taken_when_the_hub_lacks_the_first(hub_cache, monkeypatch):
    from huggingface_hub.errors import EntryNotFoundError

    def answer(url, timeout):
        if url.endswith("a.safetensors"):
            raise EntryNotFoundError("404")

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", answer)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda owner, file, revision: f"/{owner}/{file}@{revision}")
    found = _download.from_hub("owner/small@v2", ("a.safetensors", "b.bin"), "small")
    assert str(found) == "/owner/small/b.bin@v2"


def test_the_real_hub_in_offline_mode(hub_cache, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match="no weights of small.*offline"):
        _download.from_hub("owner/small", ("a.safetensors",), "small")
