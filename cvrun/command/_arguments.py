"""Arguments of the commands that Hydra does not read."""

from __future__ import annotations

import argparse
from typing import NoReturn

from cvrun.errors import ConfigError


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(message, f"{self.prog} --help says more")


def parser_of(command: str, about: str | None) -> argparse.ArgumentParser:
    """Give a parser whose complaints are one line, as those of every other part are.

    Args:
        command: Such as "eval".
        about: The command's docstring.
    """
    return _Parser(f"cvrun {command}", description=about)
