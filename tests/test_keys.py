import pytest
import yaml

from cvrun import keys, options


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


def test_the_flag_that_is_not_hydras_has_a_neighbourhood():
    assert str(keys.unknown_flag("--failfast", [])).endswith("; did you mean '--fail-fast'?")


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


def packaged() -> set[str]:
    """Every key that the packaged YAML files have, and every group."""
    root = options.config_root()
    train = yaml.safe_load((root / "train.yaml").read_text())
    found = set(options.GROUPS)
    for key, value in train.items():
        if key not in ("defaults", "hydra"):
            found |= {f"{key}.{name}" for name in value} if isinstance(value, dict) else {key}
    for group in options.GROUPS:
        for path in (root / group).glob("*.yaml"):
            prefix = f"{group}.{path.stem}" if group == "logger" else group
            found |= {f"{prefix}.{name}" for name in yaml.safe_load(path.read_text()) if name != "option"}
    return found


def test_every_key_has_a_class():
    every = packaged()
    assert {"seed", "trainer.epochs", "monitor.metric", "optimizer", "optimizer.betas", "data.root"} <= every
    classes = {keys.FREE, keys.ALLOWED, keys.FROZEN, keys.START}
    assert [key for key in sorted(every) if keys.class_of(key) not in classes] == []


def test_keys_without_a_group_stand_in_the_table_one_by_one():
    every = packaged()
    single = {key for key in every if key.partition(".")[0] not in options.GROUPS}
    assert {key for key in keys.CLASSES if key.partition(".")[0] not in options.GROUPS} == single


def test_the_table_names_no_key_that_does_not_exist():
    assert set(keys.CLASSES) - packaged() == set()


@pytest.mark.parametrize("key", ["sead", "trainer", "monitor", "trainer.epoch", "nothing.at.all", ""])
def test_what_is_no_key_has_no_class(key):
    assert keys.class_of(key) is None


def test_a_new_option_needs_no_edit():
    assert keys.class_of("early_stopping.a_key_of_tomorrow") == keys.ALLOWED
    assert keys.class_of("optimizer.a_key_of_tomorrow") == keys.FROZEN
    assert keys.class_of("logger.mine.url") == keys.FREE


def test_the_keys_of_the_issue_have_their_classes():
    # The three rows of the fault matrix, 27, and what the design lists.
    for word, names in {
        keys.FREE: "device threads workers worker_timeout data.root logger",
        keys.ALLOWED: "trainer.epochs trainer.save_every trainer.accumulate early_stopping tta.merge optimizer.lr",
        keys.FROZEN: "data data.classes split seed augment model loss optimizer trainer.batch_size trainer.precision",
    }.items():
        assert [name for name in names.split() if keys.class_of(name) != word] == []


def test_what_is_listed_for_people():
    assert keys.of_class(keys.START) == "name, output_root, rerun"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (Exception("Multiple values for exp. To override"), "exp: given twice"),
        (Exception("Multiple values for optimizer. To"), "optimizer: chosen twice"),
        (Exception("Could not override 'optimizer.lrr'."), "optimizer.lrr: unknown key"),
        (ValueError("Config group override must be a string or a list"), "optimizer=3: expected GROUP=NAME"),
        (UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "bad"), "not UTF-8"),
    ],
)
def test_what_hydra_says_becomes_one_line(error, line):
    assert line in str(keys.composing_failed(error, ["optimizer=3", "seed=1"]))


def test_what_hydra_says_well_stays_and_what_it_did_not_say_goes_through():
    assert keys.composing_failed(Exception("something else"), []) is None
    with pytest.raises(ValueError, match="mine"):
        keys.composing_failed(ValueError("mine"), [])
