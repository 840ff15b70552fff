"""Images with masks a second, on one core, in turn; `feed_masks.py ARCHIVE ROUNDS RESULT`.

cvrun's side is its augmentation of a batch of decoded images and masks, gathered as from a store, since no task of
cvrun trains on masks yet; the other side is Pillow and torchvision's joint transforms (v2), image by image.
"""

from __future__ import annotations

import json
import os
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import v2

BATCH, SHORTEST = 4, 0.7


def rate(batches) -> float:
    """Give pairs a second, for SHORTEST or longer."""
    pairs, began = 0, time.process_time()
    while time.process_time() - began < SHORTEST:
        batches()
        pairs += BATCH
    return pairs / (time.process_time() - began)


def cvrun_side(pairs):
    from cvrun.augment import basic
    from cvrun.pipeline import Batch
    from cvrun.rng import key, sample_keys

    config = basic.Config(0.5, 0.5, 4, "zeros", 0.0, 0.0, 0.0, 0.0)
    change = basic.build(config, 2).change
    images = torch.stack([torch.from_numpy(np.array(Image.open(image).convert("L")))[..., None] for image, _ in pairs])
    masks = torch.stack([torch.from_numpy(np.array(Image.open(mask).convert("L")) > 127) for _, mask in pairs]).byte()
    order = torch.Generator().manual_seed(0)

    def batches():
        rows = torch.randint(0, len(pairs), (BATCH,), generator=order)
        batch = Batch(images[rows].permute(0, 3, 1, 2), masks[rows], rows)
        changed = change(batch, sample_keys(key(0, "augment", 0), rows, torch.zeros_like(rows)))
        return changed.image.float().div_(255).sub_(0.5).div_(0.25), changed.target.long()

    return batches


def pillow_side(pairs):
    changes = v2.Compose(
        [
            v2.RandomCrop(512, padding=4),
            v2.RandomHorizontalFlip(),
            v2.RandomVerticalFlip(),
            v2.ToDtype({tv_tensors.Image: torch.float32, tv_tensors.Mask: torch.int64}, scale=True),
            v2.Normalize([0.5], [0.25]),
        ]
    )

    def one(image, mask):
        pixels = tv_tensors.Image(v2.functional.pil_to_tensor(Image.open(image).convert("L")))
        classes = torch.from_numpy((np.array(Image.open(mask).convert("L")) > 127).astype(np.uint8))
        return changes(pixels, tv_tensors.Mask(classes))

    def batches():
        rows = torch.randint(0, len(pairs), (BATCH,)).tolist()
        found = [one(*pairs[row]) for row in rows]
        return torch.stack([image for image, _ in found]), torch.stack([mask for _, mask in found])

    return batches


def main() -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    torch.set_num_threads(1)
    archive, rounds, result = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        images = sorted(Path(folder).glob("*/images/*"))
        pairs = [(image, image.parents[1] / "masks" / image.name) for image in images]
        sides = {"cvrun": cvrun_side(pairs), "pillow": pillow_side(pairs)}
        found = [{name: rate(batches) for name, batches in sides.items()} for _ in range(rounds + 1)][1:]
    result.write_text(json.dumps({"rounds": found}))


if __name__ == "__main__":
    main()
