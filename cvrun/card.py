"""Where the data come from: the file that data.card names, kept with the run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from cvrun.errors import ConfigError, DataError, did_you_mean, printable
from cvrun.yamlfile import load_yaml

REQUIRED = ("source", "licence", "date")
"""What a card has to say; it may say more."""

COPY = "data_card.yaml"
"""Of a run's folder."""

_KEY = "data.card"


@dataclass(frozen=True)
class Card:
    """What is known of where the data come from.

    Attributes:
        values: Each key of the card -> its text, in the order of the file.
        content: The file.
    """

    values: dict[str, str]
    content: bytes

    def line(self) -> str:
        """Give the required three for a person."""
        return "; ".join(f"{name} {printable(self.values[name])}" for name in REQUIRED)


def read_card(file: str | None, copy: Path) -> Card | None:
    """Give the card of the data, or None where the user names none.

    Args:
        file: What data.card says.
        copy: That of a run that is there; it is taken where the file has gone.

    Raises:
        DataError: If it cannot be read, is no mapping of keys to texts, or lacks one of REQUIRED.
    """
    if file is None:
        return None
    path = Path(file).expanduser()
    path = path if path.exists() or not copy.is_file() else copy
    try:
        content = load_yaml(path)
        raw = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{_KEY}={file}: cannot be read ({reason}), expected a YAML file") from error
    except ConfigError as error:
        raise DataError(f"{_KEY}={file}: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{_KEY}={file}: expected keys with texts, such as source: URL")
    values = {}
    for key, value in content.items():
        # YAML makes a date of 2026-11-27.
        if not isinstance(value, str | date) or not str(value).strip():
            raise DataError(f"{_KEY}={file}: {key}={value}: expected a text", "quotes make one of a number")
        values[str(key)] = str(value)
    for name in REQUIRED:
        if name not in values:
            hint = did_you_mean(name, values) or f"write {name}: ..."
            raise DataError(f"{_KEY}={file}: {name} is missing, expected {', '.join(REQUIRED)}", hint)
    return Card(values, raw)
