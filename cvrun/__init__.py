"""cvrun: an experiment runner for image models, driven by Hydra configs.

Shape letters used in every docstring: B images in a batch, N images in a set, C channels, H height, W width,
K classes, V views (test-time augmentation).
"""

__version__ = "0.1.0"
