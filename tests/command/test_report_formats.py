import json
import re

import pytest

from tests.report.test_sweep import write


def test_json_of_a_run_and_of_a_folder_is_one_document(tmp_path, call):
    path = write(tmp_path, "a", None, lr=0.1)
    write(tmp_path, "b", 0.5, lr=0.2)
    run = json.loads(call("report", path, "--format", "json").out)
    assert run["score"] is None and run["monitor"] == "val/accuracy" and run["state"] == "finished"
    found = json.loads(call("report", tmp_path, "--format", "json").out)
    assert found["picked_from"] == 1 and found["varying"] == ["optimizer.lr"] and found["best"].endswith("exp/b")


def test_markdown_is_printed_or_written_and_replaces_nothing_unasked(tmp_path, call):
    path = write(tmp_path, "a", 0.5, lr=0.1)
    printed = call("report", path, "--format", "md")
    assert printed.code == 0 and printed.out.startswith("# Run exp a\n") and not (path / "report.html").exists()
    file = tmp_path / "r.md"
    assert call("report", path, "--format", "md", "--output", file).out == f"{file}\n"
    assert file.read_text() == printed.out
    refused = call("report", path, "--format", "md", "--output", file)
    assert refused.code == 2 and "--force" in refused.err
    assert call("report", path, "--format", "md", "--output", file, "--force").code == 0
    assert call("report", path, "--format", "md", "--output", tmp_path).code == 2
    assert call("report", tmp_path, "--format", "md").out.startswith("# Runs below")


@pytest.mark.parametrize("name", ["claim", "tripod"])
def test_m24_every_item_that_a_real_run_fills_links_to_a_file_that_is_there(tmp_path, call, name):
    assert call("train", "+exp=digits", "trainer.epochs=1").code == 0
    (path,) = (each.parent for each in tmp_path.rglob("spec.yaml"))
    file = tmp_path / "elsewhere.md"
    assert call("report", path, "--checklist", name, "--output", file).code == 0
    rows = [line.split(" | ") for line in file.read_text().splitlines() if re.match(r"\| \d", line)]
    filled = [row for row in rows if row[2] != "author"]
    assert len(filled) >= 12 and len(filled) < len(rows)
    for row in filled:
        assert (file.parent / re.search(r"\]\((.*)\)", row[3]).group(1)).is_file()
    assert all("](" not in row[3] for row in rows if row[2] == "author")
    assert call("report", path, "--checklist", name, "--format", "html").code == 0
    page = (path / "report.html").read_text()
    links = re.findall(r'<a href="([^"#]+)">', page)
    assert len(links) == len(filled) and all((path / link).is_file() for link in links)
    found = json.loads(call("report", path, "--checklist", name, "--format", "json").out)
    assert sum(item["file"] is not None for item in found["items"]) == len(filled)


def test_a_checklist_is_that_of_one_run(tmp_path, call):
    write(tmp_path, "a", 0.5, lr=0.1)
    for form in ("md", "html"):
        said = call("report", tmp_path, "--checklist", "claim", "--format", form)
        assert said.code == 2 and "not a run" in said.err
