from cvrun.command._report_data import own_data
from cvrun.folder import RunFolder


def test_the_data_of_a_run_are_listed_again(finished_once):
    found, why = own_data(RunFolder(finished_once))
    assert found is not None and why == ""
    # The digits of scikit-learn.
    assert len(found.manifest) == 1797


def test_other_data_are_not_used(finished):
    folder = RunFolder(finished)
    folder.plan.write_text(folder.plan.read_text().replace("data_fingerprint: ", "data_fingerprint: 0"))
    assert own_data(folder) == (None, "the data are not those of the training any more")


def test_without_a_plan_it_is_not_known_what_the_data_were_and_every_report_is_made(finished, call):
    folder = RunFolder(finished)
    folder.plan.unlink()
    assert own_data(folder) == (None, "plan.yaml does not say what the data of the training were")
    for words in ((), ("--format", "md"), ("--format", "json"), ("--checklist", "claim")):
        assert call("report", finished, *words).code == 0
    assert "There were no warnings" not in (finished / "report.html").read_text()
