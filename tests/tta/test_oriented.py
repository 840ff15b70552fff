import pytest
import torch

from cvrun.tta._oriented import oriented, turned, unturned

IMAGE = torch.tensor([[[[1, 2, 3], [4, 5, 6]]]])


@pytest.mark.parametrize(
    ("turns", "flipped", "name", "expected"),
    [
        (0, False, "plain", [[1, 2, 3], [4, 5, 6]]),
        (1, False, "rot90", [[3, 6], [2, 5], [1, 4]]),
        (2, False, "rot180", [[6, 5, 4], [3, 2, 1]]),
        (3, False, "rot270", [[4, 1], [5, 2], [6, 3]]),
        (0, True, "hflip", [[3, 2, 1], [6, 5, 4]]),
        (1, True, "rot90_hflip", [[6, 3], [5, 2], [4, 1]]),
        # Top and bottom exchanged.
        (2, True, "rot180_hflip", [[4, 5, 6], [1, 2, 3]]),
    ],
)
def test_turns_are_counterclockwise_and_come_before_the_flip(turns, flipped, name, expected):
    view = oriented(turns, flipped)
    assert (view.name, view.kind) == (name, "exact")
    assert view.forward(IMAGE)[0, 0].tolist() == expected
    assert torch.equal(view.inverse(view.forward(IMAGE), (2, 3)), IMAGE)
    assert torch.equal(unturned(turned(IMAGE, turns, flipped), turns, flipped), IMAGE)
