"""The operations of published recipes, each off at 0 or none: crops, affine maps, policies, colour, erasing, mixing.

What is on happens in this order: a random part of the image (region), flips and padded crop, affine map, policy,
colour jitter, grey, lighting, blur, erasing, cutout, mixing. Up to and with the policy images stay uint8.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from torch import Tensor

from cvrun.augment import Augment, _blur, _colour, _erase, _geometry, _move, _policies, _region, _rounds
from cvrun.augment._mix import Mix
from cvrun.augment._tables import TABLES
from cvrun.errors import one_of, require
from cvrun.physical import Pixels, PixelsFraction
from cvrun.pipeline import Batch

REGIONS = ("none", "resized_crop")
PADDING_MODES = ("fill", "reflect", "edge")
POLICIES = ("none", "randaugment", "trivialaugment", "autoaugment")
PROBABILITIES = ("hflip", "vflip", "jitter", "grey", "blur", "erasing", "mix_probability", "cutmix_share")
NOT_NEGATIVE = ("side", "crop_padding", "mask_fill", "cutout", "lighting", "brightness", "contrast", "saturation")
RANGES = {"area": 1, "ratio": 1000, "zoom": 1000, "blur_sigma": 1000, "erasing_area": 1, "erasing_ratio": 1000}
UP_TO = (("rotation", 180), ("translation", 1), ("shear_x", 89), ("shear_y", 89), ("hue", 0.5), ("fill", 255))

Step = Callable[[Batch, Tensor], Batch]


@dataclass(frozen=True)
class Config:
    """Keys of the augmentation; probabilities are those of a sample.

    Attributes:
        region: resized_crop: a random part of each image is seen instead of the whole (Szegedy et al. 2015).
        area_min: Smallest area of the part [fraction of the image].
        area_max: Largest.
        ratio_min: Smallest width / height of the part.
        ratio_max: Largest.
        side: To which the shorter side is reduced before parts are cut out; 0: never [pixels].
        hflip: Probability of a flip, left to right.
        vflip: Probability of a flip, top to bottom.
        crop_padding: The image is padded by this on each side and cut to its size at a random place [pixels].
        padding_mode: What the padding shows: fill, reflect (mirrored) or edge (the nearest pixel).
        rotation: Largest turn either way [degrees].
        translation: Largest shift either way [fraction of height and of width].
        zoom_min: Smallest factor of the size.
        zoom_max: Largest.
        shear_x: Largest shear along x either way [degrees].
        shear_y: Largest shear along y either way [degrees].
        interpolation: Of affine maps and policies: nearest or bilinear. Masks are always nearest.
        fill: Level of what comes in from outside, in [0, 255].
        mask_fill: Class of what comes in from outside a mask.
        policy: none, randaugment, trivialaugment or autoaugment.
        policy_num_ops: Operations a sample (randaugment).
        policy_magnitude: Which of the magnitudes, from 0 (randaugment).
        policy_bins: Number of magnitudes (randaugment, trivialaugment).
        policy_table: imagenet, cifar10 or svhn (autoaugment).
        jitter: Probability that the four that follow happen to a sample, in random order.
        brightness: Largest change x of the factor, which is uniform in [max(0, 1 - x), 1 + x].
        contrast: The same for the distance from the mean grey.
        saturation: The same for the distance from the grey image.
        hue: Largest turn of the hue either way [fraction of the full circle].
        grey: Probability of a grey image.
        lighting: Deviation of the share of each principal component of ImageNet's colours.
        blur: Probability of a Gaussian blur.
        blur_kernel: Width of its window, odd [pixels].
        blur_sigma_min: Smallest deviation [pixels].
        blur_sigma_max: Largest.
        erasing: Probability of a random rectangle that is erased.
        erasing_area_min: Smallest area of it [fraction of the image].
        erasing_area_max: Largest.
        erasing_ratio_min: Smallest height / width.
        erasing_ratio_max: Largest.
        cutout: Side of a square that is erased in every sample [pixels].
        erased: What stands there: zeros, mean (the sample's own mean colour) or noise.
        mixup_alpha: Share of mixup from Beta(alpha, alpha).
        cutmix_alpha: Share of cutmix from Beta(alpha, alpha).
        mix_probability: Probability of mixing.
        cutmix_share: Probability of cutmix instead of mixup where both are on.
    """

    region: str
    area_min: float
    area_max: float
    ratio_min: float
    ratio_max: float
    side: Pixels
    hflip: float
    vflip: float
    crop_padding: Pixels
    padding_mode: str
    rotation: float
    translation: float
    zoom_min: float
    zoom_max: float
    shear_x: float
    shear_y: float
    interpolation: str
    fill: int
    mask_fill: int
    policy: str
    policy_num_ops: int
    policy_magnitude: int
    policy_bins: int
    policy_table: str
    jitter: float
    brightness: float
    contrast: float
    saturation: float
    hue: float
    grey: float
    lighting: float
    blur: float
    blur_kernel: Pixels
    blur_sigma_min: PixelsFraction
    blur_sigma_max: PixelsFraction
    erasing: float
    erasing_area_min: float
    erasing_area_max: float
    erasing_ratio_min: float
    erasing_ratio_max: float
    cutout: Pixels
    erased: str
    mixup_alpha: float
    cutmix_alpha: float
    mix_probability: float
    cutmix_share: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        one_of("region", self.region, REGIONS)
        one_of("padding_mode", self.padding_mode, PADDING_MODES)
        one_of("interpolation", self.interpolation, _geometry.INTERPOLATIONS)
        one_of("policy", self.policy, POLICIES)
        one_of("policy_table", self.policy_table, TABLES)
        one_of("erased", self.erased, _erase.FILLS)
        for key in PROBABILITIES:
            require(0 <= getattr(self, key) <= 1, key, getattr(self, key), f"0 <= {key} <= 1 [probability]")
        for key in NOT_NEGATIVE:
            require(0 <= getattr(self, key) < float("inf"), key, getattr(self, key), f"{key} >= 0")
        for key, end in UP_TO:
            require(0 <= getattr(self, key) <= end, key, getattr(self, key), f"0 <= {key} <= {end}")
        for key, high in RANGES.items():
            smallest, largest = getattr(self, f"{key}_min"), getattr(self, f"{key}_max")
            require(0 < smallest <= high, f"{key}_min", smallest, f"0 < {key}_min <= {high}")
            require(smallest <= largest <= high, f"{key}_max", largest, f"{key}_min <= {key}_max <= {high}")
        for key in ("mixup_alpha", "cutmix_alpha"):
            value = getattr(self, key)
            require(value == 0 or 0.01 <= value <= 100, key, value, f"{key} = 0 (off), or 0.01 <= {key} <= 100")
        require(self.policy_num_ops >= 1, "policy_num_ops", self.policy_num_ops, "policy_num_ops >= 1")
        require(self.policy_bins >= 2, "policy_bins", self.policy_bins, "policy_bins >= 2")
        rule = f"0 <= policy_magnitude < policy_bins = {self.policy_bins}"
        require(0 <= self.policy_magnitude < self.policy_bins, "policy_magnitude", self.policy_magnitude, rule)
        require(
            self.blur_kernel % 2 == 1 and self.blur_kernel > 0, "blur_kernel", self.blur_kernel, "an odd number > 0"
        )


def build(config: Config, num_classes: int) -> Augment:
    """Give the augmentation.

    Masks move along with flips, crops, affine maps and the geometric operations of policies; erasing leaves them.
    With jitter, lighting or mixup the image becomes float32, else it stays uint8. Grey images have no saturation, hue
    and lighting, which leave them as they are. Where images are mixed, targets become class probabilities; label
    smoothing is left to the loss.
    """
    c = config
    steps = [*_geometric(c), *_coloured(c), *_erasing(c)]
    if max(c.mixup_alpha, c.cutmix_alpha) > 0:
        steps.append(Mix(c.mixup_alpha, c.cutmix_alpha, c.mix_probability, c.cutmix_share, num_classes))

    def augment(batch: Batch, keys: Tensor) -> Batch:
        for step in steps:
            batch = step(batch, keys)
        return batch

    if c.region == "none":
        return Augment(augment, of_colour=_of_colour(c))
    region = _region.resized_crop((c.area_min, c.area_max), (c.ratio_min, c.ratio_max))
    return Augment(augment, region, c.side, _of_colour(c))


def _of_colour(c: Config) -> tuple[str, ...]:
    """Give the keys that are on and need grey or RGB images: luma, hue, and policies, which have operations of them."""
    jitter = [key for key in ("contrast", "saturation", "hue") if c.jitter > 0 and getattr(c, key) > 0]
    others = [key for key in ("grey", "lighting") if getattr(c, key) > 0]
    return (*jitter, *others, *(["policy"] if c.policy != "none" else []))


def _geometric(c: Config) -> list[Step]:
    """Give the steps that move pixels, and the policy."""
    outside = _move.Outside(c.fill, c.mask_fill)
    steps: list[Step] = []
    if max(c.hflip, c.vflip, c.crop_padding) > 0:
        mode = "zeros" if c.padding_mode == "fill" else c.padding_mode
        flips = _move.Flips(c.hflip, c.vflip, c.crop_padding, mode)
        steps.append(partial(_move.flip_and_crop, ranges=flips, outside=outside))
    if max(c.rotation, c.translation, c.shear_x, c.shear_y) > 0 or (c.zoom_min, c.zoom_max) != (1, 1):
        ranges = _move.Affine(c.rotation, c.translation, (c.zoom_min, c.zoom_max), (c.shear_x, c.shear_y))
        steps.append(partial(_move.affine, ranges=ranges, interpolation=c.interpolation, outside=outside))
    if c.policy != "none":
        steps.append(partial(_rounds.apply, policy=_policy(c), interpolation=c.interpolation, outside=outside))
    return steps


def _policy(c: Config) -> _policies.Policy:
    if c.policy == "randaugment":
        return _policies.randaugment(c.policy_num_ops, c.policy_magnitude, c.policy_bins)
    return (
        _policies.trivialaugment(c.policy_bins)
        if c.policy == "trivialaugment"
        else _policies.autoaugment(c.policy_table)
    )


def _coloured(c: Config) -> list[Step]:
    """Give the steps that change colours."""
    steps: list[Step] = []
    changes = _colour.steps(c.brightness, c.contrast, c.saturation, c.hue)
    if changes and c.jitter > 0:
        steps.append(_on_image(partial(_colour.jitter, changes=changes, probability=c.jitter)))
    if c.grey > 0:
        steps.append(_on_image(partial(_colour.grey, probability=c.grey)))
    if c.lighting > 0:
        steps.append(_on_image(partial(_colour.lighting, deviation=c.lighting)))
    if c.blur > 0:
        sigma = (c.blur_sigma_min, c.blur_sigma_max)
        steps.append(_on_image(partial(_blur.random_blur, probability=c.blur, kernel=c.blur_kernel, sigma=sigma)))
    return steps


def _erasing(c: Config) -> list[Step]:
    """Give the steps that erase."""
    steps: list[Step] = []
    if c.erasing > 0:
        area, ratio = (c.erasing_area_min, c.erasing_area_max), (c.erasing_ratio_min, c.erasing_ratio_max)
        erasing = partial(_erase.erasing, probability=c.erasing, area=area, ratio=ratio, filling=c.erased)
        steps.append(_on_image(erasing))
    if c.cutout > 0:
        steps.append(_on_image(partial(_erase.cutout, side=c.cutout, filling=c.erased)))
    return steps


def _on_image(change: Callable[[Tensor, Tensor], Tensor]) -> Step:
    return lambda batch, keys: replace(batch, image=change(batch.image, keys))
