from cvrun.logger import Header
from cvrun.logger._silent import Silent


def test_it_takes_everything_and_says_nothing(capfd):
    silent = Silent()
    silent.open(Header((), 0, 0, 1, 1, 1, "val/loss"))
    silent.advance(1)
    silent.write({"step": 1})
    silent.say("a line")
    silent.sync()
    silent.close()
    assert capfd.readouterr() == ("", "")
