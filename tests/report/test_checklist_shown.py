from cvrun.folder import RunFolder
from cvrun.report.checklist_shown import checklist_markdown, checklist_section, checklist_values
from cvrun.report.run_record import read_record
from tests.report.test_sweep import write


def test_m24_hostile_names_are_inert_and_links_are_quoted(tmp_path):
    path = write(tmp_path, "a", 0.9, option="<script>|x")
    record = read_record(RunFolder(path), [], None)
    markup = checklist_section(record, "claim", '../a b"><x').body[1].text
    assert "<script" not in markup and 'href="../a%20b%22%3E%3Cx/spec.yaml"' in markup
    text = checklist_markdown(record, "claim", ".")
    assert "](spec.yaml) |" in text and "\\<script\\>\\|x" in text
    assert len([line for line in text.splitlines() if line.startswith("| ")]) == 2 + 42
    values = checklist_values(record, "tripod")
    assert values["items"][0] == {
        "item": "1",
        "asks": "Title: a prediction model, its target and outcome",
        "answer": None,
        "file": None,
    }
