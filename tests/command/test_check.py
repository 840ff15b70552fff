"""cvrun check: the plan without the work."""

QUICK = ("model.width=4", "trainer.epochs=3", "trainer.batch_size=300")


def test_it_prints_the_numbers_and_starts_nothing(call, tmp_path):
    said = call("check", *QUICK)
    assert said.code == 0
    assert said.err == ""
    # 1,797 digits less a tenth each for validation and test; 1,437 // 300 = 4.
    assert "1,437 train, 180 val, 180 test" in said.out
    assert "12: 3 epochs of 4; each leaves out 237 images" in said.out
    assert not (tmp_path / "outputs").exists()
    rows = [line.split() for line in said.out.splitlines()]
    counts = [[int(n) for n in row[1:]] for row in rows if row and row[0] in map(str, range(10)) and len(row) == 4]
    assert [sum(column) for column in zip(*counts, strict=True)] == [1437, 180, 180]
    assert all(line == line.rstrip() for line in said.out.splitlines())


def test_it_says_that_a_run_exists(call, finished):
    assert "this run exists: finished at step 12" in call("check", *QUICK).out


def test_its_lines_are_those_that_training_shows(call):
    shown = call("check", *QUICK, "trainer.epochs=1").out.split("\n\n")[0]
    assert call("train", *QUICK, "trainer.epochs=1").err.startswith(f"{shown}\n")


def test_errors_have_the_code_of_the_error(call):
    assert call("check", "optimizer.lr=-1").code == 2
    assert call("check", "data=folder", "data.root=/nowhere").code == 3


def test_a_sweep_prints_every_plan(call):
    said = call("check", "-m", *QUICK, "optimizer.lr=0.1,-1,0.2")
    assert said.code == 2
    assert said.out.count("machine") == 2
    assert "expected lr > 0" in said.err


def test_checking_a_sweep_leaves_nothing_behind(call, tmp_path):
    said = call("check", "-m", "trainer.epochs=1,2", "model.width=4")
    assert said.code == 0
    assert said.out.count("monitor") == 2
    assert list(tmp_path.glob("outputs/*")) == []


def test_it_takes_the_flag_of_a_sweep(call):
    assert call("check", "-m", "--fail-fast", "seed=0,1").code == 0
    assert call("check", "--fail-fast").code == 2


def test_it_says_what_the_validation_images_allow_to_be_known(call):
    # 180 images: Wilson's interval of 162 is .847 to .936, that of 90 .428 to .572.
    said = call("check", *QUICK)
    assert "95% interval of accuracy on 180 validation images: +-0.044 at 0.9 and +-0.072 at 0.5\n" in said.out
    assert "warning" not in said.out
    other = call("check", *QUICK, "monitor.metric=val/loss", "monitor.min_delta=0.001")
    assert "the monitor is another metric" in other.out and "warning" not in other.out


def test_a_min_delta_below_that_is_warned_of_and_refused_where_warnings_are(call):
    said = call("check", *QUICK, "monitor.min_delta=0.01")
    assert said.code == 0
    assert "warning: monitor.min_delta=0.01 is below +-0.044, the 95% interval of accuracy at 0.9" in said.out
    assert call("check", *QUICK, "monitor.min_delta=0.05").out.count("warning") == 0
    strict = call("check", *QUICK, "monitor.min_delta=0.01", "strict_warnings=true")
    assert strict.code == 2 and "monitor.min_delta=0.01" in strict.err


def test_groups_of_the_data_make_it_wider(call, blood_cells):
    said = call("check", "+exp=blood_cells", f"data.root={blood_cells}")
    assert said.code == 0
    line = next(line for line in said.out.splitlines() if line.startswith("95% interval"))
    assert "groups make it wider, up to" in line
