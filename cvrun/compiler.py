"""`compile=true`: models in torch.compile, their class and the names of their weights unchanged."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator

from torch import nn

from cvrun.errors import ConfigError
from cvrun.pipeline import Batch

CPU_WARNING = "compile=true: on a CPU it costs up to minutes and gains a few percent at most"


def require_compiler(device: str) -> None:
    """See that what torch.compile generates can be built for device.

    Raises:
        ConfigError: If the compiler is missing.
    """
    # What torch's code generators call: Inductor CXX or g++, Triton CC, gcc or clang.
    variable, known = ("CXX", ("g++",)) if device == "cpu" else ("CC", ("gcc", "clang", "cc"))
    named = os.environ.get(variable)
    names = (named,) if named else known
    if not any(shutil.which(name) for name in names):
        message = f"compile=true: no compiler, expected {' or '.join(names)}"
        raise ConfigError(message, f"install one or name it in {variable}, or compile=false")
    if device != "cpu":
        from torch.utils._triton import has_triton

        if not has_triton():
            raise ConfigError(f"compile=true: triton is missing or does not know {device}", "compile=false")


def compile_models(models: Iterable[nn.Module]) -> None:
    """Have each model compiled at its first call, and again for each further size of batch.

    A size has a program of its own, so that which sizes came before, as in a run that goes on, changes no bit.
    """
    for model in models:
        model.compile(dynamic=False)


def telling(batches: Callable[[int], Iterator[Batch]], say: Callable[[str], None]) -> Callable[[int], Iterator[Batch]]:
    """Give batches, with a line on how long the work on the first one took, which is when the model is compiled."""

    def told(start: int) -> Iterator[Batch]:
        rest = batches(start)
        for batch in rest:
            began = time.monotonic()
            yield batch
            say(f"compiled the model: the first step took {time.monotonic() - began:.1f} s")
            break
        yield from rest

    return told
