import os
from html.parser import HTMLParser

import pytest

from cvrun.errors import ConfigError
from cvrun.report import page
from cvrun.report.page import Html, Section

HOSTILE = """</td><script>alert("1")</script><img src=x onerror='alert(2)'>"&\x1b[31m"""


class Tags(HTMLParser):
    """Every tag with its attributes, and the text that is shown."""

    def __init__(self, markup):
        super().__init__()
        self.tags, self.shown, self.open = [], "", []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.shown += data


def named(markup, tag):
    return [attributes for name, attributes in Tags(markup).tags if name == tag]


def whole(*body):
    return page.page("A title", [page.paragraph("Lead")], [Section("one", "One", body)], "made by a test")


def test_hostile_text_is_inert_everywhere():
    body = [
        page.paragraph(HOSTILE, HOSTILE),
        page.heading(HOSTILE),
        page.code_block(HOSTILE),
        page.folded(HOSTILE, [page.paragraph(HOSTILE)]),
        page.table(
            HOSTILE, [HOSTILE, HOSTILE], [[HOSTILE, HOSTILE], [HOSTILE, page.shaded(HOSTILE, 3)]], sortable=True
        ),
    ]
    made = page.page(HOSTILE, [page.paragraph(HOSTILE)], [Section("one", HOSTILE, body)], HOSTILE)
    assert len(named(made, "script")) == 1
    assert named(made, "img") == []
    assert not any(name.startswith("on") for _, attributes in Tags(made).tags for name in attributes)
    assert "\x1b" not in made
    # Around the body 6: title, heading, lead, contents, section, footer; 5 parts; of the table 7.
    assert Tags(made).shown.count('<script>alert("1")</script>') == 18


def test_a_page_is_well_formed_and_has_landmarks_and_headings():
    read = Tags(whole(page.table("Things", ["a", "b"], [["x", "1"]], right=(1,))))
    assert read.open == []
    names = [name for name, _ in read.tags]
    assert [names.count(name) for name in ("h1", "main", "header", "nav", "footer", "caption")] == [1] * 6
    assert [attributes["scope"] for name, attributes in read.tags if name == "th"] == ["col", "col", "row"]
    assert dict(read.tags)["html"]["lang"] == "en"


def test_a_page_forbids_what_is_remote_and_scripts_but_its_own():
    (policy,) = [a["content"] for a in named(whole(), "meta") if a.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'" and rules["img-src"] == "data:"
    assert rules["script-src"].startswith("'sha256-") and rules["style-src"].startswith("'sha256-")
    assert "unsafe" not in policy and "http" not in policy


def test_a_shaded_cell_is_one_cell():
    made = page.table("t", ["a", "b"], [["x", page.shaded("7", 4, own=True)]])
    assert named(made.text, "td") == [{"class": "right heat4 self"}]


def test_a_page_replaces_a_page_and_nothing_else(tmp_path):
    path = tmp_path / "new" / "report.html"
    page.write_page(path, whole())
    page.write_page(path, whole(Html("<p>again</p>")))
    assert "again" in path.read_text()
    other = tmp_path / "mine.html"
    other.write_text("<p>my own work</p>")
    with pytest.raises(ConfigError, match="not a page of cvrun report; --force"):
        page.write_page(other, whole())
    assert other.read_text() == "<p>my own work</p>"
    page.write_page(other, whole(), force=True)
    assert "made by a test" in other.read_text()
    with pytest.raises(ConfigError, match="is a folder"):
        page.write_page(tmp_path, whole(), force=True)


def test_a_long_name_breaks_behind_an_underscore_or_a_slash():
    made = page.table("t", ["a"], [["mean_average_precision"], ["images/<b>_1.jpg"], ["_"]]).text
    assert "mean_<wbr/>average_<wbr/>precision" in made and "images/<wbr/>&lt;b&gt;_<wbr/>1.jpg" in made
    assert Tags(made).shown.count("mean_average_precision") == 1


def test_a_pipe_is_neither_waited_for_nor_replaced(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    for force in (False, True):
        with pytest.raises(ConfigError, match="is no file"):
            page.write_page(path, whole(), force=force)


def test_a_name_of_thousands_of_letters_is_cut_and_whole_in_its_title():
    name = "x" * 3999 + '"'
    made = page.table("Images", ["class", name], [[name, name], ["a" * 64, "word " * 100]]).text
    spans = named(made, "span")
    assert [each["title"] for each in spans] == [name] * 3
    shown = Tags(made).shown
    assert shown.count("x" * 57 + "...") == 3 and "x" * 61 not in shown
    # A digest, and a text that breaks by itself.
    assert "a" * 64 in shown and "word " * 100 in shown
