"""cvrun soup: the mean of the weights of runs, in a folder that is used as a run."""

import copy
import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import accuracy_score
from torch.optim.swa_utils import AveragedModel, update_bn

from cvrun import config
from cvrun.build import build_loggers, build_model, build_run
from cvrun.cli import main
from cvrun.prepare import prepare
from cvrun.trainer import checkpoint
from cvrun.trainer.cost import Cost
from cvrun.trainer.saver import NoSaver

QUICK = ("model.width=4", "trainer.batch_size=100", "trainer.precision=fp32", "workers=0", "threads=1")
TUNED = (*QUICK, "trainer.epochs=2", "name=tuned")
RATES = (0.01, 0.02, 0.03)


@pytest.fixture(scope="session")
def tuned_once(tmp_path_factory) -> Path:
    """Three runs from one set of weights, which differ in their learning rate; nobody may change them."""
    root = tmp_path_factory.mktemp("tuned")
    assert main(["train", *QUICK, "name=start", "trainer.epochs=3", f"output_root={root}"]) == 0
    weights = best_of(next(root.glob("start/*"))) / "model.safetensors"
    for rate in RATES:
        words = [*TUNED, f"optimizer.lr={rate}", f"model.weights={weights}", f"output_root={root}"]
        assert main(["train", *words]) == 0
    return root


@pytest.fixture
def tuned(tuned_once, tmp_path) -> list[Path]:
    """A copy of the three runs, the lowest score first."""
    folders = Path(shutil.copytree(tuned_once, tmp_path / "outputs")).glob("tuned/*")
    return sorted(folders, key=lambda folder: (status(folder)["score"], folder.name))


def status(folder) -> dict:
    return json.loads((folder / "status.json").read_text())


def weights_of(folder) -> dict[str, torch.Tensor]:
    return load_file(best_of(folder) / "model.safetensors")


def best_of(folder) -> Path:
    return folder / "checkpoints" / checkpoint.name_of("best", status(folder)["best_step"])


def is_statistic(name: str) -> bool:
    return name.endswith(("running_mean", "running_var", "num_batches_tracked"))


def document(said) -> dict:
    assert said.code == 0, said.err

    def refuse(word):
        raise AssertionError(word)

    return json.loads(said.out, parse_constant=refuse)


class Never:
    requested = False


def first_epoch(folder: Path):
    """A model of the run, and the batches of its training's first epoch: there is no augmentation."""
    prepared = prepare(config.load(folder / "spec.yaml", []))
    run, state = build_run(prepared, build_loggers(prepared.plan), NoSaver(), Never(), Cost())
    batches = run.train_batches(0)
    return state.model, [next(batches).image for _ in range(run.plan.steps_per_epoch)]


def test_it_is_the_mean_of_the_weights_with_the_statistics_of_torch(call, tuned, tmp_path):
    found = document(call("soup", *tuned, "--json"))
    folder = tmp_path / "outputs" / "soups" / found["id"]
    assert Path(found["soup"]) == folder.relative_to(tmp_path) or Path(found["soup"]) == folder
    soup, each = weights_of(folder), [weights_of(run) for run in tuned]
    for name in filter(lambda name: not is_statistic(name), soup):
        wide = np.mean([weights[name].double().numpy() for weights in each], axis=0)
        assert np.array_equal(soup[name].numpy(), wide.astype(np.float32)), name
    model, images = first_epoch(tuned[0])
    model.load_state_dict(soup)
    update_bn(images, model)
    statistics = {name: value for name, value in model.state_dict().items() if is_statistic(name)}
    assert len(statistics) > 6
    assert all(torch.equal(soup[name], value) for name, value in statistics.items())
    assert found["norm_images"] == sum(map(len, images)) == 1400
    assert [row["kept"] for row in found["members"]] == [True] * 3
    assert found["selected_on"] is None


def test_what_it_scores_is_what_its_predictions_say_and_its_members_score_as_they_did(call, tuned, tmp_path):
    found = document(call("soup", *tuned, "--json"))
    folder = tmp_path / "outputs" / "soups" / found["id"]
    file = np.load(folder / "predictions" / "val.npz")
    assert found["score"] == accuracy_score(file["targets"], file["probabilities"].argmax(axis=1))
    assert [row["score"] for row in found["members"]] == [status(run)["score"] for run in tuned]
    assert found["best_score"] == max(status(run)["score"] for run in tuned)
    assert status(folder)["score"] == status(folder)["metrics"]["val/accuracy"] == found["score"]
    assert found["images"] == len(file["targets"]) == 180
    # Runs from one set of weights lie close together, so their mean is a model.
    assert (found["worse_than_all"], found["same_start"]) == (False, True)


def test_every_command_takes_it_for_a_run(call, tuned, tmp_path):
    found = document(call("soup", *tuned, "--json"))
    folder = tmp_path / "outputs" / "soups" / found["id"]
    assert document(call("eval", folder, "--json", "--resamples", 0))["metrics"]["accuracy"] == found["score"]
    said = call("verify", folder)
    assert said.code == 0 and "the mean of 3 models" in said.out
    said = call("report", folder, "--format", "json", "--output", tmp_path / "report.json")
    assert said.code == 0, said.err
    assert "the weights are the mean of the weights of 3 of 3 models (tuned/" in (tmp_path / "report.json").read_text()
    assert f"cvrun soup {tuned[0]} {tuned[1]} {tuned[2]} --json" in (tmp_path / "report.json").read_text()
    assert "--replay" not in (tmp_path / "report.json").read_text()
    assert call("report", folder, "--output", tmp_path / "report.html").code == 0
    assert "averages the same weights" in (tmp_path / "report.html").read_text()
    assert call("calibrate", folder, "--temperature").code == 0
    said = call("test", folder, "--unseal")
    assert said.code == 0 and "has been opened 1 time, by 1 model" in said.out
    assert json.loads((tmp_path / "outputs" / "test-ledger.jsonl").read_text())["run"] == f"soups/{found['id']}"
    said = call("export", folder, "--format", "torch", "--output", tmp_path / "soup.pt2")
    assert said.code == 0, said.err
    assert call("ensemble", folder, tuned[0]).code == 0
    said = call("runs", tmp_path / "outputs")
    assert f"soups/{found['id']}" in said.out and "uniform soup of tuned/" in said.out


def test_predict_gives_what_the_saved_predictions_say(call, image_folder, tmp_path):
    words = ("data=folder", f"data.root={image_folder}", "data.size=12", *QUICK[:1], "trainer.batch_size=10")
    for rate in (0.01, 0.02):
        assert call("train", *words, "workers=0", "trainer.epochs=1", f"optimizer.lr={rate}").code == 0
    found = document(call("soup", *(tmp_path / "outputs" / "run").iterdir(), "--json"))
    folder = Path(found["soup"])
    file = np.load(folder / "predictions" / "val.npz")
    paths = [image_folder / str(name) for name in file["ids"]]
    said = call("predict", folder, *paths, "--probabilities", "--format", "jsonl")
    assert said.code == 0, said.err
    assert [json.loads(line)["label"] for line in said.out.splitlines()] == [
        str(file["classes"][at]) for at in file["probabilities"].argmax(axis=1)
    ]


def test_it_is_not_gone_on_with_nor_trained_again(call, tuned):
    folder = Path(document(call("soup", *tuned, "--json"))["soup"])
    for words in (("resume", folder), ("resume", folder, "trainer.epochs=9"), ("verify", folder, "--replay")):
        said = call(*words)
        assert (said.code, said.out) == (2, "")
        assert "a soup, expected a run" in said.err and len(said.err.splitlines()) == 1


def test_a_second_call_gives_what_is_there_and_one_that_was_killed_is_made_anew(call, tuned, tools):
    first = document(call("soup", *tuned, "--json"))
    folder = Path(first["soup"])
    before = tools.files(folder)
    assert document(call("soup", *tuned, "--json")) == first
    assert tools.files(folder) == before
    assert "made before" in call("soup", *tuned).out
    (folder / "spec.yaml").unlink()
    again = document(call("soup", *tuned, "--json"))
    assert {**again, "seconds": 0} == {**first, "seconds": 0}
    assert call("verify", folder).code == 0


def test_verify_sees_that_the_weights_are_others(call, tuned):
    folder = Path(document(call("soup", *tuned, "--json"))["soup"])
    path = folder / "soup.json"
    about = json.loads(path.read_text())
    path.write_text(json.dumps({**about, "weights": "0" * 64}))
    said = call("verify", folder)
    assert said.code == 4 and "another's" in said.out
    path.write_text("{")
    said = call("verify", folder)
    assert said.code == 4 and "damaged" in said.out


def test_greedy_is_no_worse_on_val_than_the_best_and_says_what_that_is_worth(call, tuned):
    found = document(call("soup", *tuned, "--greedy", "--json"))
    assert found["score"] >= found["best_score"]
    assert found["selected_on"] == "val"
    # It begins with the best, of equal ones the first.
    best = max(range(3), key=lambda position: found["members"][position]["score"])
    assert found["members"][best]["kept"]
    assert "val chose the models" in call("soup", *tuned, "--greedy").out


def seeds(call, tmp_path) -> list[Path]:
    for seed in (1, 2, 3):
        assert call("train", *QUICK, "trainer.epochs=6", f"seed={seed}").code == 0
    return sorted((tmp_path / "outputs" / "run").iterdir())


def test_runs_from_different_initial_weights_do_not_average_and_greedy_leaves_them_out(call, tmp_path):
    runs = seeds(call, tmp_path)
    found = document(call("soup", *runs, "--json"))
    assert (found["worse_than_all"], found["same_start"]) == (True, False)
    assert found["score"] < min(status(run)["score"] for run in runs)
    assert "warning: the soup scores below each of its models" in call("soup", *runs).out
    greedy = document(call("soup", *runs, "--greedy", "--json"))
    (kept,) = [row for row in greedy["members"] if row["kept"]]
    # One alone is as it was, to the bit, with the statistics of its training.
    best = max(runs, key=lambda run: status(run)["score"])
    assert kept["run"].endswith(best.name) and greedy["norm_images"] == 0
    soup, alone = weights_of(Path(greedy["soup"])), weights_of(best)
    assert all(torch.equal(soup[name], alone[name]) for name in alone)
    assert greedy["score"] == status(best)["score"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("model.width=6",), 4, "its model is {'option': 'convnet', 'width': 6"),
        (("split.seed=7",), 4, "its data_fingerprint is"),
        (("normalize=unit",), 4, "its normalization is"),
        (("data.size=16",), 4, "its form is"),
    ],
)
def test_runs_that_do_not_belong_together_are_refused(call, tuned, tmp_path, words, code, told):
    assert call("train", *TUNED[:-1], "name=other", *words).code == 0
    (other,) = (tmp_path / "outputs" / "other").iterdir()
    said = call("soup", tuned[0], other)
    assert (said.code, said.out) == (code, "")
    assert told in said.err and "a soup is of runs with one model on one split" in said.err
    assert len(said.err.splitlines()) == 1
    assert not (tmp_path / "outputs" / "soups").exists()


def test_what_is_no_soup_is_refused(call, tuned, tmp_path):
    def refused(*words, code=2):
        said = call("soup", *words)
        assert (said.code, said.out, len(said.err.splitlines())) == (code, "", 1)
        return said.err

    assert "expected two or more" in refused(tuned[0])
    assert "has the weights of" in refused(tuned[0], tuned[0])
    assert "no such run" in refused(tuned[0], tmp_path / "nothing")
    assert "expected one run, and a number of states from 2 on" in refused(tuned[0], tuned[1], "--last", 2)
    assert "expected one run, and a number of states from 2 on" in refused(tuned[0], "--last", 1)
    assert "has kept 2 states, expected 3 or more; train it with keep_states=3" in refused(tuned[0], "--last", 3)
    assert "whose test-ledger.jsonl counts openings" in refused(*tuned, "--output", tmp_path / "elsewhere" / "x" / "y")
    assert "holds something else" in refused(*tuned, "--output", tuned[0])
    (tuned[0] / "status.json").write_text(json.dumps({**status(tuned[0]), "state": "interrupted"}))
    assert "has not finished" in refused(*tuned)


def test_damaged_weights_are_refused(call, tuned):
    path = best_of(tuned[1]) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    said = call("soup", *tuned)
    assert said.code == 4 and "damaged" in said.err and len(said.err.splitlines()) == 1


def test_the_output_can_be_named(call, tuned, tmp_path):
    said = call("soup", *tuned, "--output", tmp_path / "outputs" / "soups" / "mine")
    assert said.code == 0, said.err
    assert (tmp_path / "outputs" / "soups" / "mine" / "spec.yaml").is_file()


def test_a_soup_can_be_in_a_soup(call, tuned):
    first = document(call("soup", *tuned[:2], "--json"))
    second = document(call("soup", first["soup"], tuned[2], "--json"))
    soup, each = weights_of(Path(second["soup"])), [weights_of(Path(first["soup"])), weights_of(tuned[2])]
    name = next(name for name in soup if not is_statistic(name))
    assert torch.equal(soup[name], ((each[0][name].double() + each[1][name].double()) / 2).float())


LONG = (*QUICK, "trainer.epochs=5", "scheduler=constant", "keep_states=4")


def states(folder) -> list[Path]:
    return sorted((folder / "checkpoints").glob("step-*"))


def test_the_last_states_are_those_of_stochastic_weight_averaging(call, tmp_path):
    """torch's AveragedModel, told of the weights at the end of each of the last four epochs."""
    assert call("train", *LONG).code == 0
    (run,) = (tmp_path / "outputs" / "run").iterdir()
    assert [checkpoint.step_of(path) for path in states(run)] == [28, 42, 56, 70]
    found = document(call("soup", run, "--last", 4, "--json"))
    model = build_model(prepare(config.load(run / "spec.yaml", [])).plan, pretrained=False)
    average = AveragedModel(copy.deepcopy(model))
    for path in states(run):
        model.load_state_dict(checkpoint.read(path)["state"]["model"])
        average.update_parameters(model)
    _, images = first_epoch(run)
    update_bn(images, average.module)
    soup = weights_of(Path(found["soup"]))
    for name, value in average.module.state_dict().items():
        torch.testing.assert_close(soup[name], value, rtol=1e-5, atol=1e-5)
    assert [row["step"] for row in found["members"]] == [28, 42, 56, 70] and found["same_start"] is True
    # Of fewer, the newest.
    fewer = document(call("soup", run, "--last", 2, "--json"))
    assert [row["step"] for row in fewer["members"]] == [56, 70]
    assert status(Path(fewer["soup"]))["step"] == 70


def test_a_run_that_was_stopped_within_an_epoch_gives_the_same_bits(call, at_step, tmp_path, digest):
    assert call("train", *LONG, "output_root=whole").code == 0
    (whole,) = (tmp_path / "whole" / "run").iterdir()
    for step in (47, 62):

        def press(run, state, batch):
            os.kill(os.getpid(), signal.SIGINT)
            return at_step.real(run, state, batch)

        at_step(step, press)
        assert call("train", *LONG, "output_root=parts").code == 130
        at_step(None, None)
    assert call("train", *LONG, "output_root=parts").code == 0
    (parts,) = (tmp_path / "parts" / "run").iterdir()
    # The states of the stops do not take the places of others.
    assert {28, 42, 56, 70} <= {checkpoint.step_of(path) for path in states(parts)}
    soups = [document(call("soup", run, "--last", 4, "--json")) for run in (whole, parts)]
    assert soups[0]["weights"] == soups[1]["weights"]
    assert digest(weights_of(Path(soups[0]["soup"]))) == digest(weights_of(Path(soups[1]["soup"])))


def test_how_many_states_are_kept_is_no_part_of_the_run(call, tmp_path):
    assert call("train", *QUICK, "trainer.epochs=2", "keep_states=7").code == 0
    said = call("train", *QUICK, "trainer.epochs=2")
    assert said.code == 0 and "finished before" in said.out
    said = call("train", *QUICK, "keep_states=1")
    assert said.code == 2 and "keep_states=1: expected 2 <= keep_states" in said.err
