import pytest

from cvrun import keys


@pytest.mark.parametrize(
    ("key", "arguments", "message"),
    [
        ("optimiser", [], "optimiser: unknown key, cvrun options lists the groups; did you mean 'optimizer'?"),
        ("optimiser.lr", [], "optimiser.lr: unknown key; did you mean 'optimizer'?"),
        ("lr", [], "lr: unknown key; did you mean 'optimizer.lr'?"),
        ("epochs", [], "epochs: unknown key; did you mean 'trainer.epochs'?"),
        ("betas", ["optimizer=adam"], "betas: unknown key; did you mean 'optimizer.betas'?"),
        ("exp", [], "exp: an experiment is added with a plus sign; write +exp=NAME"),
        (
            "tta.merg",
            ["tta=d4"],
            "tta.merg: unknown key, expected one of merge; did you mean 'merge'?",
        ),
        (
            "monitor.metrc",
            [],
            "monitor.metrc: unknown key, expected one of metric, mode, min_delta, delta_mode; did you mean 'metric'?",
        ),
    ],
)
def test_unknown_key(key, arguments, message):
    assert str(keys.unknown_key(key, arguments)) == message


@pytest.mark.parametrize(
    ("flag", "meant"),
    [
        ("--epochs", "trainer.epochs"),
        ("--batch-size=3", "trainer.batch_size"),
        ("--optimizer.lr", "optimizer.lr"),
        ("--seed", "seed"),
        ("--nothing", None),
    ],
)
def test_unknown_flag(flag, meant):
    wanted = f"; did you mean '{meant}=...'?" if meant else ""
    assert str(keys.unknown_flag(flag, [])) == f"{flag}: unknown flag, expected KEY=VALUE{wanted}"


def test_missing_choice_lists_what_was_found():
    error = keys.missing_choice("exp/digts.yaml", ["digits", "mine"])
    assert str(error) == "exp=digts: expected one of digits, mine; did you mean 'digits'?"


def test_missing_choice_falls_back_on_the_packaged_files():
    assert "expected one of console, csv, jsonl" in str(keys.missing_choice("logger/cvs.yaml", ()))
    assert str(keys.missing_choice("foo", ())) == "foo: no such configuration"


def test_known_keys_follow_the_choice():
    assert "momentum" in keys.known_keys("optimizer", ["optimizer=sgd"])
    assert "betas" in keys.known_keys("optimizer", ["optimizer=adam"])
    assert keys.known_keys("optimizer", ["optimizer=nothing"]) == []
    assert keys.known_keys("nothing.at.all", []) == []
    assert "optimizer.momentum" in keys.nested_keys([])
