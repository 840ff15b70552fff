"""Processes that train together, for tests: a fork server imports torch once, and each of them forks from it."""

import importlib.util
import inspect
import json
import multiprocessing
import os
import sys
import traceback
from multiprocessing import forkserver
from pathlib import Path

import torch

_context = multiprocessing.get_context("forkserver")
if forkserver._forkserver._forkserver_pid is None:
    # torch.nn.parallel imports torch._dynamo, which takes more than a second.
    _context.set_forkserver_preload(["cvrun.ranks", "torch.nn.parallel", "torch._dynamo", "pytest", "sklearn.metrics"])


def on_ranks(work, *arguments, world: int = 2, device: str = "cpu", seconds: float = 60) -> list:
    """Give what work(together, *arguments), a function of a test's file, gives on each rank, as JSON has it.

    Of a rank that raises it is "Type: message", of one that is killed None.
    """
    # Of this process, as a launcher's is: it is there when a rank has gone.
    store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    port, pipes = store.port, [_context.Pipe(duplex=False) for _ in range(world)]
    main = sys.modules["__main__"]
    kept = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    # A process would import what runs the tests.
    main.__spec__ = None
    if kept[1] is not None:
        del main.__file__
    given = (device, inspect.getfile(work), work.__name__, arguments)
    try:
        children = [_context.Process(target=_member, args=(r, world, port, pipes[r][1], *given)) for r in range(world)]
        for child in children:
            child.start()
    finally:
        main.__spec__ = kept[0]
        if kept[1] is not None:
            main.__file__ = kept[1]
    try:
        return [_answer(mine, theirs, seconds) for mine, theirs in pipes]
    finally:
        for child in children:
            child.kill()
            child.join()


def _answer(mine, theirs, seconds):
    theirs.close()
    assert mine.poll(seconds), "a rank does not answer"
    try:
        return json.loads(mine.recv())
    except EOFError:
        return None


def _member(rank, world, port, pipe, device, file, name, arguments):
    torch.set_num_threads(1)
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world))
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo")
    os.environ.update(TORCHELASTIC_USE_AGENT_STORE="True")
    sys.path.insert(0, str(Path(__file__).parent))
    from cvrun.ranks import grouped

    spec = importlib.util.spec_from_file_location("members", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    try:
        with grouped(world, device) as together:
            answer = getattr(module, name)(together, *arguments)
    except BaseException as error:
        if os.environ.get("CVRUN_TRACEBACK") == "1":
            traceback.print_exc()
        answer = f"{type(error).__name__}: {error}"
    pipe.send(json.dumps(answer))
    pipe.close()
    os._exit(0)
