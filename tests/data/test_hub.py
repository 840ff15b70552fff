"""The hub is played by functions: nothing here needs a network, and nothing may ask one."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cvrun.data import _hub
from cvrun.data._hub import offline, snapshot
from cvrun.errors import DataError

datasets = pytest.importorskip("datasets")
hub = pytest.importorskip("huggingface_hub")

COMMIT = "c" * 40


class Hub:
    """A hub with one data set, owner/cells, of three splits; it counts what is asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[tuple[Any, ...]] = []
        self.fetched: list[str] = []
        self.failure: Exception | None = None
        folder.mkdir()
        for split in ("train", "val", "test"):
            part = datasets.Dataset.from_dict({"image": [b"x"], "label": [0]})
            part.to_parquet(folder / f"{split}-[0].parquet")

    def dataset_info(self, _: Any, name: str, revision: str | None, timeout: float) -> Any:
        self.asked.append((name, revision, timeout))
        if self.failure is not None:
            raise self.failure
        return SimpleNamespace(sha=COMMIT)

    def builder(self, path: str, config_name: str | None, revision: str, cache_dir: str) -> Any:
        assert path == "hf://datasets/owner/cells"
        assert revision == COMMIT
        made = datasets.load_dataset_builder.real(
            "parquet", data_files={"train": [str(self.folder / "train-[[]0].parquet")]}, cache_dir=cache_dir
        )
        address = f"hf://datasets/Owner/cells@{COMMIT}/data/"
        made.config.data_files = {split: [f"{address}{split}-[0].parquet"] for split in ("train", "val", "test")}
        made.info.features = datasets.Features({"label": datasets.ClassLabel(names=["a", "b"])})
        return made

    def download(self, name: str, repo_type: str, revision: str, local_dir: Path, allow_patterns: list[str]) -> None:
        assert (name, repo_type, revision) == ("owner/cells", "dataset", COMMIT)
        for pattern in allow_patterns:
            file = pattern.replace("[[]", "[")
            self.fetched.append(file)
            (local_dir / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.folder / Path(file).name, local_dir / file)


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    made = Hub(tmp_path / "hub")
    builder = made.builder

    def load_dataset_builder(*arguments: Any, **more: Any) -> Any:
        return builder(*arguments, **more)

    load_dataset_builder.real = datasets.load_dataset_builder  # type: ignore[attr-defined]
    monkeypatch.setattr(datasets, "load_dataset_builder", load_dataset_builder)
    monkeypatch.setattr(hub.HfApi, "dataset_info", lambda self, *a, **k: made.dataset_info(self, *a, **k))
    monkeypatch.setattr(hub, "snapshot_download", made.download)
    return made


def refused(*arguments: Any) -> str:
    with pytest.raises(DataError) as caught:
        snapshot(*arguments)
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_nothing_is_fetched_unless_asked_for(played: Hub, tmp_path: Path) -> None:
    message = refused("owner/cells", None, None, ["train"], False)
    assert message == (
        f"data.name=owner/cells: is not in the cache folder {tmp_path}/cache/huggingface; "
        "set data.download=true to fetch it"
    )
    assert played.asked == []


def test_the_splits_that_are_needed_are_fetched_once(played: Hub, tmp_path: Path) -> None:
    found = snapshot("owner/cells", None, None, ["train", "val"], True)
    assert played.asked == [("owner/cells", None, _hub.PATIENCE)]
    assert played.fetched == ["data/train-[0].parquet", "data/val-[0].parquet"]
    assert found.files == {"train": ["data/train-[0].parquet"], "val": ["data/val-[0].parquet"]}
    assert all((found.folder / file).is_file() for files in found.files.values() for file in files)
    assert found.folder.is_relative_to(tmp_path / "cache")
    assert datasets.Features.from_dict(found.features)["label"].names == ["a", "b"]
    assert snapshot("owner/cells", None, None, ["train"], False) == found
    assert snapshot("owner/cells", None, None, ["val", "train"], True) == found
    assert len(played.asked) == 1


def test_what_is_missing_is_fetched_from_the_commit_of_the_first_time(played: Hub) -> None:
    first = snapshot("owner/cells", None, None, ["train"], True)
    assert "is not whole in the cache folder" in refused("owner/cells", None, None, ["train", "test"], False)
    snapshot("owner/cells", None, None, ["train", "test"], True)
    assert [revision for _, revision, _ in played.asked] == [None, COMMIT]
    (first.folder / "data/train-[0].parquet").write_bytes(b"cut")
    assert "is not whole" in refused("owner/cells", None, None, ["train"], False)
    snapshot("owner/cells", None, None, ["train"], True)
    assert len(played.asked) == 3


def test_other_revisions_are_other_data_sets(played: Hub) -> None:
    snapshot("owner/cells", None, None, ["train"], True)
    assert "is not in the cache folder" in refused("owner/cells", None, "v2", ["train"], False)
    assert "is not in the cache folder" in refused("owner/cells", "small", None, ["train"], False)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionError("no route\nto host"), "(no route)"),
        (hub.errors.OfflineModeIsEnabled("offline mode is enabled"), "(offline mode is enabled)"),
        (ValueError(""), "(ValueError)"),
    ],
)
def test_without_the_hub_one_line_says_so(played: Hub, error: Exception, words: str) -> None:
    played.failure = error
    message = refused("owner/cells", None, None, ["train"], True)
    assert message.startswith("data.name=owner/cells: neither in the cache folder ")
    assert f"nor from the hub {words}; check the name and the network" in message


def test_a_hub_that_does_not_answer(played: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    end = threading.Event()
    monkeypatch.setattr(_hub, "PATIENCE", -0.95)
    monkeypatch.setattr(played, "dataset_info", lambda *a, **k: end.wait())
    assert "(no answer within 0.05 s)" in refused("owner/cells", None, None, ["train"], True)
    end.set()


def test_an_interrupted_fetch_is_not_taken_for_a_whole_one(played: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(*arguments: Any, local_dir: Path, **more: Any) -> None:
        (local_dir / "data").mkdir(parents=True)
        (local_dir / "data/train-[0].parquet").write_bytes(b"")
        raise ConnectionError("cut")

    monkeypatch.setattr(hub, "snapshot_download", cut)
    assert "(cut)" in refused("owner/cells", None, None, ["train"], True)
    assert "is not in the cache folder" in refused("owner/cells", None, None, ["train"], False)


def test_a_split_that_is_not_there(played: Hub) -> None:
    message = refused("owner/cells", None, None, ["trian"], True)
    assert message.startswith("data.name=owner/cells: no split 'trian', expected one of train, val, test; did you mean")


def test_other_formats_have_a_hint(played: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a\n1\n")
    made = datasets.load_dataset_builder.real("csv", data_files=[str(tmp_path / "x.csv")])
    monkeypatch.setattr(datasets, "load_dataset_builder", lambda *a, **k: made)
    message = refused("owner/cells", None, None, ["train"], True)
    assert "holds csv files, expected Parquet; set data.revision=refs/convert/parquet" in message


def test_names_that_lead_out_of_the_repository(played: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    made = played.builder("hf://datasets/owner/cells", None, COMMIT, "/tmp")
    made.config.data_files = {"train": [f"hf://datasets/owner/cells@{COMMIT}/../../x.parquet"]}
    monkeypatch.setattr(datasets, "load_dataset_builder", lambda *a, **k: made)
    assert "a file '../../x.parquet', expected files of its repository" in refused(
        "owner/cells", None, None, ["train"], True
    )


def test_offline_is_for_a_while() -> None:
    before = (datasets.config.HF_HUB_OFFLINE, hub.constants.HF_HUB_OFFLINE)
    with offline(), pytest.raises(hub.errors.OfflineModeIsEnabled):
        hub.HfApi().dataset_info("owner/cells")
    assert before == (datasets.config.HF_HUB_OFFLINE, hub.constants.HF_HUB_OFFLINE)


def test_a_damaged_record_counts_as_none(played: Hub, tmp_path: Path) -> None:
    snapshot("owner/cells", None, None, ["train"], True)
    for record in (tmp_path / "cache/huggingface").glob("*.json"):
        record.write_text("[1")
    assert "is not in the cache folder" in refused("owner/cells", None, None, ["train"], False)
