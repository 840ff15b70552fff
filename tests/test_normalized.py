"""What a run makes of the choice of a normalization."""

import numpy as np
import pytest
import torch

from cvrun import config, normalized
from cvrun.errors import ConfigError
from cvrun.images import images_of
from cvrun.prepare import prepare


def of_digits(tmp_path, *words):
    """The plan, and the training images as they are and as the pipeline has them."""
    prepared = prepare(config.compose(["device=cpu", f"output_root={tmp_path}", "cache=ram", *words]))
    images = images_of("train", prepared.manifest, prepared.split, prepared.plan.spec.settings, print)
    return prepared.plan, prepared.manifest.images[prepared.split.train], images


def test_it_is_fitted_to_the_training_images_said_and_kept_with_their_split(tmp_path):
    plan, pixels, images = of_digits(tmp_path)
    found = normalized.fit(plan, images)
    mean, std = (pixels / 255).mean(), (pixels / 255).std()
    kept = normalized.kept(found, plan)
    assert kept["mean"] == pytest.approx([mean], rel=1e-12) and kept["std"] == pytest.approx([std], rel=1e-12)
    assert kept["split"] == plan.data.split_fingerprint
    said = normalized.line(plan, {"normalization": kept})
    assert said == f"normalize: zscore, mean {mean:.4f}, std {std:.4f}"


def test_ends_of_a_range_follow_from_the_training_images(tmp_path):
    plan, pixels, images = of_digits(tmp_path, "normalize=minmax", "normalize.high=75%")
    found = normalized.fit(plan, images)
    high = np.percentile(pixels, 75)
    ends = found(torch.tensor([0.0, high, 255]).view(3, 1, 1, 1)).flatten()
    assert ends.tolist() == pytest.approx([0, 1, 1], abs=1e-6)
    said = normalized.line(plan, {"normalization": normalized.kept(found, plan)})
    assert said == f"normalize: minmax, 0.00 to {high:.2f} becomes 0 to 1, clipped"


def test_what_the_images_do_not_fit_names_the_key(tmp_path):
    plan, _, images = of_digits(tmp_path, "normalize=minmax", "normalize.low=255", "normalize.high=fit")
    with pytest.raises(ConfigError, match="normalize.low=255.0: expected less than high, which is 255.00"):
        normalized.fit(plan, images)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["normalize=mean_only", "normalize.mean=[1,2]"], "normalize.mean=.*: expected 1 number, one a channel"),
        (["normalize=tanh", "normalize.scale=20"], "normalize.scale=20.0: expected 0 < scale <= 6"),
        (["normalize=per_image", "normalize.eps=0"], "normalize.eps=0.0: expected 0 < eps <= 1"),
        (["normalize=zscore", "normalize.scope=img"], "normalize.scope=img: expected one of .*did you mean 'image'"),
    ],
)
def test_what_no_image_could_fit_is_refused_before_one_is_decoded(words, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        prepare(config.compose(["device=cpu", f"output_root={tmp_path}", *words]))
