"""What the audit of a training table found, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tidemill_pipelines.assessing.findings import Finding, blocking, cannot_say, ok, warning
from tidemill_pipelines.assessing.leakage.absent import Absence
from tidemill_pipelines.assessing.leakage.copies import Copies
from tidemill_pipelines.assessing.leakage.power import Power
from tidemill_pipelines.assessing.leakage.present import Change
from tidemill_pipelines.assessing.leakage.reach import Reach

_WHY_FUTURE = (
    "What a column knows of the time after its cutoff it will not know when it is asked for a "
    "prediction: the model looks good and fails when it is live."
)
_WHY_TWICE = "A model that has seen a row is not judged by being asked for it again."
_WHY_ROWS = "Who is left out because of what came later makes the outcome look other than it is."
_WHY_NOW = "What can be known only afterwards is empty or different in rows of now."
_SHOWN = 8
_REPEATED, _COPIED = 0.001, 0.01
"""Share of rows. That two users did the same comes by chance where columns are few."""
_UNKNOWN_SHARE = 0.02
_APART = 0.15
"""AUC by which rows of now are easier to tell than those of one cutoff from the next."""


def of_table(rows: int, users: int, columns: Sequence[str], unread: Sequence[str]) -> Finding:
    """What of the file is looked at at all."""
    check, why = "leakage-table", "A column that is not looked at may still leak."
    seen = f"{rows:,} rows of {users:,} users with {len(columns)} columns are looked at"
    if columns and not unread:
        return ok(check, f"{seen}.", why)
    left = f"; {', '.join(unread[:_SHOWN])} hold no numbers, flags, texts or instants"
    do = "write every feature as a column of its own, as a number, a flag, a text or an instant"
    return cannot_say(check, f"{seen}{left if unread else ''}.", why, do, unread=list(unread))


def of_stamps(late: dict[str, int], rows: int) -> Finding:
    """Columns of instants, and how many of their values lie behind the row's cutoff."""
    check = "leakage-instants"
    if not late:
        return ok(check, "No column holds an instant after its row's cutoff.", _WHY_FUTURE)
    listed = ", ".join(f"{name} in {count:,} of {rows:,} rows" for name, count in late.items())
    do = "take the value as it was at the cutoff, and leave out what was updated since"
    seen = f"Instants after the cutoff: {listed}."
    return blocking(check, seen, _WHY_FUTURE, do, columns=sorted(late), rows=late)


def of_open_horizons(count: int, rows: int) -> Finding:
    """Labelled rows whose outcome nobody can know yet."""
    check, why = "leakage-open-outcomes", "An outcome that may still come is no negative."
    if not count:
        return ok(check, "Every labelled row's horizon has closed.", why)
    seen = f"{count:,} of {rows:,} rows have an outcome, though their horizon has not closed."
    return warning(check, seen, why, "leave their label empty: they are rows of now", rows=count)


def of_copies(found: Copies, rows: int) -> Finding:
    check = "leakage-copies"
    repeated, copied = int(found.repeated.sum()), int(found.copied.sum())
    facts = {"repeated": repeated, "copied": copied, "across": found.across}
    if repeated < max(2, _REPEATED * rows) and copied < max(10, _COPIED * rows):
        seen = f"Of {rows:,} rows {repeated:,} are there twice, and {copied:,} look like another."
        return ok(check, seen, _WHY_TWICE, **facts)
    seen = (
        f"Of {rows:,} rows {repeated:,} repeat a user and a cutoff, {copied:,} more have the "
        f"values of another row; {found.across:,} would be learnt from and judged on as well."
    )
    do = "keep one row for each user and cutoff, and look for the join that multiplies them"
    return blocking(check, seen, _WHY_TWICE, do, **facts)


def of_users(unknown: int, seen_rows: int) -> Finding:
    """Rows of users of whom the log knew nothing yet."""
    check = "leakage-users"
    why = "An id that was known only later brings along what was learnt when it became known."
    seen = f"The log knew nothing of the user at the cutoff in {unknown:,} of {seen_rows:,} rows."
    if not seen_rows:
        return cannot_say(check, "The event log knows none of the table's users.", why)
    if unknown < max(20, _UNKNOWN_SHARE * seen_rows):
        return ok(check, seen, why, rows=unknown)
    do = "join ids as they were known at the cutoff, and leave out users who came later"
    return warning(check, seen, why, do, rows=unknown)


def of_absence(found: Absence | None) -> Finding:
    check = "leakage-absent-rows"
    if found is None:
        seen = "No cutoff of the table has users of the event log and a closed horizon."
        return cannot_say(check, seen, _WHY_ROWS)
    facts = {k: v for k, v in vars(found).items() if k != "chosen_by_outcome"}
    share = found.absent / found.population
    seen = (
        f"{share:.0%} of the {found.population:,} users active at the cutoffs are not in the table"
    )
    if not found.chosen_by_outcome:
        tail = ", and what is known at the cutoff accounts for that" if found.absent else ""
        return ok(check, f"{seen}{tail}.", _WHY_ROWS, **facts)
    seen += (
        f", and it depends on what came later: {found.rate_there:.1%} of those who are have the "
        f"outcome, {found.rate_absent:.1%} of those who are not."
    )
    do = "take everybody who belonged to the population at the cutoff, whatever became of them"
    return blocking(check, seen, _WHY_ROWS, do, **facts)


def of_reach(found: Sequence[Reach] | None) -> Finding:
    """None is what the log cannot tell."""
    check = "leakage-future"
    if found is None:
        seen = "The event log knows fewer than 200 of the table's users, or less than half."
        return cannot_say(check, seen, _WHY_FUTURE, "import the events of the same users")
    if not found:
        return ok(
            check, "No column goes with events after its cutoff more than habits do.", _WHY_FUTURE
        )
    listed = "; ".join(spelled(reach) for reach in found[:_SHOWN])
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    do = "compute these columns from what was known at the cutoff, or leave them out"
    columns = sorted({reach.column for reach in found})
    facts = {"columns": columns, "reach": [vars(reach) for reach in found]}
    return blocking(check, f"Columns of the future: {listed}{more}.", _WHY_FUTURE, do, **facts)


def spelled(reach: Reach) -> str:
    """One column that reaches past its cutoff."""
    if reach.sign == "edge":
        return (
            f"{reach.column} goes with {_EVENTS[reach.until]} "
            f"({reach.strength:.2f}) and no more with later ones ({reach.behind:.2f})"
        )
    return (
        f"{reach.column}: of what was known at the cutoff {reach.behind:.0%} is explained, and "
        f"{reach.strength:.0%} of the rest by {_LATER[reach.until]}"
    )


_EVENTS = {
    "late arrivals": "events that became known after the cutoff",
    "day 1": "events up to one day after the cutoff",
    "week 1": "events up to a week after the cutoff",
    "the horizon": "events up to the end of the horizon",
}
_LATER = {
    "late arrivals": "events and merges of ids that became known later",
    "day 1": "the day after the cutoff",
    "week 1": "the week after the cutoff",
    "the horizon": "the horizon itself",
    "the end": "the state at the end of the log",
}


def of_power(found: Sequence[tuple[str, Power]], *, is_own: bool = False) -> Finding:
    """`is_own`: the columns are the home's own features, whose rebuild shows that none of them
    reads the future; then what tells so much is worth a look and no proof."""
    check = "leakage-power"
    why = "Hardly anything that is known beforehand tells an outcome for certain."
    about = "features of the log" if is_own else "columns of the table"
    if not found:
        seen = f"None of the {about} tells more of the outcome than could be known."
        return ok(check, seen, why, about=about)
    of_column = dict(reversed(found))
    listed = "; ".join(_power(name, power) for name, power in list(of_column.items())[:_SHOWN])
    facts = {
        "about": about,
        "columns": sorted(of_column),
        "power": [vars(power) for _, power in found],
    }
    do = "find out when these columns are filled; leave them out unless it is before the cutoff"
    say = warning if is_own else blocking
    return say(check, f"Too good to be true, among the {about}: {listed}.", why, do, **facts)


def _power(name: str, power: Power) -> str:
    if power.sign == "certain":
        return (
            f"{name} singles out {power.rows:,} rows of which {power.found:.0%} have the rarer "
            f"outcome, where {power.expected:.0%} would be expected"
        )
    if power.sign == "too good":
        return f"{name} alone has AUC {power.found:.3f}, all that is known {power.expected:.3f}"
    return (
        f"{name} has AUC {power.found:.3f} at the newest cutoff, and at least {power.expected:.3f} "
        "at all before"
    )


def without_now(has_none: bool) -> Finding:
    seen = "The table has no rows of now." if has_none else "Too few rows of now or of a cutoff."
    do = "add rows as of now with an empty label: they show what cannot be known yet"
    return cannot_say("leakage-now", seen, _WHY_NOW, do)


def of_changes(found: Sequence[tuple[str, Change]]) -> Finding:
    check = "leakage-now"
    if not found:
        return ok(check, "No column is different now from what it was at the cutoffs.", _WHY_NOW)
    listed = "; ".join(
        f"{name} (distance {change.now:.2f}, at most {change.before:.2f} from cutoff to cutoff)"
        for name, change in found[:_SHOWN]
    )
    do = "find out when these columns are filled; leave them out unless it is before the cutoff"
    facts = {"columns": sorted({n for n, _ in found}), "changes": [vars(c) for _, c in found]}
    return blocking(check, f"Different in rows of now: {listed}.", _WHY_NOW, do, **facts)


def of_classifier(now: float, before: float, of_the_log: float | None) -> Finding:
    """AUC of telling rows of now from the newest labelled ones; of neighbouring cutoffs, at most;
    and of rows of now by the log's own columns, which change with the season and cannot leak."""
    check = "leakage-rows-of-now"
    seen = f"Rows of now are told from labelled ones with AUC {now:.2f}"
    if of_the_log is None:
        seen += "; without a log beside it, a season cannot be told from a leak."
        return cannot_say(check, seen, _WHY_NOW, auc=now)
    seen += f", by the log's own columns with {of_the_log:.2f}."
    if now < max(of_the_log, 0.0 if math.isnan(before) else before) + _APART:
        return ok(check, seen, _WHY_NOW, auc=now, log=of_the_log)
    do = "look at what the columns have in common that are different now"
    return warning(check, seen, _WHY_NOW, do, auc=now, log=of_the_log)
