"""Keeps concerns apart: one that cannot be judged says so, and costs the others nothing."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence

from rich.markup import escape

from tidemill.errors import TidemillError
from tidemill_monitoring.verdicts import Concern, Status, Verdict

_FAILED = "failed_with"
"""Key of the evidence of a concern whose check failed."""

Log = Callable[[str], None]


def judged(concern: Concern, check: Callable[[], Verdict], log: Log) -> Verdict:
    """What the check says, or an undecided verdict with the reason why it could not."""
    (verdict,) = judged_together((concern,), lambda: (check(),), log)
    return verdict


def judged_together(
    concerns: Sequence[Concern], check: Callable[[], tuple[Verdict, ...]], log: Log
) -> tuple[Verdict, ...]:
    """As `judged`, for a check that answers for several concerns at once."""
    try:
        return check()
    except Exception as error:  # whatever the data did to one check, the others still count
        log(escape(f"{concerns[0].value} could not be judged: {type(error).__name__}: {error}"))
        return tuple(_undecided(concern, error) for concern in concerns)


def fail_if_all_failed(verdicts: Sequence[Verdict], objective: str) -> None:
    """Raises TidemillError when not a single check could be run: that is no verdict."""
    failures = [verdict.evidence.get(_FAILED) for verdict in verdicts]
    if not all(failures):
        return
    raise TidemillError(
        f"none of {len(failures)} concerns of '{objective}' could be judged; the first: "
        f"{failures[0]}",
        hint="check that the home's event log, served model and prediction log can be read",
    )


def _undecided(concern: Concern, error: Exception) -> Verdict:
    sentence = f"Could not be judged: {error}"
    if not isinstance(error, TidemillError):
        sentence = f"Could not be judged: {type(error).__name__}: {error}"
    hint = error.hint if isinstance(error, TidemillError) else None
    if hint:
        sentence += f"; {hint}"
    place = traceback.extract_tb(error.__traceback__)[-1]
    evidence = {
        _FAILED: f"{type(error).__name__}: {error}",
        "raised_in": f"{place.name}, line {place.lineno} of {place.filename.rpartition('/')[2]}",
    }
    return Verdict(concern, Status.UNDECIDED, f"{sentence.rstrip('.')}.", evidence)
