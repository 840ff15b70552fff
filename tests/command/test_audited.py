"""The audit at the start of a run; tests/command/test_data.py has the errors and warnings that it gives."""

import dataclasses

import pytest

from cvrun.command._audited import audited
from cvrun.config import compose
from cvrun.dist import ALONE
from cvrun.prepare import prepare


@pytest.fixture
def prepared():
    return prepare(compose(["model.width=4", "trainer.epochs=1", "trainer.precision=fp32"]))


def judged(monkeypatch, lines):
    calls = []

    def judge(*arguments):
        calls.append(arguments)
        return lines

    monkeypatch.setattr("cvrun.audit.verdict.judge", judge)
    return calls


def test_warnings_join_those_of_the_plan(prepared, monkeypatch):
    calls = judged(monkeypatch, ("doubled",))
    found = audited(prepared, ALONE)
    assert found.plan.warnings == (*prepared.plan.warnings, "doubled")
    assert calls == [(prepared.manifest, prepared.split, prepared.plan.spec.settings.num_workers, 300.0, False)]


def test_one_of_several_processes_looks(prepared, monkeypatch):
    calls = judged(monkeypatch, ())

    class Second:
        def first(self, make):
            return ("what the first found",)

    assert audited(prepared, Second()).plan.warnings[-1] == "what the first found" and calls == []


def test_off_is_off(prepared, monkeypatch):
    calls = judged(monkeypatch, ("doubled",))
    spec = prepared.plan.spec
    off = dataclasses.replace(spec, settings=dataclasses.replace(spec.settings, audit=False))
    without = dataclasses.replace(prepared, plan=dataclasses.replace(prepared.plan, spec=off))
    assert audited(without, ALONE) is without and calls == []
