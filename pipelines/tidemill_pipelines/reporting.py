"""How a step tells the runner why it failed: one line on stdout, which both runners keep."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from tidemill.errors import NotReadyError, PipelineError, TidemillError

_MARK = "tidemill-error: "
_KINDS: dict[str, type[TidemillError]] = {"NotReadyError": NotReadyError}


@contextmanager
def reported() -> Iterator[None]:
    """Print an expected error as one machine-readable line, then let it fail the step."""
    try:
        yield
    except TidemillError as error:
        facts = {"kind": type(error).__name__, "message": error.message, "hint": error.hint}
        print(_MARK + json.dumps(facts), flush=True)
        raise


def read_error(line: str) -> TidemillError | None:
    """The error a line carries, if any."""
    _, found, text = line.partition(_MARK)
    if not found:
        return None
    facts = json.loads(text)
    return _KINDS.get(facts["kind"], PipelineError)(facts["message"], facts["hint"])
