"""Equal digests mean equal bits; the fixture `digest` is another implementation of the same promise."""

import copy
import math
from collections import OrderedDict

import pytest
import torch

from cvrun.trainer.digest import digest as own


def state() -> dict:
    random = torch.Generator().manual_seed(0)
    return {
        "model": {"w": torch.randn(3, 4, generator=random), "n": torch.tensor(7), "none": torch.zeros(0, 3)},
        "optimizer": {
            "state": {0: {"m": torch.randn(4, generator=random)}, 10: {"m": torch.zeros(2)}},
            "groups": [0.1, 1],
        },
        "half": torch.randn(5, generator=random).bfloat16(),
        "flags": torch.tensor([True, False]),
        "image": torch.randn(2, 3, 4, 4, generator=random),
        "score": None,
        "name": "val/accuracy",
    }


def with_order_of_keys(value):
    return OrderedDict(reversed(list(value.items())))


def with_other_layout(value):
    value["image"] = value["image"].to(memory_format=torch.channels_last)
    value["model"]["w"] = value["model"]["w"].t().contiguous().t()
    return value


def as_a_view(value):
    value["model"]["w"] = torch.cat([torch.ones(1, 4), value["model"]["w"]])[1:]
    return value


def with_gradients(value):
    value["model"]["w"] = torch.nn.Parameter(value["model"]["w"])
    return value


def as_a_tuple(value):
    value["optimizer"]["groups"] = tuple(value["optimizer"]["groups"])
    return value


SAME = [with_order_of_keys, with_other_layout, as_a_view, with_gradients, as_a_tuple]


def a_flipped_bit(value):
    value["model"]["w"].view(torch.int32)[1, 2] ^= 1


def a_flipped_bit_of_bf16(value):
    value["half"].view(torch.int16)[3] ^= 1


def another_type(value):
    value["model"]["n"] = value["model"]["n"].to(torch.int32)


def another_form(value):
    value["model"]["w"] = value["model"]["w"].reshape(4, 3)


def another_empty_form(value):
    value["model"]["none"] = torch.zeros(3, 0)


def a_dimension_more(value):
    value["model"]["n"] = value["model"]["n"][None]


def the_sign_of_zero(value):
    value["optimizer"]["state"][10]["m"][0] = -0.0


def a_missing_key(value):
    del value["optimizer"]["state"][10]


def a_renamed_key(value):
    value["model"]["v"] = value["model"].pop("w")


def a_key_of_another_type(value):
    value["optimizer"]["state"]["10"] = value["optimizer"]["state"].pop(10)


def another_float(value):
    value["optimizer"]["groups"][0] = math.nextafter(0.1, 1)


def a_float_for_an_integer(value):
    value["optimizer"]["groups"][1] = 1.0


def a_text_for_none(value):
    value["score"] = "None"


def another_order(value):
    value["optimizer"]["groups"].reverse()


def swapped_values(value):
    value["flags"] = value["flags"].flip(0)


DIFFERENT = [
    a_flipped_bit,
    a_flipped_bit_of_bf16,
    another_type,
    another_form,
    another_empty_form,
    a_dimension_more,
    the_sign_of_zero,
    a_missing_key,
    a_renamed_key,
    a_key_of_another_type,
    another_float,
    a_float_for_an_integer,
    a_text_for_none,
    another_order,
    swapped_values,
]


def for_the_fixture(value):
    """numpy knows no bf16."""
    return {**value, "half": value["half"].view(torch.int16)}


@pytest.mark.parametrize("change", SAME)
def test_what_is_the_same_to_the_last_bit_has_one_digest(change, digest):
    changed = change(copy.deepcopy(state()))
    assert own(changed) == own(state())
    assert digest(for_the_fixture(changed)) == digest(for_the_fixture(state()))


@pytest.mark.parametrize("change", DIFFERENT)
def test_what_differs_in_anything_has_another(change, digest):
    changed = copy.deepcopy(state())
    change(changed)
    assert own(changed) != own(state())
    assert digest(for_the_fixture(changed)) != digest(for_the_fixture(state()))


def test_it_is_a_sha256_and_stays_what_it_is_today():
    """status.json keeps it: digests of runs of other versions must be comparable. The text below was hashed by hand."""
    import hashlib

    text = b"mapping 1\n'a'\nlist 2\n1\ntensor torch.uint8 (3,)\n\x01\x02\x03"
    assert own({"a": [1, torch.tensor([1, 2, 3], dtype=torch.uint8)]}) == hashlib.sha256(text).hexdigest()


@pytest.mark.parametrize("tensor", [torch.tensor(2.5), torch.zeros(0), torch.zeros(2, 0, 3), torch.tensor(True)])
def test_small_tensors(tensor):
    assert own(tensor) == own(tensor.clone()) != own([tensor])


def test_lists_within_lists_are_told_apart():
    assert len({own(value) for value in ([[1], [2]], [[1, 2]], [1, 2], [[1, 2], []], {0: 1, 1: 2})}) == 5
