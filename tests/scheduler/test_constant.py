from cvrun.scheduler import Span
from cvrun.scheduler.constant import Config, build


def test_the_rate_stays_at_the_peak() -> None:
    schedule = build(Config(warmup="0st", warmup_start=0.0), Span(50, 0, 10, 0.3))
    assert {schedule.lr(step) for step in range(50)} == {0.3}
