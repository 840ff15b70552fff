import re

import pytest

from cvrun.report.checklist import _FACTS
from cvrun.report.checklist_items import CLAIM, GUIDELINES, TRIPOD


def test_m24_claim_of_2020_has_42_items_and_tripod_ai_27():
    assert [item for item, _, _ in CLAIM] == [str(n) for n in range(1, 43)]
    numbers = [int(re.match(r"\d+", item).group()) for item, _, _ in TRIPOD]
    assert sorted(set(numbers)) == list(range(1, 28)) and numbers == sorted(numbers)


@pytest.mark.parametrize("name", GUIDELINES)
def test_each_item_is_named_once_and_its_fact_is_known(name):
    items = GUIDELINES[name][1]
    assert len({item for item, _, _ in items}) == len(items)
    assert {fact for _, _, fact in items if fact} <= set(_FACTS)


def test_items_that_the_project_lists_are_answered_where_it_says():
    claim, tripod = ({item: fact for item, _, fact in items} for items in (CLAIM, TRIPOD))
    # Rows M1, M3, M4, M5, M6, M8, M9, M19, M22 and M23.
    wanted = {"20": "split", "21": "disjoint", "32": "external", "33": "flow", "34": "counts", "19": "counts"}
    wanted |= {"28": "metrics", "29": "intervals", "36": "per_class", "37": "failures", "12": "hashed"}
    assert {item: claim[item] for item in wanted} == wanted
    wanted = {"13": "imbalance", "16": "external", "20c": "external", "20a": "flow", "23a": "intervals"}
    assert {item: tripod[item] for item in wanted} == wanted
