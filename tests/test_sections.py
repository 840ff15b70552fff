import dataclasses

import pytest

from cvrun import config
from cvrun.errors import RuleError
from cvrun.sections import DataConfig, MonitorConfig, Settings, TrainerConfig

BASE = config.compose([])


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        (Settings, "name", ""),
        (Settings, "name", ".hidden"),
        (Settings, "name", "a/b"),
        (Settings, "name", ".."),
        (Settings, "name", "x" * 101),
        (Settings, "name", "a\n"),
        (Settings, "seed", -1),
        (Settings, "seed", 2**63),
        (Settings, "device", "gpu"),
        (Settings, "device", "cuda:"),
        (Settings, "device", "cuda:1\n"),
        (Settings, "threads", -1),
        (Settings, "workers", -2),
        (Settings, "workers", 257),
        (Settings, "output_root", ""),
        (TrainerConfig, "epochs", 0),
        (TrainerConfig, "batch_size", 0),
        (TrainerConfig, "accumulate", 0),
        (TrainerConfig, "accumulate", 129),
        (TrainerConfig, "eval_batch_size", 0),
        (TrainerConfig, "precision", "fp8"),
        (TrainerConfig, "max_grad_norm", 0.0),
        (TrainerConfig, "max_grad_norm", float("nan")),
        (TrainerConfig, "ema_decay", 1.0),
        (TrainerConfig, "ema_decay", -0.1),
        (TrainerConfig, "ema_decay", float("nan")),
        (TrainerConfig, "eval_every", "0ep"),
        (TrainerConfig, "save_every", "5"),
        (TrainerConfig, "log_every", "1.5st"),
        (DataConfig, "subset", 0.0),
        (DataConfig, "subset", 1.01),
        (DataConfig, "pixel_size_um", 0.0),
        (DataConfig, "pixel_size_um", float("inf")),
        (DataConfig, "value_range", (5.0, 5.0)),
        (DataConfig, "value_range", (0.0, 1.0, 2.0)),
        (DataConfig, "value_range", (0.0, float("inf"))),
        (DataConfig, "value_range", (float("nan"), 1.0)),
        (DataConfig, "value_range", (-1e308, 1e308)),
        (DataConfig, "value_range", (0.0, 1e306)),
        (MonitorConfig, "metric", "accuracy"),
        (MonitorConfig, "metric", "train/loss"),
        (MonitorConfig, "mode", "maximum"),
        (MonitorConfig, "min_delta", -0.1),
        (MonitorConfig, "min_delta", float("nan")),
        (MonitorConfig, "min_delta", float("inf")),
        (MonitorConfig, "delta_mode", "relative"),
    ],
)
def test_values_out_of_range(part, key, value):
    bases = {Settings: BASE.settings, TrainerConfig: BASE.trainer, MonitorConfig: BASE.monitor, DataConfig: BASE.data}
    base = bases[part]
    with pytest.raises(RuleError) as caught:
        dataclasses.replace(base, **{key: value})
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("settings", "seed", 2**63 - 1),
        ("settings", "name", "a_b.c+d-1"),
        ("settings", "device", "cuda:7"),
        ("settings", "workers", 256),
        ("trainer", "accumulate", 128),
        ("trainer", "ema_decay", 0.9999),
        ("monitor", "metric", "val/ema/loss"),
    ],
)
def test_values_at_the_edge(part, key, value):
    assert getattr(dataclasses.replace(getattr(BASE, part), **{key: value}), key) == value


def test_test_split_may_not_choose():
    with pytest.raises(RuleError) as caught:
        dataclasses.replace(BASE.monitor, metric="test/accuracy")
    assert "may not choose" in caught.value.hint


def test_groups_come_from_a_column_or_from_a_pattern():
    with pytest.raises(RuleError, match="null where data.group_by names a column"):
        dataclasses.replace(BASE.data, group_by="site", group_pattern="(.)")
