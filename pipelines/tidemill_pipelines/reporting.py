"""How a step tells why it failed: the runner by a line on stdout, which both runners keep, and
everybody else by the outcome in the registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from tidemill.errors import NotReadyError, PipelineError, TidemillError
from tidemill_pipelines.orphans import end_with_the_run
from tidemill_pipelines.outcomes import record_failure

_MARK = "tidemill-error: "
_KINDS: dict[str, type[TidemillError]] = {"NotReadyError": NotReadyError}


@contextmanager
def reported(home: str, objective: str) -> Iterator[None]:
    """Print an expected error as one machine-readable line, record any, and let it fail the step.

    A step of a local run ends with it. `home` is the state folder, `objective` the objective as
    JSON.
    """
    end_with_the_run()
    try:
        yield
    except Exception as error:  # whatever ended the step is recorded, then raised again
        if isinstance(error, TidemillError):
            facts = {"kind": type(error).__name__, "message": error.message, "hint": error.hint}
            print(_MARK + json.dumps(facts), flush=True)
        record_failure(home, objective, error)
        raise


def read_error(line: str) -> TidemillError | None:
    """The error a line carries, if any."""
    _, found, text = line.partition(_MARK)
    if not found:
        return None
    facts = json.loads(text)
    return _KINDS.get(facts["kind"], PipelineError)(facts["message"], facts["hint"])
