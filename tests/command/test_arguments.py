import pytest

from cvrun.command._arguments import parser_of
from cvrun.errors import ConfigError


def test_a_complaint_is_one_line_with_exit_code_2():
    parser = parser_of("eval", "About.")
    parser.add_argument("run")
    with pytest.raises(ConfigError, match="required: run; cvrun eval --help says more") as caught:
        parser.parse_args([])
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_help_is_for_standard_output(capsys):
    with pytest.raises(SystemExit) as caught:
        parser_of("eval", "About.").parse_args(["--help"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("usage: cvrun eval")
