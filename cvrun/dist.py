"""What the processes that train together tell each other; one process alone has nobody to ask.

The trainer is given a `Together` and never asks how many there are: `ALONE` answers for one process, `Ranks` (ranks.py)
through torch.distributed. Every rank calls the same methods in the same order.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, TypeVar

from cvrun.errors import ConfigError

if TYPE_CHECKING:
    # One process needs no torch for it, and a command line is answered without.
    from torch import Tensor, nn

T = TypeVar("T")


class Together(Protocol):
    """The processes that train together.

    Attributes:
        rank: Of this one, in [0, world).
        world: How many there are.
        leads: Whether this one writes files and speaks to the user.
        key: What a draw that is to differ between ranks has in its key; nothing on the first, as in one process.
    """

    rank: int
    world: int
    leads: bool
    key: tuple[int, ...]

    def sum(self, values: Tensor) -> Tensor:
        """Give values added over the ranks, the same on each."""

    def keep(self, values: Tensor) -> Tensor:
        """Give values on the rank that leads and zeros on the others: the sum over the ranks is values."""

    def gather(self, value: T) -> list[T]:
        """Give what each rank has, in the order of the ranks, on each; of plain values and arrays."""

    def first(self, make: Callable[[], T]) -> T:
        """Give what make gives on the rank that leads; it is called there alone."""

    def wait(self) -> None:
        """Wait until every rank is here."""

    def agreed(self, here: bool) -> bool:
        """Give whether any rank said so one call before, the same on each; alone, whether it says so now.

        The answer is on its way while a step is computed, so asking costs next to nothing.
        """

    def align(self, model: nn.Module) -> None:
        """Give every rank the buffers of the first: the running statistics of BatchNorm differ until then."""

    def explaining(self) -> AbstractContextManager[None]:
        """Give a context in which an error that another rank is to blame for becomes an EndedElsewhereError."""


class _Alone:
    """One process; see Together."""

    rank, world, leads = 0, 1, True
    key: tuple[int, ...] = ()

    def sum(self, values: Tensor) -> Tensor:
        """Give values."""
        return values

    def keep(self, values: Tensor) -> Tensor:
        """Give values."""
        return values

    def gather(self, value: T) -> list[T]:
        """Give the one value."""
        return [value]

    def first(self, make: Callable[[], T]) -> T:
        """Give what make gives."""
        return make()

    def wait(self) -> None:
        """Do nothing."""

    def agreed(self, here: bool) -> bool:
        """Give here."""
        return here

    def align(self, model: nn.Module) -> None:
        """Do nothing."""

    def explaining(self) -> AbstractContextManager[None]:
        """Give a context that does nothing."""
        return contextlib.nullcontext()


ALONE: Together = _Alone()
"""One process."""


def launched_world_size() -> int | None:
    """Give the number of processes that a launcher such as torchrun says it started; None without a launcher.

    Raises:
        ConfigError: If WORLD_SIZE is not a number above 0.
    """
    text = os.environ.get("WORLD_SIZE")
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"WORLD_SIZE={text}: expected a whole number above 0", "unset it to run one process")
    return int(text)


def require_rank(world: int) -> None:
    """See that a launcher has said which process this is.

    Raises:
        ConfigError: If RANK is not one of the world's.
    """
    text = os.environ.get("RANK") or ""
    if not text.isdecimal() or int(text) >= world:
        raise ConfigError(f"RANK={text}: expected a whole number below WORLD_SIZE={world}", "torchrun sets both")


def local_rank() -> int:
    """Give the number of this process among those that a launcher started on this machine; 0 without a launcher."""
    text = os.environ.get("LOCAL_RANK") or os.environ.get("RANK") or "0"
    return int(text) if text.isdecimal() else 0
