from cvrun.early_stopping.never import Config, build


def test_a_flat_score_does_not_stop_it() -> None:
    stopper = build(Config(), "max")
    for epoch in range(1, 1000):
        stopper.update(False, 0.0, float(epoch))
    assert stopper.stopped is False
    assert stopper.state_dict() == {}
