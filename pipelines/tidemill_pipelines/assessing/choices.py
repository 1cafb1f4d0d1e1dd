"""Is there enough to choose items from, and to learn the choice from?"""

from __future__ import annotations

from collections.abc import Iterator

from tidemill_pipelines.assessing.findings import Finding, ok, warning
from tidemill_pipelines.recommending.readiness import ChoiceReadiness

_FEW_USERS = 100
"""With an outcome in the later window: below, a rate is uncertain by 0.1."""
_WHY = "Models are chosen by the earlier window and judged by the users of the later one."
_WHY_DECLARED = "What is declared and never seen has no effect, and was probably meant to have one."


def judge_items_chosen(readiness: ChoiceReadiness) -> Finding:
    """Items, and the users who chose some in either window."""
    earlier, later = readiness.counts
    facts = {"items": readiness.items, "counts": [vars(count) for count in readiness.counts]}
    windows = " and ".join(
        f"{count.users:,} known users chose {count.outcomes:,} times from {count.cutoff[:10]} on"
        for count in (earlier, later)
    )
    seen = f"There are {readiness.items:,} items to choose from; {windows}."
    if later.users >= _FEW_USERS:
        return ok("outcomes", seen, _WHY, **facts)
    do = f"aim at {_FEW_USERS} users: a longer `within`, a more frequent event or broader `items`"
    return warning("outcomes", seen, _WHY, do, **facts)


def judge_declared(readiness: ChoiceReadiness) -> Iterator[Finding]:
    """What was declared and is probably not meant so."""
    for note in readiness.notes:
        do = "correct the objective's file, or import what it names"
        yield warning("declared", f"{note.rstrip('.')}.", _WHY_DECLARED, do)
