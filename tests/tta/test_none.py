from cvrun.tta.none import Config, build


def test_there_is_nothing_to_do() -> None:
    assert not build(Config())
    assert build(Config()).views == ()
