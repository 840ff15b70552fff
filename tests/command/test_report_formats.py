import json

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
