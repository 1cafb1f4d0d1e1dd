"""What one check of an assessment found: what was seen, why it matters, what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast

import orjson

Level = Literal["ok", "warning", "blocking", "cannot say"]


@dataclass(frozen=True)
class Finding:
    """The answer of one check."""

    check: str
    """Its name, lower-case words joined by '-'; a check may find several things."""
    level: Level
    """`blocking` makes the objective not ready, `warning` ready with warnings. `cannot say` is a
    check that had too little to go by: it is shown and changes no verdict."""
    seen: str
    """One sentence with the numbers."""
    why: str
    """Why it matters, one sentence."""
    do: str
    """What to do about it; empty where nothing is to be done."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The numbers."""

    def to_json(self) -> dict[str, Any]:
        """Plain values alone: what is not finite becomes None."""
        packed = orjson.dumps(asdict(self), option=orjson.OPT_SERIALIZE_NUMPY)
        return cast(dict[str, Any], orjson.loads(packed))


def ok(check: str, seen: str, why: str, **facts: Any) -> Finding:
    """Sound; nothing is to be done."""
    return Finding(check, "ok", seen, why, "", facts)


def warning(check: str, seen: str, why: str, do: str, **facts: Any) -> Finding:
    """Training may go ahead, and somebody should look at this."""
    return Finding(check, "warning", seen, why, do, facts)


def blocking(check: str, seen: str, why: str, do: str, **facts: Any) -> Finding:
    """Nothing that would be trained deserves trust before this is mended."""
    return Finding(check, "blocking", seen, why, do, facts)


def cannot_say(check: str, seen: str, why: str, do: str = "", **facts: Any) -> Finding:
    """Too little to judge by."""
    return Finding(check, "cannot say", seen, why, do, facts)
