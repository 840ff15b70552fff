"""Row 25: another number of workers changes no bit, neither in one run nor at a resume."""

import re

import kit
import pytest


@pytest.mark.parametrize("workers", [(0, 1), (1, 3), (3, 0), (2, 2)])
def test_resumed_with_another_number_of_workers_it_is_the_same(words, whole, tmp_path, workers):
    before, after = workers
    saves = "trainer.save_every=2st"
    assert kit.run((*words, saves, f"workers={before}"), tmp_path, "step.begin@6=kill").code == 137
    said = kit.run(("resume", kit.run_folder(tmp_path), f"workers={after}"), tmp_path)
    assert said.code == 0, said.err
    # The commit of step 4 may still have been under way.
    assert re.search("going on from step [34]", said.err)
    assert kit.status(kit.run_folder(tmp_path))["digest"] == kit.status(whole)["digest"]
    assert kit.records(kit.run_folder(tmp_path)) == kit.records(whole)
