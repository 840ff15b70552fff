import json

import numpy as np

from cvrun.folder import RunFolder
from cvrun.metric import Prediction
from cvrun.task._prior import unshifted
from cvrun.task.classification import Classification
from cvrun.trainer import Evaluation, predictions


def test_everything_needed_for_later_questions_is_saved(tmp_path):
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.25, 0.5, 0.25]], dtype=np.float32)
    prediction = Prediction(probabilities, np.array([0, 1, 1]))
    evaluation = Evaluation(prediction, {"accuracy": 2 / 3, "top5_accuracy": float("nan")})
    names = ["a/1.png", "b/2.png", "b/\u00fc 3.png"]
    predictions.save(
        RunFolder(tmp_path), "val", evaluation, Classification(None, (), unshifted), names, ["x", "y", "<z>"]
    )
    # allow_pickle stays off: the file holds plain arrays.
    with np.load(tmp_path / "predictions" / "val.npz", allow_pickle=False) as saved:
        assert np.array_equal(saved["probabilities"], probabilities)
        assert saved["probabilities"].dtype == np.float32
        assert saved["targets"].tolist() == [0, 1, 1]
        assert saved["ids"].tolist() == names
        assert saved["classes"].tolist() == ["x", "y", "<z>"]
    details = json.loads((tmp_path / "predictions" / "val.json").read_text())
    assert details["metrics"] == {"accuracy": 2 / 3, "top5_accuracy": None}
    assert details["confusion_matrix"] == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]
    assert [row["support"] for row in details["per_class"]] == [1, 2, 0]
    assert details["per_class"][2]["recall"] is None
