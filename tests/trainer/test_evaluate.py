import numpy as np
import pytest
import torch
from torch import nn

from cvrun.metric import Metric, Prediction
from cvrun.pipeline import Batch
from cvrun.task._prior import unshifted
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


def accuracy(prediction: Prediction, weights: np.ndarray) -> np.ndarray:
    return weights @ (prediction.labels == prediction.targets) / weights.sum(axis=1)


TASK = Classification(None, (Metric("accuracy", "max", accuracy),), unshifted)


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


class Two:
    """The first of two ranks; the other one has what it is told."""

    world = 2

    def __init__(self, other):
        self.other, self.aligned = other, []

    def gather(self, mine):
        return [mine, self.other]

    def align(self, model):
        self.aligned.append(model)


def results(batch_list):
    return [(torch.softmax(Thirds()(batch.image), dim=1), batch.target) for batch in batch_list]


@pytest.mark.parametrize("sizes", [[2], [2, 2], [2, 2, 1], [3, 3, 3, 2]])
def test_the_batches_of_two_ranks_are_put_back_in_order(sizes):
    every = list(batches(sizes))
    together = Two(results(every[1::2]))
    model = Thirds()
    found = evaluate(model, TASK, iter(every[::2]), _plain, together=together)
    alone = evaluate(model, TASK, iter(every), _plain)
    assert found.prediction.targets.tolist() == alone.prediction.targets.tolist() == [i % 3 for i in range(sum(sizes))]
    assert np.array_equal(found.prediction.probabilities, alone.prediction.probabilities)
    assert together.aligned == [model]


def test_a_stop_on_either_of_two_ranks_ends_the_evaluation_of_both():
    every = list(batches([2, 2]))
    with pytest.raises(Interrupted):
        evaluate(Thirds(), TASK, iter(every[::2]), _plain, together=Two(None))

    def stopped():
        yield every[0]
        raise Interrupted

    with pytest.raises(Interrupted):
        evaluate(Thirds(), TASK, stopped(), _plain, together=Two(results(every[1::2])))
