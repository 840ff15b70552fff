import pytest

from cvrun.logger import Header


@pytest.fixture
def header():
    """A header of a run of 12 steps; the step at which this process starts can be given."""

    def header(step=0, lines=(("run", "outputs/run/1"), ("model", "convnet")), evaluated=None):
        return Header(lines, step, step if evaluated is None else evaluated, 12, 4, 300, "val/macro_f1")

    return header
