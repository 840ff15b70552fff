import json
import time

import pytest
import yaml

from cvrun.errors import ConfigError
from cvrun.yamlfile import MAX_BYTES, MAX_DEPTH, check_text, check_texts, check_yaml, load_yaml


@pytest.fixture
def file(tmp_path):
    def write(content: str | bytes):
        path = tmp_path / "x.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def refused(path) -> str:
    start = time.monotonic()
    with pytest.raises(ConfigError) as caught:
        load_yaml(path)
    assert time.monotonic() - start < 1
    line = str(caught.value)
    assert line.startswith(str(path)) and "\n" not in line and len(line) < len(str(path)) + 300
    return line.removeprefix(str(path))


PLAIN = {
    "text": ["no", "12:30:00", "010", "x\u00e9", "", "2024-01-31", "*a", "!x", "${b}"],
    "numbers": [0, -3, 1.5e-7, 10**30, float("inf")],
    "others": {"a": None, "b": True, "c": [], "d": {}, "e": [[1], {"f": 2}]},
}


def test_what_was_dumped_comes_back(file):
    assert load_yaml(file(yaml.safe_dump(PLAIN, allow_unicode=True))) == PLAIN


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("a: &x {b: 1}\nc:\n  <<: *x\n  d: 2\n", {"a": {"b": 1}, "c": {"b": 1, "d": 2}}),
        ("a: [&x 1, *x, *x]\n", {"a": [1, 1, 1]}),
        ("a: 0\nb: 0x10\nc: 1_000\nd: 12:70\ne: 08\n", {"a": 0, "b": 16, "c": 1000, "d": "12:70", "e": "08"}),
        ("a: !!str 010\n", {"a": "010"}),
        ("[" * MAX_DEPTH + "]" * MAX_DEPTH, json.loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)),
    ],
)
def test_what_people_write_is_read(file, text, value):
    assert load_yaml(file(text)) == value


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
)


@pytest.mark.parametrize(
    ("content", "said"),
    {
        "bomb of aliases": (BOMB, ", line 5: not YAML that is read here (more than 100,000 values)"),
        "many values": ("- a\n" * 100_001, "(more than 100,000 values)"),
        "alias of a list in itself": ("a: &a [*a]\n", ", line 1: not YAML that is read here (*a stands inside"),
        "alias of a mapping in itself": ("a: &a\n  b:\n    c: *a\n", ", line 3: not YAML that is read here (*a stands"),
        "unknown alias": ("a: *b\n", "not YAML"),
        "brackets": ("[" * 400_000, "nested more than 32 deep"),
        "dashes": ("- " * 5000 + "x", "nested more than 32 deep"),
        "python": ("a: !!python/object/apply:os.system [ls]\n", "the tag tag:yaml.org,2002:python/object/apply:os"),
        "python name": ("!!python/name:os.system ''\n", "the tag tag:yaml.org,2002:python/name:os.system"),
        "python under another handle": (
            "%TAG !p! tag:yaml.org,2002:python/\n---\na: !p!name:os.system\n",
            "python/name",
        ),
        "own tag": ("a: !env HOME\n", "the tag !env"),
        "binary": ("a: !!binary aGk=\n", "the tag tag:yaml.org,2002:binary"),
        "key twice": ("a: 1\nb: 2\na: 3\n", ", line 3: not YAML that is read here (found duplicate key a)"),
        "key twice inside": (
            "a:\n  - {b: 1, 'b': 2}\n",
            ", line 2: not YAML that is read here (found duplicate key b)",
        ),
        "NUL": ("a: \x00\n", "not YAML"),
        "escape": ("a: \x1b[31m\n", "not YAML"),
        "not UTF-8": (b"a: \xff\n", ": not UTF-8 (byte 3)"),
        "large": ("#" * (MAX_BYTES + 1), ": larger than 1,048,576 bytes"),
        "time": (
            "a: 12:30:00\n",
            ", line 1: not YAML that is read here (12:30:00 is the number 45000 in YAML, quote it",
        ),
        "time with a fraction": ("a: 1:30.5\n", "1:30.5 is the number 90.5 in YAML"),
        "octal": ("a: 010\n", "010 is the number 8 in YAML"),
        "digits": (f"a: {'9' * 5000}\n", "a number of 5,000 digits"),
        "no such date": ("a: 2024-13-45\n", "not YAML"),
        "open bracket": ("a: [1\n", ", line 2: not YAML"),
        "two documents": ("a: 1\n---\na: 2\n", "not YAML"),
        "key that is a list": ("? [a]\n: b\n", "not YAML"),
    }.values(),
    ids=range(26),
)
def test_hostile_files_are_one_line_within_a_second(file, content, said):
    assert said in refused(file(content))


def test_the_line_is_printable(file):
    assert refused(file(b'a: !x%1B%5B31m y\nb: "\\e"\n')).isprintable()


def test_a_folder_and_a_missing_file(tmp_path):
    with pytest.raises(ConfigError, match="not a file"):
        load_yaml(tmp_path)
    with pytest.raises(FileNotFoundError):
        load_yaml(tmp_path / "x")


def test_the_number_of_values_is_that_of_the_caller():
    check_yaml("[1, 2, 3]", "x", max_nodes=5)
    with pytest.raises(ConfigError, match="more than 3 values"):
        check_yaml("[1, 2, 3]", "x", max_nodes=3)


@pytest.mark.parametrize(
    "name",
    [
        "HF_TOKEN",
        "WANDB_API_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "DB_PASSWORD",
        "password",
        "MyCredentials",
        "KEY",
        "GITHUBTOKEN",
    ],
)
@pytest.mark.parametrize("text", ["${{oc.env:{}}}", "a${{ oc.env : {} }}b", "${{oc.env:'{}'}}", "${{oc.env:{},x}}"])
def test_variables_with_the_name_of_a_secret_are_refused(name, text):
    with pytest.raises(ConfigError, match=rf"^model.weights: takes the environment variable '?{name}'?, whose name"):
        check_texts({"model": {"weights": text.format(name)}})
    with pytest.raises(ConfigError, match=f"{name}'?, whose name is that of a secret"):
        check_texts(["a", {text.format(name): 1}])


@pytest.mark.parametrize(
    "text",
    ["${oc.env:HOME}/x", "${oc.env:DATA_ROOT,/data}", "${oc.env:MONKEY}", "${oc.env:KEYBOARD}", "${name}-${seed}"],
)
def test_other_interpolations_are_fine(text):
    check_text(text, "name")


@pytest.mark.parametrize(
    "text", ["${oc.env:${name}}", "${oc.${name}:X}", "${${name}:HF_TOKEN}", "${oc.decode:${oc.env:X}}"]
)
def test_interpolations_that_could_hide_a_name_are_refused(text):
    with pytest.raises(ConfigError, match="^name: an interpolation inside another"):
        check_text(text, "name")


def test_interpolations_that_double_a_text_are_few():
    check_texts({f"a{i}": "${name}" for i in range(100)} | {"b": "${a}" * 20})
    with pytest.raises(ConfigError, match="^spec.yaml: more than 20 interpolations"):
        check_texts({"a": "${b}${b}" * 5, "b": "${c}${c}" * 6}, "spec.yaml: ")
