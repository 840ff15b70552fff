"""`cvrun COMMAND ...`: finds the command's module and calls it; imports nothing heavy."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

_COMMANDS = Path(__file__).resolve().parent / "command"


def commands() -> dict[str, str]:
    """Give the commands: name -> first line of the docstring of `cvrun/command/NAME.py`, read without importing."""
    found = {}
    for path in sorted(_COMMANDS.glob("[!_]*.py")):
        with path.open() as file:
            found[path.stem] = file.readline().strip().strip('"')
    return found


def usage() -> str:
    """Give the help page."""
    rows = "\n".join(f"  {name:<9} {line}" for name, line in commands().items())
    return (
        "usage: cvrun COMMAND [ARGUMENT ...]\n\n"
        f"commands:\n{rows}\n\n"
        "`cvrun COMMAND --help` says more; `cvrun options` lists what train and check can be given.\n"
    )


def main(argv: list[str] | None = None) -> int:
    """Run a command; give the exit code of the process.

    Args:
        argv: The words after `cvrun`; None takes those of the process.
    """
    try:
        try:
            return _dispatch(sys.argv[1:] if argv is None else list(argv))
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        # The reader of standard output has gone; nothing more can be said there.
        _drop_output()
        return 0
    except OSError as error:
        _drop_output()
        _say(f"cvrun: the output cannot be written ({error.strerror or error})")
        return 7


def _dispatch(words: list[str]) -> int:
    if not words:
        sys.stderr.write(usage())
        return 2
    name, rest = words[0], words[1:]
    if name in ("-h", "--help", "help"):
        return _print(usage())
    if name in ("-V", "--version"):
        from cvrun import __version__

        return _print(f"cvrun {__version__}\n")
    if name in ("-sc", "--shell-completion"):
        name, rest = "train", ["-sc", *rest]
        if not _completes_overrides(rest):
            return 0
    if name not in commands():
        import difflib

        near = difflib.get_close_matches(name, commands(), n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        sys.stderr.write(f"cvrun: {name}: unknown command, expected one of {', '.join(commands())}{hint}\n")
        return 2
    return _call(name, rest)


def _call(name: str, rest: list[str]) -> int:
    """Call `run(rest)` of the command's module; errors for the user become one line and their exit code."""
    import importlib

    from cvrun.errors import CvrunError

    try:
        return int(importlib.import_module(f"cvrun.command.{name}").run(rest))
    except CvrunError as error:
        _say(f"cvrun {name}: {error}")
        code = error.exit_code
    except KeyboardInterrupt:
        _say(f"cvrun {name}: interrupted")
        code = 130
    except BrokenPipeError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        line = " ".join(f"{error}".split())
        _say(f"cvrun {name}: internal error, {type(error).__name__}: {line}; CVRUN_TRACEBACK=1 shows where")
        code = 1
    return code


def _completes_overrides(rest: list[str]) -> bool:
    """Complete the command's name here; otherwise leave the words behind it to Hydra, as if they stood alone."""
    if any(word.startswith(("install", "uninstall")) for word in rest):
        return True
    words = os.environ.get("COMP_LINE", "").split(" ")
    if len(words) <= 2:
        print(" ".join(commands()))
        return False
    os.environ["COMP_LINE"] = " ".join([words[0], *words[2:]])
    return words[1] in ("train", "check")


def _drop_output() -> None:
    """Let what is still to be written go nowhere, so that Python does not fail on it when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print(text: str) -> int:
    sys.stdout.write(text)
    return 0


def _say(line: str) -> None:
    """Say why the command ends; with CVRUN_TRACEBACK=1 also where the error that is being handled came from."""
    sys.stderr.write(f"{line}\n")
    if os.environ.get("CVRUN_TRACEBACK") == "1":
        import traceback

        traceback.print_exc()
