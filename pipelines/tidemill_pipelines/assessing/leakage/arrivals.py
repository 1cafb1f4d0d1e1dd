"""Is the past written afterwards? Events that arrive late, and because of the outcome."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb
import numpy as np

from tidemill.objective import Target
from tidemill_pipelines.assessing.findings import Finding, ok, warning

_FEWEST = 30
"""Late events of a name."""
_OFTEN = 0.5
"""Share of late events before whose arrival the target happens."""
_TIMES = 3.0
"""As often as after their arrival, in the same time."""
_SURE = 6.0
_WHY = (
    "An event that is written into the past once the outcome is there tells the outcome, wherever "
    "events are counted by when they happened."
)
# Each late event sees as much time behind its arrival as before it, of the same user.
_LATE = """
WITH late AS (
    SELECT row_number() OVER () AS n, name, user_id, timestamp, received_at FROM user_events
    WHERE received_at - timestamp > INTERVAL 1 DAY AND received_at < $at
    AND superseded_at IS NULL AND name IS DISTINCT FROM $target
    ORDER BY hash(event_id) LIMIT 20000
),
goals AS (SELECT user_id, timestamp AS happened FROM user_events
    WHERE ($target IS NULL OR name = $target) AND superseded_at IS NULL),
judged AS (
    SELECT n, any_value(name) AS name,
        coalesce(bool_or(happened > timestamp AND happened <= received_at), FALSE) AS before,
        coalesce(bool_or(happened > received_at
            AND happened <= received_at + (received_at - timestamp)), FALSE) AS after
    FROM late LEFT JOIN goals USING (user_id) GROUP BY n
)
SELECT name, count(*), avg(before::INT), avg(after::INT) FROM judged GROUP BY name ORDER BY 2 DESC
"""
_SHARES = """
SELECT count(*) FILTER (received_at - timestamp > INTERVAL 1 DAY) / greatest(count(*), 1)
FROM user_events WHERE superseded_at IS NULL AND timestamp < $at
"""


@dataclass(frozen=True)
class Late:
    """Late events of one name."""

    name: str
    events: int
    before: float
    """Share with the target between when they happened and when they arrived."""
    after: float
    """The same in as much time behind their arrival."""

    @property
    def follow_the_target(self) -> bool:
        error = np.sqrt(max(self.before * (1 - self.before), 1e-4) / max(self.events, 1))
        often = self.before >= max(_OFTEN, _TIMES * self.after)
        return bool(self.events >= _FEWEST and often and self.before - self.after >= _SURE * error)


def judge_arrivals(con: duckdb.DuckDBPyConnection, target: Target, at: datetime) -> Finding:
    """`con` has the view `user_events`."""
    check = "leakage-arrivals"
    (share,) = con.execute(_SHARES, {"at": at}).fetchall()[0]
    rows = con.execute(_LATE, {"at": at, "target": target.event}).fetchall()
    late = [Late(*row) for row in rows]
    wrong = [each for each in late if each.follow_the_target]
    facts = {"share": share, "late": [vars(each) for each in late[:20]]}
    if not wrong:
        seen = (
            f"{share:.1%} of events became known more than a day after they happened, and count "
            "from then on; their arrival does not follow the outcome."
        )
        return ok(check, seen, _WHY, **facts)
    listed = "; ".join(
        f"{each.before:.0%} of {each.events:,} late '{each.name}' arrive after the outcome, "
        f"{each.after:.0%} would by chance"
        for each in wrong
    )
    do = (
        "nothing for Tidemill's own features, which wait for the arrival; in any table of your own "
        "count these events by `received_at`, or leave them out"
    )
    names = [each.name for each in wrong]
    return warning(check, f"Written into the past: {listed}.", _WHY, do, events=names, **facts)
