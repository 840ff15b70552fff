import base64

from cvrun.report.run_errors import errors
from cvrun.report.run_record import Case, Looked, RunRecord

BAD = '"><img src=x onerror=alert(1)>'


def section(worst, confident, why=""):
    looked = Looked(1234, [], [], len(confident), worst, confident, why)
    return "".join(part.text for part in errors(RunRecord("r", {}, {}, [], {}, [], [], "", looked)).body)


def test_cases_are_shown_with_their_pictures():
    case = Case("a.png", "cat", "dog", 0.125, 0.75, 2.0794, b"PNG")
    text = section([case], [case])
    assert text.count(f'src="data:image/png;base64,{base64.b64encode(b"PNG").decode()}"') == 2
    assert all(value in text for value in ("a.png", "cat", "dog", "0.1250", "0.7500", "2.0794", "1 of 1,234"))


def test_without_pictures_the_table_stays_and_the_reason_is_said():
    text = section([Case(BAD, BAD, BAD, 0.1, 0.8, 2.3)], [], "the data are gone")
    assert "Without pictures: the data are gone." in text and "There is no error." in text
    assert "<img" not in text and "picture</th>" not in text


def test_a_run_without_predictions_says_so():
    found = errors(RunRecord("r", {}, {}, [], {}, [], [], "", None))
    assert "no predictions" in found.body[0].text


def test_m19_missed_and_false_calls_of_a_class_have_tables_where_there_are_any():
    case = Case("a.png", BAD, "dog", 0.125, 0.75, 2.0794, b"PNG")
    looked = Looked(10, [], [], 1, [case], [case], "", calls={BAD: ([case], []), "dog": ([], [case]), "owl": ([], [])})
    text = "".join(part.text for part in errors(RunRecord("r", {}, {}, [], {}, [], [], "", looked)).body)
    assert text.count("missed (FN), the least probable first</caption>") == 1
    assert text.count("dog falsely called (FP), the most probable first</caption>") == 1
    assert "owl" not in text and "<img src=x" not in text
