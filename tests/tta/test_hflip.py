import torch

from cvrun.tta.hflip import Config, build


def test_left_and_right_are_exchanged() -> None:
    plain, mirrored = build(Config("mean")).views
    image = torch.tensor([[[[1, 2, 3], [4, 5, 6]]]])
    assert plain.forward(image).tolist() == image.tolist()
    assert mirrored.forward(image).tolist() == [[[[3, 2, 1], [6, 5, 4]]]]


def test_the_merge_is_kept() -> None:
    assert build(Config("gmean")).merge == "gmean"
