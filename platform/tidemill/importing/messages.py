"""What the importing process and its workers say to each other: a line of JSON each."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from tidemill.errors import EventLogError
from tidemill.importing.files import EventFile
from tidemill.importing.formats import Format
from tidemill.importing.mapping import EventMapping
from tidemill.importing.parts import Part
from tidemill.importing.preparing import Finished, Prepared, Work

Answer = Prepared | Finished | EventLogError


def write_work(work: Work) -> bytes:
    mapping = work.format.mapping
    return _line(
        {
            "log": str(work.log),
            "scratch": str(work.scratch),
            "format": work.format.name,
            "mapping": None if mapping is None else mapping.model_dump(mode="json"),
            "now": work.now.isoformat(),
        }
    )


def read_work(line: bytes) -> Work:
    found = orjson.loads(line)
    mapping = found["mapping"]
    return Work(
        Path(found["log"]),
        Path(found["scratch"]),
        Format(found["format"], None if mapping is None else EventMapping.model_validate(mapping)),
        datetime.fromisoformat(found["now"]),
    )


def write_part(number: int, part: Part) -> bytes:
    return _line({"number": number, **asdict(part)})


def read_part_of(line: bytes) -> tuple[int, Part]:
    found = orjson.loads(line)
    return found["number"], Part(EventFile(**found["file"]), found["start"], found["end"])


def write_answer(answer: Answer) -> bytes:
    if isinstance(answer, EventLogError):
        return _line({"message": answer.message, "hint": answer.hint})
    return _line(asdict(answer))


def read_answer(line: bytes) -> Answer:
    found = orjson.loads(line)
    if "message" in found:
        return EventLogError(found["message"], hint=found["hint"])
    return Finished(**found) if "unreadable" in found else Prepared(**found)


def _line(value: Any) -> bytes:
    return orjson.dumps(value) + b"\n"
