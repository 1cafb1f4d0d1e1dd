"""What people have confirmed, kept for good: who, when, what and why, one JSON object a line."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from tidemill.errors import TidemillError
from tidemill.home import Home
from tidemill.objective import Objective

_VALID_FOR = timedelta(days=365)
_LONGEST = {"by": 200, "note": 2000}


@dataclass(frozen=True)
class Confirmation:
    """One test, done by hand, by one person."""

    test: str
    by: str
    note: str
    """What was done, and where the result can be read."""
    at: datetime
    objective_hash: str
    """Of the objective as it was declared then."""

    def holds(self, objective: Objective, now: datetime) -> bool:
        """For the objective it was said of, for a year."""
        return self.objective_hash == objective.hash and now - self.at <= _VALID_FOR


def confirm(
    home: Home, objective: Objective, test: str, by: str, note: str, now: datetime
) -> Confirmation:
    """Append a confirmation. Raises TidemillError for one without a name or a note, or when it
    cannot be written."""
    for option, text in (("by", by), ("note", note)):
        if not 0 < len(text.strip()) <= _LONGEST[option]:
            raise TidemillError(
                f"--{option} has {len(text.strip())} characters",
                hint=f"a confirmation needs --by and --note; --{option} has at most "
                f"{_LONGEST[option]:,}",
            )
    made = Confirmation(test, by.strip(), note.strip(), now, objective.hash)
    path = home.confirmations(objective.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _append(str(path), json.dumps({**asdict(made), "at": now.isoformat()}))
    except OSError as error:
        raise TidemillError(
            f"the confirmation cannot be kept in {path}: {error.strerror}",
            hint="check that TIDEMILL_HOME is writable and its disk has room",
        ) from error
    return made


def confirmations(home: Home, objective: str) -> list[Confirmation]:
    """All of them, oldest first. Raises TidemillError for a line that is none."""
    path = home.confirmations(objective)
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            found.append(_parse(json.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            raise TidemillError(
                f"{path}:{number} is not a confirmation: {line[:80]}",
                hint="the file is only ever appended to; restore it, or remove that line",
            ) from error
    return found


def newest_holding(
    found: list[Confirmation], objective: Objective, now: datetime
) -> Mapping[str, Confirmation]:
    """The newest confirmation of each test that still holds."""
    return {each.test: each for each in found if each.holds(objective, now)}


def _append(path: str, line: str) -> None:
    """Whole and on the disk; a line that was cut off by a crash is ended first."""
    with open(path, "a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            file.write(b"" if file.read(1) == b"\n" else b"\n")
        file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _parse(fields: Mapping[str, str]) -> Confirmation:
    return Confirmation(
        test=fields["test"],
        by=fields["by"],
        note=fields["note"],
        at=datetime.fromisoformat(fields["at"]),
        objective_hash=fields["objective_hash"],
    )
