import copy
import json

import pytest

from cvrun.report.details import read_details

ROW = {"support": 3, "precision": 0.5, "recall": None, "f1": 0.25, "roc_auc": 0.5}
SOUND = {
    "metrics": {"accuracy": 0.5, "loss": None},
    "intervals": {"accuracy": [0.1, 0.9], "loss": {"low": 0, "high": 2}},
    "undefined": {"macro_precision": 2},
    "uncertainty": {"unit": "image", "units": 6, "resamples": 2000, "undefined": {}},
    "per_class": [{"class": "cat", **ROW}, {"class": "dog", **ROW}],
    "confusion_matrix": [[1, 2], [0, 3]],
    "more": ["anything"],
}


@pytest.fixture
def put(tmp_path):
    def put(content):
        (tmp_path / "predictions").mkdir(exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / "predictions" / "val.json").write_text(text)
        return read_details(tmp_path, "val")

    return put


def test_what_an_evaluation_writes_is_read_as_it_is(put):
    assert put(SOUND) == SOUND


@pytest.mark.parametrize("content", ["", "[]", "{", "3", "[" * 100_000, '{"a": ' * 900 + "1" + "}" * 900])
def test_details_that_cannot_be_read_are_nothing(put, tmp_path, content):
    assert put(content).get("metrics") is None
    assert read_details(tmp_path, "test") == {}


HOSTILE = [
    *(("per_class", value) for value in ("abc", {"a": 1}, [1], [[]], [{"class": "cat"}], [{**ROW, "class": 3}])),
    *(("per_class", [{"class": "cat", **ROW, key: "x"}]) for key in ("support", "f1", "recall", "roc_auc")),
    ("per_class", [{"class": "cat", **ROW, "support": -1}]),
    ("per_class", [{"class": "cat", **ROW, "f1": True}]),
    *(("confusion_matrix", v) for v in ("ab", [[1, 2], [3]], [[1, 2]], [1, 2], [[1.5, 0], [0, 1]], [[-1, 0], [0, 1]])),
    ("confusion_matrix", [["1", 0], [0, 1]]),
    ("confusion_matrix", [[1]]),
    *((key, value) for key in ("metrics", "intervals", "undefined", "uncertainty") for value in ("x", [1], 3, None)),
    ("uncertainty", {"unit": 3, "units": 6, "resamples": 1}),
    ("uncertainty", {"unit": "image", "units": "6", "resamples": 1}),
]


@pytest.mark.parametrize(("key", "value"), HOSTILE)
def test_a_part_of_a_wrong_kind_is_left_out(put, key, value):
    found = put({**SOUND, key: value})
    assert key not in found
    assert {k: v for k, v in SOUND.items() if k != key} == found


def test_single_values_of_a_wrong_kind_are_undefined(put):
    huge = int("9" * 400)
    found = put({"metrics": {"a": "x", "b": [1], "c": True, "d": huge, "e": 0.5, "f": float("nan")}})
    assert found["metrics"] == {"a": None, "b": None, "c": None, "d": None, "e": 0.5, "f": None}
    assert put({"intervals": {"a": [0, 1], "b": [0], "c": "01", "d": [0, huge], "e": ["0", 1], "f": None}}) == {
        "intervals": {"a": [0, 1]}
    }
    assert put({"undefined": {"a": 1, "b": "1", "c": -1, "d": 0.5}}) == {"undefined": {"a": 1}}


@pytest.mark.parametrize(("key", "value"), HOSTILE)
def test_no_report_ends_in_an_internal_error(put, tmp_path, key, value, call):
    put({**copy.deepcopy(SOUND), key: value})
    (tmp_path / "spec.yaml").write_text("name: a\n")
    (tmp_path / "plan.yaml").write_text("name: a\nrun_id: b\n")
    (tmp_path / "status.json").write_text('{"state": "finished", "monitor": "val/accuracy", "score": 0.5}')
    for more in ((), ("--format", "md"), ("--format", "json"), ("--checklist", "claim")):
        said = call("report", tmp_path, *more, *(("--force",) if not more else ()))
        assert "internal error" not in said.err and said.code == 0, said.err
    assert call("runs", tmp_path).code == 0


WRONG = [[[1, 0]], [[1, 0, 0], [0, 1, 0], [0, 0, 1]], [], "no", [[1, -1], [0, 2]], [[1, "2"], [0, 0]]]


@pytest.mark.parametrize("table", WRONG)
def test_a_table_of_a_label_that_is_none_is_left_out(put, table):
    sound = {"per_class": [{"class": "a", **ROW, "confusion": [[5, 1], [0, 2]]}]}
    assert put(sound) == sound
    assert put({"per_class": [{"class": "a", **ROW, "confusion": table}]}) == {}
