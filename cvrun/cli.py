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
    from cvrun.stopping import ending, ignore
    from cvrun.streams import drop, open_closed

    open_closed()
    code = 0
    try:
        try:
            # From the first moment: a command takes seconds to import what it needs.
            with ending():
                code = _dispatch(sys.argv[1:] if argv is None else list(argv))
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        _say("cvrun: interrupted")
        code = 130
    except BrokenPipeError:
        # The reader of standard output has gone; nothing more can be said there.
        drop(sys.stdout)
    except OSError as error:
        drop(sys.stdout)
        _say(f"cvrun: standard output: cannot be written ({error.strerror or error})")
        code = code or 7
    if argv is None:
        # The process is about to end, with the code that its work has.
        ignore()
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        drop(sys.stderr)
    return code


def _dispatch(words: list[str]) -> int:
    if not words:
        _say(usage().rstrip("\n"))
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

        from cvrun.errors import printable

        near = difflib.get_close_matches(name, commands(), n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        _say(f"cvrun: {printable(name)}: unknown command, expected one of {', '.join(commands())}{hint}")
        return 2
    return _call(name, rest)


def _call(name: str, rest: list[str]) -> int:
    """Call `run(rest)` of the command's module; errors for the user become one line and their exit code."""
    import importlib

    from cvrun.errors import CvrunError, EndedElsewhereError, printable
    from cvrun.stopping import stopped_by
    from cvrun.streams import without_reader

    try:
        return int(importlib.import_module(f"cvrun.command.{name}").run(rest))
    except EndedElsewhereError as error:
        # The other process has said so.
        code = error.exit_code
    except CvrunError as error:
        if stopped := stopped_by(error):
            return stopped
        _say(f"cvrun {name}: {error}")
        code = error.exit_code
    except KeyboardInterrupt:
        _say(f"cvrun {name}: interrupted")
        code = 130
    except Exception as error:
        # A process of ours whose pipe broke is another matter.
        if isinstance(error, BrokenPipeError) and without_reader(sys.stdout):
            raise
        if stopped := stopped_by(error):
            return stopped
        line = printable(" ".join(f"{error}".split()))
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            _say(f"cvrun {name}: {line}")
            return 7
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


def _print(text: str) -> int:
    sys.stdout.write(text)
    return 0


def _say(line: str) -> None:
    """Say why the command ends; with CVRUN_TRACEBACK=1 also where the error that is being handled came from."""
    from cvrun.streams import tell

    tell(line)
    if os.environ.get("CVRUN_TRACEBACK") == "1":
        import traceback

        tell(traceback.format_exc().rstrip("\n"))
