"""A call to a server that may take only so long: time limits of libraries do not hold for all that they do."""

from __future__ import annotations

import threading
from collections.abc import Callable

from cvrun.stopping import start


def within(seconds: float, call: Callable[[], object]) -> Exception | None:
    """Give what call raised, or a TimeoutError if it has not returned after seconds; None when it returned.

    The time limits of the libraries hold for each address of a host, and not for finding the addresses.
    """
    outcome: list[Exception] = []

    def work() -> None:
        try:
            call()
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=work, daemon=True)
    start(thread)
    thread.join(seconds)
    if thread.is_alive():
        return TimeoutError(f"no answer within {seconds:g} s")
    return outcome[0] if outcome else None
