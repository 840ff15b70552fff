"""Several processes that train together through torch.distributed: how they join, talk, and end when one fails."""

from __future__ import annotations

import contextlib
import ctypes
import json
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from cvrun import dist
from cvrun.dist import ALONE, Together
from cvrun.errors import ConfigError, CvrunError, EndedElsewhereError
from cvrun.stopping import NUMBERS, stopped_by

PATIENCE = timedelta(minutes=30)
"""How long one rank waits for the others: what only one of them does, such as building a store, takes less."""

T = TypeVar("T")


class Ranks:
    """Several processes, of which this is one; see Together."""

    def __init__(self, store: Any) -> None:
        """Begin as the process group says; store is what all ranks see, also when some have ended."""
        self.rank, self.world = torch.distributed.get_rank(), torch.distributed.get_world_size()
        self.leads = self.rank == 0
        self.key: tuple[int, ...] = (self.rank,) if self.rank else ()
        self._store = store
        self._asked: tuple[Any, Tensor] | None = None

    def sum(self, values: Tensor) -> Tensor:
        """Give values added over the ranks, the same on each."""
        total = values.clone()
        torch.distributed.all_reduce(total)
        return total

    def keep(self, values: Tensor) -> Tensor:
        """Give values on the rank that leads and zeros on the others."""
        return values if self.leads else torch.zeros_like(values)

    def gather(self, value: T) -> list[T]:
        """Give what each rank has, in the order of the ranks."""
        found: list[Any] = [None] * self.world
        torch.distributed.all_gather_object(found, value)
        return found

    def first(self, make: Callable[[], T]) -> T:
        """Give what make gives on the rank that leads."""
        found: list[Any] = [make() if self.leads else None]
        torch.distributed.broadcast_object_list(found, src=0)
        value: T = found[0]
        return value

    def wait(self) -> None:
        """Wait until every rank is here."""
        self.sum(torch.zeros(1))

    def agreed(self, here: bool) -> bool:
        """Give whether any rank said so one call before."""
        before = self._asked
        flag = torch.tensor([int(here)])
        self._asked = torch.distributed.all_reduce(flag, torch.distributed.ReduceOp.MAX, async_op=True), flag
        if before is None:
            return False
        before[0].wait()
        return bool(before[1])

    def align(self, model: nn.Module) -> None:
        """Give every rank the buffers of the first."""
        for value in model.buffers():
            torch.distributed.broadcast(value, src=0)

    @contextlib.contextmanager
    def explaining(self) -> Iterator[None]:
        """Turn an error that another rank is to blame for into an EndedElsewhereError."""
        try:
            yield
        except EndedElsewhereError:
            raise
        except BaseException as error:
            if (blamed := self._blamed()) is not None and blamed["rank"] != self.rank:
                raise EndedElsewhereError(blamed["message"], blamed["code"]) from error
            if _is_silence(error):
                hint = "the same command again goes on from the last commit"
                raise CvrunError("another process of this run ended without a word", hint) from error
            raise

    @contextlib.contextmanager
    def confessing(self) -> Iterator[None]:
        """Let the other ranks know why this one ends, when an error leaves the block; the first to say so counts."""
        try:
            with self.explaining():
                yield
        except EndedElsewhereError:
            raise
        except BaseException as error:
            code = getattr(error, "exit_code", None) or stopped_by(error) or 1
            told = json.dumps({"rank": self.rank, "code": code, "message": str(error) or type(error).__name__})
            # Where the store has gone, the others learn of the end when the connection breaks.
            with contextlib.suppress(Exception):
                self._store.compare_set("ended", "", told)
            if (blamed := self._blamed()) is not None and blamed["rank"] != self.rank:
                raise EndedElsewhereError(blamed["message"], blamed["code"]) from error
            raise

    def _blamed(self) -> dict[str, Any] | None:
        """Give what the first rank to end in an error said, or None."""
        with contextlib.suppress(Exception):
            if self._store.check(["ended"]):
                found: dict[str, Any] = json.loads(self._store.get("ended"))
                return found
        return None


@contextlib.contextmanager
def joined(world: int, device: str) -> Iterator[Together]:
    """Give what this process needs to work with the others of a launcher, until the block ends.

    Args:
        world: Number of processes; 1 is a world without others.
        device: Of this process, such as "cuda:1".

    Raises:
        EndedElsewhereError: If another process ended in an error, which it has told of itself.
    """
    if world == 1:
        yield ALONE
        return
    with grouped(world, device) as ranks:
        yield ranks


@contextlib.contextmanager
def grouped(world: int, device: str) -> Iterator[Ranks]:
    """Give the ranks as joined does, also of a world of one."""
    _end_with_the_launcher()
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.set_device(device)
    dist.require_rank(world)
    # Numbers on the CPU go through gloo, so that they never wait for a GPU.
    backend = "cpu:gloo,cuda:nccl" if on_gpu else "gloo"
    with _killable():
        try:
            store, rank, _ = next(rendezvous("env://", timeout=PATIENCE))
        except ValueError as error:
            raise ConfigError(f"the launcher's variables are not whole ({error})", "torchrun sets them") from error
        torch.distributed.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=PATIENCE)
    ranks = Ranks(PrefixStore("cvrun", store))
    with ranks.confessing():
        yield ranks
        ranks.wait()
    torch.distributed.destroy_process_group()


@contextlib.contextmanager
def _killable() -> Iterator[None]:
    """Let signals end the process at once: it waits for the others outside of Python, and has begun nothing."""
    kept = {number: signal.signal(number, signal.SIG_DFL) for number in NUMBERS}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _is_silence(error: BaseException) -> bool:
    """Whether an error says that another process does not answer any more; gloo has no class of its own for it."""
    kinds = (torch.distributed.DistError, torch.distributed.DistBackendError)
    return isinstance(error, kinds) or (isinstance(error, RuntimeError) and "gloo" in str(error).lower())


def _end_with_the_launcher() -> None:
    """Ask the kernel for a SIGTERM when the launcher dies; nobody else would tell a process in its own session."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, int(signal.SIGTERM))
