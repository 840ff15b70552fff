import json
import re
import shutil
from pathlib import Path

import pytest
from browser import FIGURES, seen

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.mark.parametrize("name", ["blood_cells", "cifar10_folder", "cifar10_sweep"])
def test_an_example_is_small_and_names_nothing_of_the_machine(name):
    page = (EXAMPLES / f"{name}.html").read_text()
    assert len(page) < 1_000_000 and page.startswith("<!DOCTYPE html>") and page.count("<svg") >= 2
    assert not re.search(r"/(home|root|tmp|work|Users)/|https?://", page)
    # Every link leads into the page.
    assert all(address.startswith("#") for address in re.findall(r'<a [^>]*href="([^"]*)"', page))
    assert ("data:image/png;base64" in page) == (name != "cifar10_sweep")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["blood_cells", "cifar10_folder", "cifar10_sweep"])
def test_in_a_browser_an_example_is_whole(name, tmp_path):
    found, console = seen(EXAMPLES / f"{name}.html", tmp_path, FIGURES)
    assert console == []
    assert found and all(each["width"] > 250 and each["height"] > 100 and each["shapes"] > 1 for each in found)


@pytest.fixture
def folder_run(call, image_folder, tmp_path, request):
    """A finished run on image files, whose second class has the name that the test asks for."""
    name = getattr(request, "param", "dog")
    if name != "dog":
        (image_folder / "dog").rename(image_folder / name)
    words = ("data=folder", f"data.root={image_folder}", "data.size=12", "model.width=4", "trainer.epochs=2")
    said = call("train", *words, "trainer.batch_size=16", "workers=0", "split.test=0.2")
    assert said.code == 0, said.err
    return next(tmp_path.glob("outputs/run/*"))


def pictures(page):
    return len(re.findall(r'<img class="thumb" [^>]*src="data:image/png;base64,', page))


def test_a_page_is_written_beside_the_run_and_replaced(call, finished):
    said = call("report", finished)
    assert (said.code, said.out) == (0, f"{finished}/report.html\n")
    page = (finished / "report.html").read_text()
    status = json.loads((finished / "status.json").read_text())
    assert f"{status['score']:.4f}" in page
    assert 0 < pictures(page) <= 24
    assert len(page.encode()) < 1_000_000
    assert call("report", finished, "--no-images").code == 0
    again = (finished / "report.html").read_text()
    assert pictures(again) == 0 and "--no-images leaves them out" in again
    assert call("verify", finished).code == 0


def test_j4_the_time_of_a_real_run_is_told_apart_and_sums_to_its_seconds(call, interrupted):
    """Also where two processes trained it."""
    before = json.loads((interrupted / "status.json").read_text())
    assert list(before["spent"]) == ["preprocess", "model", "train", "evaluate"]
    assert call("resume", interrupted).code == 0
    status = json.loads((interrupted / "status.json").read_text())
    assert sum(status["spent"].values()) == pytest.approx(status["seconds"], abs=1e-9)
    assert all(status["spent"][phase] > before["spent"][phase] for phase in ("preprocess", "train"))
    assert status["spent"]["evaluate"] > 0 and status["peak_memory"]["host"] >= before["peak_memory"]["host"] > 0
    assert call("report", interrupted).code == 0
    page = (interrupted / "report.html").read_text()
    assert "Wall time" in page and "peak memory of the process" in page


def test_another_file_is_not_replaced_without_force(call, finished, tmp_path):
    mine = tmp_path / "mine.html"
    mine.write_text("my own work")
    said = call("report", finished, "--output", mine)
    assert said.code == 2 and said.err.count("\n") == 1 and "is not a page of cvrun report" in said.err
    assert mine.read_text() == "my own work"
    assert call("report", finished, "--output", mine, "--force").code == 0
    assert "<!DOCTYPE html>" in mine.read_text()
    assert not (finished / "report.html").exists()


def test_what_is_no_run_is_one_line(call, tmp_path):
    said = call("report", tmp_path / "none")
    assert said.code == 2 and "no such" in said.err and said.err.count("\n") == 1


def test_a_folder_of_runs_has_a_page_about_them(call, finished):
    outputs = finished.parent
    said = call("report", outputs)
    assert (said.code, said.out) == (0, f"{outputs}/report.html\n")
    page = (outputs / "report.html").read_text()
    assert finished.name in page and f"{json.loads((finished / 'status.json').read_text())['score']:.4f}" in page
    assert not (finished / "report.html").exists()


def test_a_folder_without_runs_is_one_line(call, tmp_path):
    (tmp_path / "empty").mkdir()
    said = call("report", tmp_path / "empty")
    assert said.code == 2 and said.err.count("\n") == 1 and "cvrun runs lists" in said.err
    assert list((tmp_path / "empty").iterdir()) == []


def test_damaged_predictions_are_one_line(call, finished):
    (finished / "predictions" / "val.npz").write_bytes(b"PK")
    said = call("report", finished)
    assert said.code == 4 and "val.npz: damaged" in said.err and said.err.count("\n") == 1
    assert not (finished / "report.html").exists()


def test_a_run_that_was_stopped_has_a_page(call, interrupted):
    assert call("report", interrupted).code == 0
    assert "This run is not finished: interrupted" in (interrupted / "report.html").read_text()


def test_data_that_are_gone_leave_the_table(call, folder_run, image_folder):
    assert call("report", folder_run).code == 0
    assert pictures((folder_run / "report.html").read_text()) > 0
    shutil.rmtree(image_folder)
    assert call("report", folder_run).code == 0
    page = (folder_run / "report.html").read_text()
    assert pictures(page) == 0 and "Without pictures: the data cannot be read here" in page
    assert "Images of the highest loss" in page


def test_a5_no_image_of_the_test_part_is_opened(call, folder_run, image_folder):
    parts = [line.split(",") for line in (folder_run / "split.csv").read_text().splitlines()[2:]]
    test = [name for name, part in parts if part == "test"]
    assert len(test) == 12
    for name in test:
        (image_folder / name).write_bytes(b"no image any more")
    assert call("report", folder_run).code == 0
    page = (folder_run / "report.html").read_text()
    assert pictures(page) > 0 and not any(name in page for name in test)


def test_hidden_names_have_no_pictures(call, image_folder, tmp_path):
    words = ("data=folder", f"data.root={image_folder}", "data.size=12", "model.width=4", "trainer.epochs=1")
    assert call("train", *words, "trainer.batch_size=16", "workers=0", "data.hash_ids=true").code == 0
    (folder,) = tmp_path.glob("outputs/run/*")
    assert call("report", folder).code == 0
    page = (folder / "report.html").read_text()
    assert pictures(page) == 0 and "data.hash_ids hides which images they are" in page
    assert ".png" not in page


@pytest.mark.slow
@pytest.mark.parametrize("folder_run", ["\"><img src=x onerror=alert(1)><script>document.title='x'<"], indirect=True)
def test_in_a_browser_a_hostile_class_is_inert_and_every_figure_drawn(call, folder_run, tmp_path):
    assert call("report", folder_run).code == 0
    found, console = seen(folder_run / "report.html", tmp_path, f"{{figures: {FIGURES}, title: document.title}}")
    assert console == []
    assert found["title"].startswith("Run run ")
    assert len(found["figures"]) == 7
    assert all(each["width"] > 300 and each["height"] > 200 and each["shapes"] > 0 for each in found["figures"])
