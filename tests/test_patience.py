import threading

from cvrun.patience import within


def test_what_returns_in_time_is_no_error() -> None:
    done = []
    assert within(60, lambda: done.append(1)) is None
    assert done == [1]


def test_an_error_is_given_back() -> None:
    error = ValueError("no")

    def call() -> None:
        raise error

    assert within(60, call) is error


def test_what_does_not_return_is_a_timeout() -> None:
    end = threading.Event()
    found = within(0.01, end.wait)
    end.set()
    assert isinstance(found, TimeoutError)
    assert str(found) == "no answer within 0.01 s"
