import numpy as np
import pytest
import torch
from torch import nn

from cvrun.metric import Metric, Prediction
from cvrun.pipeline import Batch
from cvrun.task.classification import Classification
from cvrun.trainer.evaluate import Interrupted, evaluate, inference, until_stopped
from cvrun.tta import TTA, View


def batches(sizes):
    start = 0
    for size in sizes:
        index = torch.arange(start, start + size)
        yield Batch(index[:, None, None, None].float().expand(size, 1, 2, 2), index % 3, index)
        start += size


class Thirds(nn.Module):
    """Knows the class of an image that is filled with its own number."""

    def forward(self, image):
        return 5.0 * nn.functional.one_hot((image[:, 0, 0, 0] % 3).long(), 3).float()


def accuracy(prediction: Prediction) -> float:
    return float((prediction.labels == prediction.targets).mean())


TASK = Classification(None, (Metric("accuracy", "max", accuracy),))


@pytest.mark.parametrize("sizes", [[10], [4, 4, 2], [3, 3, 3, 1]])
def test_every_image_counts_once_whatever_the_batches(sizes):
    evaluation = evaluate(Thirds(), TASK, batches(sizes), _plain)
    assert evaluation.prediction.targets.tolist() == [i % 3 for i in range(10)]
    assert evaluation.prediction.probabilities.shape == (10, 3)
    assert evaluation.prediction.probabilities.dtype == np.float32
    assert evaluation.metrics == {"accuracy": 1.0}


def _plain():
    return torch.autocast("cpu", enabled=False)


def test_views_are_merged_when_asked():
    wrong = View("next", lambda image: image + 1, lambda output: output)
    evaluation = evaluate(Thirds(), TASK, batches([9]), _plain, TTA((wrong,), "mean"))
    assert evaluation.metrics == {"accuracy": 0.0}


def test_the_mode_of_the_model_is_put_back():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    model.train()
    with inference(model):
        assert not model.training
        assert torch.is_inference_mode_enabled()
    assert model.training
    model.eval()
    with inference(model):
        pass
    assert not model.training


def test_a_stop_within_an_evaluation_ends_it():
    class Stop:
        asked = 0

        @property
        def requested(self):
            self.asked += 1
            return self.asked > 2

    seen = []
    with pytest.raises(Interrupted):
        for batch in until_stopped(batches([2, 2, 2, 2]), Stop()):
            seen.append(len(batch))
    assert seen == [2, 2]
