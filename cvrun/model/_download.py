"""Pretrained weights from the internet, or within seconds one line that says why they cannot be had.

What lies in the caches of huggingface_hub (HF_HOME) and torch (TORCH_HOME) is used without a request. Else one
request asks whether the file is there before the download, with its own retries, begins. Proxies and HF_HUB_OFFLINE
are honoured by the libraries that make the requests.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import torch

from cvrun.errors import ConfigError
from cvrun.patience import within

PATIENCE = 4.0
"""Time within which a server must answer the first request [s]."""


def from_url(url: str, name: str) -> Path:
    """Give the file behind url, from torch's cache or downloaded into it.

    Args:
        url: Its last part is the file's name; the part between "-" and "." begins the sha256.
        name: The model, for messages.

    Raises:
        ConfigError: If it is not cached and cannot be fetched.
    """
    from urllib.request import Request, urlopen

    file = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    if file.is_file():
        return file

    def fetch() -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        digest = torch.hub.HASH_REGEX.search(file.name)
        begin = digest.group(1) if digest else None
        torch.hub.download_url_to_file(url, str(file), begin, progress=sys.stderr.isatty())

    _attempt(lambda: urlopen(Request(url, method="HEAD"), timeout=PATIENCE).close(), fetch, name, url)
    return file


def from_hub(repository: str, names: tuple[str, ...], name: str) -> Path:
    """Give the first of names that a repository of the Hugging Face hub has, from the cache or downloaded into it.

    Args:
        repository: "owner/name", or "owner/name@revision".
        names: File names in order of preference.
        name: The model, for messages.

    Raises:
        ConfigError: If none is cached and none can be fetched.
    """
    import huggingface_hub as hub
    from huggingface_hub.errors import EntryNotFoundError

    owner, _, tag = repository.partition("@")
    revision = tag or None
    for file in names:
        cached = hub.try_to_load_from_cache(owner, file, revision=revision)
        if isinstance(cached, str):
            return Path(cached)
    found: list[str] = []

    def ask() -> None:
        for file in names:
            try:
                hub.get_hf_file_metadata(hub.hf_hub_url(owner, file, revision=revision), timeout=PATIENCE)
            except EntryNotFoundError:
                continue
            found.append(file)
            return
        raise FileNotFoundError(f"none of {', '.join(names)}")

    fetched: list[str] = []
    _attempt(ask, lambda: fetched.append(hub.hf_hub_download(owner, found[0], revision=revision)), name, repository)
    return Path(fetched[0])


def _attempt(ask: Callable[[], None], fetch: Callable[[], None], name: str, place: str) -> None:
    """Call fetch if ask, which makes one request, succeeds in time.

    Raises:
        ConfigError: If either fails.
    """
    failure = within(PATIENCE + 1, ask)
    if failure is None:
        try:
            fetch()
            return
        except Exception as error:  # urllib, requests, httpx and the hub have an error each
            failure = error
    reason = (str(failure).strip() or type(failure).__name__).splitlines()[0]
    raise ConfigError(
        f"model.pretrained=true: no weights of {name}, neither in the cache nor from {place} ({reason})",
        "give a local file with model.weights=FILE, or set model.pretrained=false",
    )
