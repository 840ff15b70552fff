import csv
import hashlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from cvrun import config, options
from cvrun.data import ImageForm, Manifest
from cvrun.errors import DataError
from cvrun.selection import facts, select

NUM = 120


def made(**fields) -> Manifest:
    values = {
        "ids": tuple(f"site{i % 3}_{i // 4}_{i}" for i in range(NUM)),
        "labels": np.arange(NUM) // 3 % 2,
        "classes": ("a", "b"),
        "form": ImageForm(1, 1, "stretch"),
        "images": np.zeros((NUM, 1, 1, 1), np.uint8),
        "columns": {"site": tuple(f"s{i % 3}" for i in range(NUM)), "patient": tuple(f"p{i // 4}" for i in range(NUM))},
    }
    return Manifest(**{**values, **fields})


@pytest.fixture
def chosen(monkeypatch):
    """Select out of a manifest that the source is made to give, as the words ask for."""
    build = options.build

    def chosen(manifest, *words):
        given = lambda group, *rest: manifest if group == "data" else build(group, *rest)  # noqa: E731
        monkeypatch.setattr(options, "build", given)
        return select(config.compose(list(words)))

    return chosen


def ids(selection, part) -> set[str]:
    return {selection.manifest.ids[i] for i in selection.split.parts()[part].tolist()}


def sums_match(selection) -> bool:
    known = facts(selection)
    flow = known.flow
    parts = sum(sum(counts) for counts in known.counts.values())
    out = flow.unplaced + sum(flow.excluded.values()) + flow.subset + flow.unreadable
    return parts + out == flow.listed == len(selection.manifest)


def test_all_images_of_the_source_are_in_one_part_each():
    found = select(config.compose(["data=digits", "split.val=0.2", "split.test=0.1"]))
    parts = found.split.parts()
    assert {name: len(rows) for name, rows in parts.items()} == {"train": 1258, "val": 359, "test": 180}
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(1797))
    assert sums_match(found) and facts(found).flow.line() == ""


def test_facts_count_what_was_selected():
    found = select(config.compose(["data=digits"]))
    known = facts(found)
    assert {name: sum(counts) for name, counts in known.counts.items()} == {
        name: len(rows) for name, rows in found.split.parts().items()
    }
    assert known.classes == tuple("0123456789") and known.groups == {} and known.strata == {}


def test_the_fingerprint_of_a_split_is_what_it_was():
    # Runs of before were started with it and are gone on with.
    found = select(config.compose(["data=digits"]))
    names = [(part, [found.manifest.ids[i] for i in rows.tolist()]) for part, rows in found.split.parts().items()]
    assert facts(found).split_fingerprint == hashlib.sha256(repr(names).encode()).hexdigest()


def test_groups_of_a_column_stay_whole(chosen):
    found = chosen(made(), "data.group_by=patient", "split.grouped=true")
    patients = [{found.manifest.groups[i] for i in rows.tolist()} for rows in found.split.parts().values()]
    assert sum(map(len, patients)) == len(set.union(*patients)) == 30
    assert facts(found).groups == dict(zip(("train", "val", "test"), map(len, patients), strict=True))


def test_strata_get_their_share_and_classes_keep_theirs(chosen):
    plain, found = chosen(made()), chosen(made(), "data.stratify_by=site")
    assert facts(found).counts == facts(plain).counts
    # 20 images of each of 6 strata, a tenth of them.
    for part in ("val", "test"):
        assert set(facts(found).strata[part].values()) == {2}
    assert facts(found).strata["train"] == {f"{k}, s{site}": 16 for k in "ab" for site in range(3)}


def test_a9_what_is_excluded_is_gone_from_every_part_and_moves_nothing_else(chosen, tmp_path):
    plain = chosen(made())
    gone = [next(iter(ids(plain, part))) for part in ("train", "val", "test")]
    (tmp_path / "out.csv").write_text(f"path,reason\n{gone[0]},blurred\n{gone[1]},torn\n{gone[2]},blurred\n")
    found = chosen(made(), f"data.exclude={tmp_path}/out.csv")
    for part in ("train", "val", "test"):
        assert ids(found, part) == ids(plain, part) - set(gone)
    assert sum(len(rows) for rows in found.split.parts().values()) == NUM - 3
    assert found.flow.excluded == {"blurred": 2, "torn": 1} and sums_match(found)
    assert found.flow.line() == "120 listed: 3 excluded (2 blurred, 1 torn)"


def test_m4_the_flow_sums_to_what_is_listed(chosen, tmp_path):
    synthetic = np.arange(NUM) % 6 == 0
    listed = made(synthetic=synthetic)
    (tmp_path / "out.csv").write_text("path,reason\n" + "".join(f"{listed.ids[i]},torn\n" for i in (0, 1, 2, 3)))
    found = chosen(listed, f"data.exclude={tmp_path}/out.csv", "data.subset=0.5")
    assert sums_match(found)
    assert (found.flow.listed, found.flow.synthetic, sum(found.flow.excluded.values())) == (120, 20, 4)
    left = len(found.split.train)
    assert found.flow.subset in (left, left - 1)


def test_a10_a_subset_is_of_the_training_part_alone(chosen):
    plain = chosen(made())
    some = {f: chosen(made(), f"data.subset={f}") for f in (0.25, 0.5)}
    for found in some.values():
        assert ids(found, "val") == ids(plain, "val") and ids(found, "test") == ids(plain, "test")
        assert sums_match(found)
    assert len(ids(some[0.25], "train")) == 24 and len(ids(some[0.5], "train")) == 48
    assert ids(some[0.25], "train") < ids(some[0.5], "train") < ids(plain, "train")
    assert ids(chosen(made(), "data.subset=0.25"), "train") == ids(some[0.25], "train")


def test_a10_cifar_subsets(cifar10_folder):
    words = ["+exp=cifar10_folder", f"data.root={cifar10_folder}", "split.test=0"]
    whole = select(config.compose(words))
    sizes, before = [], set()
    for fraction in (0.1, 0.25, 0.5):
        found = select(config.compose([*words, f"data.subset={fraction}"]))
        assert before < ids(found, "train") < ids(whole, "train")
        before = ids(found, "train")
        sizes.append(facts(found).counts["train"])
    # 45,000 training images of 10 equal classes.
    assert sizes == [(450,) * 10, (1125,) * 10, (2250,) * 10]


@pytest.mark.parametrize("words", [["split=holdout"], ["split=kfold", "split.fold=2", "split.test=0.1"]])
def test_a14_synthetic_images_are_in_training_alone(chosen, words):
    synthetic = np.arange(NUM) % 6 == 0
    found = chosen(made(synthetic=synthetic), *words)
    names = {f"site{i % 3}_{i // 4}_{i}" for i in np.flatnonzero(synthetic).tolist()}
    assert names & (ids(found, "val") | ids(found, "test")) == set()
    assert names <= ids(found, "train")
    # The parts are those of a source without them.
    real = np.flatnonzero(~synthetic)
    manifest = made()
    alone = chosen(
        made(
            ids=tuple(manifest.ids[i] for i in real),
            labels=manifest.labels[real],
            images=manifest.images[real],
            columns={},
        ),
        *words,
    )
    for part in ("val", "test"):
        assert ids(found, part) == ids(alone, part)


@pytest.mark.parametrize("part", ["val", "test"])
def test_a14_an_official_part_with_a_synthetic_image_is_refused(chosen, part):
    official = tuple(("train", "train", "val", "test")[i % 4] for i in range(NUM))
    synthetic = np.array([name == part for name in official]) & (np.arange(NUM) < 8)
    with pytest.raises(DataError, match=f"2 synthetic images are in {part}, such as 'site"):
        chosen(made(official=official, synthetic=synthetic), "split=official")


def test_a_class_of_synthetic_images_alone_can_be_trained_on(chosen):
    labels = np.arange(NUM) // 3 % 2
    labels[:6] = 2
    found = chosen(made(labels=labels, classes=("a", "b", "c"), synthetic=np.arange(NUM) < 6))
    assert facts(found).counts["train"][2] == 6


def leaking(**fields) -> Manifest:
    official = tuple("train" if i < 80 else "val" if i < 100 else "test" for i in range(NUM))
    groups = tuple(f"p{i // 4}" if i not in (80, 81, 100) else f"p{(i - 80) // 20}" for i in range(NUM))
    return made(official=official, groups=groups, **fields)


def test_a_group_in_two_parts_stops_the_run(chosen):
    with pytest.raises(DataError) as caught:
        chosen(leaking(), "split=official")
    # p0: 4 images in train, 80 and 81 in val; p1: 4 in train, 100 in the test.
    assert str(caught.value) == (
        "split: group 'p0' is in train and in val, expected every group in one part; 2 groups lie in more than one"
        " part: images 8 of train, 2 of val, 1 of test; use split=holdout with split.grouped=true, or correct"
        " data.group_by, data.group_pattern or the group column; data.accept_leakage=true trains all the same"
    )


def test_an_accepted_leak_is_a_warning_with_counts(chosen):
    found = chosen(leaking(), "split=official", "data.accept_leakage=true")
    assert found.warnings == (
        "data.accept_leakage=true: 2 groups lie in more than one part: images 8 of train, 2 of val, 1 of test;"
        " such as 'p0' in train and val",
    )
    assert chosen(made(), "data.accept_leakage=true").warnings == ()


def test_leaving_out_the_images_that_leak_is_enough(chosen, tmp_path):
    manifest = leaking()
    rows = "".join(f"{manifest.ids[i]},leak\n" for i in (80, 81, 100))
    (tmp_path / "out.csv").write_text(f"path,reason\n{rows}")
    assert chosen(manifest, "split=official", f"data.exclude={tmp_path}/out.csv").warnings == ()


def test_the_drive_of_camvid_lies_in_train_and_val(chosen):
    # Frames of one drive, every second one in val, as in the data set (shared/checklist.md, CamVid facts).
    frames = tuple(f"0016E5_{7959 + i:05d}.png" if i < 60 else f"Seq05VD_f{i:05d}.png" for i in range(NUM))
    official = tuple(("train", "val")[i % 2] if i < 60 else ("train", "test")[i > 90] for i in range(NUM))
    manifest = made(ids=frames, official=official)
    words = ["split=official", "data.group_pattern='^([^_]+)_'"]
    with pytest.raises(DataError, match="group '0016E5' is in train and in val"):
        chosen(manifest, *words)
    (warning,) = chosen(manifest, *words, "data.accept_leakage=true").warnings
    assert "2 groups lie in more than one part: images 61 of train, 30 of val, 29 of test" in warning


def test_a_frozen_split_is_the_split_again(call, image_folder, tmp_path):
    (tmp_path / "out.csv").write_text("path,reason\ncat/03.png,torn\n")
    quick = ["model.width=4", "trainer.epochs=1", "trainer.batch_size=8", "workers=0", "data.size=8"]
    words = ["data=folder", f"data.root={image_folder}", *quick]
    own = ["data.subset=0.5", f"data.exclude={tmp_path}/out.csv", "split.seed=4", "split.val=0.3"]
    assert call("train", *words, *own).code == 0
    (file,) = tmp_path.glob("outputs/run/*/split.csv")
    first = file.read_text().splitlines()[0]
    frozen = [*words, "split=frozen", f"split.file={file}"]
    one, two = select(config.compose([*words, *own])), select(config.compose(frozen))
    fingerprint = facts(one).split_fingerprint
    assert facts(two).split_fingerprint == fingerprint and first == f"# cvrun split sha256={fingerprint}"
    assert facts(two).counts == facts(one).counts and sums_match(two)
    with file.open(newline="") as lines:
        assert len(list(csv.reader(lines))) == 62
    file.write_text(file.read_text().replace(",val", ",test", 1))
    said = call("check", *frozen)
    assert said.code == 3 and "it was edited" in said.err


def test_a_run_does_not_go_on_with_another_split(call, image_folder, tmp_path):
    rows = [f"{kind}/{i:02d}.png,{'val' if i < 4 else 'train'}\n" for kind in ("cat", "dog", "owl") for i in range(20)]
    file = tmp_path / "mine.csv"
    file.write_text("id,part\n" + "".join(rows))
    quick = ["model.width=4", "trainer.epochs=1", "trainer.batch_size=8", "workers=0", "data.size=8"]
    words = ["data=folder", f"data.root={image_folder}", *quick, "split=frozen", f"split.file={file}"]
    assert call("train", *words).code == 0
    (run,) = tmp_path.glob("outputs/run/*")
    # The same parts in another order of rows are the same split.
    file.write_text("id,part\n" + "".join(reversed(rows)))
    assert call("train", *words).code == 0 and call("eval", run).code == 0
    file.write_text("id,part\n" + "".join(rows).replace("cat/00.png,val", "cat/00.png,train"))
    for command in (("train", *words), ("resume", run, "trainer.epochs=2"), ("eval", run)):
        said = call(*command)
        assert said.code == 4 and ("cat/00.png: val -> train" in said.err or command[0] == "eval"), said.err


def test_unreadable_images_are_in_the_flow(image_folder):
    (image_folder / "cat" / "00.png").write_bytes(b"no image")
    Image.new("RGB", (4, 4)).save(image_folder / "dog" / "20.png")
    from cvrun.prepare import prepare

    words = ["data=folder", f"data.root={image_folder}", "data.size=8", "model.width=4", "trainer.batch_size=8"]
    selection = select(config.compose(words))
    known = facts(selection.without_unreadable(replace(selection.split, train=selection.split.train[1:])))
    assert known.flow.unreadable == 1 and known.flow.line() == "61 listed: 1 unreadable"
    seeds = (prepare(config.compose([*words, "skip_unreadable=0.1", f"split.seed={seed}"])) for seed in range(3))
    for prepared in seeds:
        data = prepared.plan.data
        assert sum(map(sum, data.counts.values())) + data.flow.unreadable == 61


def test_a5_folds_and_subsets_share_the_test_part():
    def names(*said):
        found = select(config.compose(["data=digits", *said]))
        return facts(found).test_names

    fold = ["split=kfold", "split.test=0.2"]
    whole = names(*fold)
    assert whole == names(*fold, "split.fold=3") == names(*fold, "data.subset=0.25")
    assert len({whole, names(*fold, "split.seed=1"), names("split.test=0.3"), names("split.test=0")}) == 4
    assert names("split.test=0") == ""


def test_two_groups_that_may_be_one_patient_are_warned_of(tmp_path, image_folder):
    paths = [path.relative_to(image_folder) for path in sorted(image_folder.rglob("*.png"))]
    lines = [f"{path},{path.parent},{'pP'[i % 2]}{i // 4}" for i, path in enumerate(paths)]
    (image_folder / "manifest.csv").write_text("\n".join(["path,label,patient", *lines]))
    said = ["data=csv", f"data.root={image_folder}", "data.group_by=patient", "split.grouped=true"]
    assert select(config.compose(said)).warnings == (
        "groups 'P0' and 'p0' differ in case or leading zeros alone, and count as two",
    )
    (hidden,) = select(config.compose([*said, "data.hash_ids=true"])).warnings
    assert "p0" not in hidden and "P0" not in hidden
