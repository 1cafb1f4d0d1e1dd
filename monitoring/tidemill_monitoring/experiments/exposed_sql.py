"""Who was exposed to which arm, as SQL over the columns of the prediction log.

`exposures` is the view of `tidemill_monitoring.experiments.exposures`, `arms(name, arm, serve)`
numbers the declared arms, and `persons(id, person)` says who is known by another id by now.
"""

from __future__ import annotations

from tidemill_features.sql import DAY_US, quoted

ASSIGNED = "assigned"
"""One row an id: `id, day, arm, other_arm, first_us, answers`."""
EXPOSED = "exposed"
"""One row a unit in one arm: `unit, arm, exposed_us`."""


def assigned_query(experiment: str, first_us: int, end_us: int, *, daily: bool) -> str:
    """SQL giving each id that was answered in the experiment from `first_us` until `end_us`.

    `arm` and `other_arm` are the lowest and the highest of its arms; where the shares move
    `daily`, an id is one unit a day.
    """
    day, by_day = ("x.day", ", x.day") if daily else ("CAST(0 AS BIGINT)", "")
    return f"""
SELECT x.unit AS id, {day} AS day, MIN(a.arm) AS arm, MAX(a.arm) AS other_arm,
  MIN(x.first_us) AS first_us, SUM(x.answers) AS answers
FROM exposures AS x JOIN arms AS a ON a.name = x.arm
WHERE x.experiment = {quoted(experiment)} AND x.unit IS NOT NULL
  AND x.first_us >= {first_us} AND x.first_us < {end_us}
GROUP BY x.unit{by_day}
""".strip()


def joined_query() -> str:
    """SQL over `assigned` giving the same for persons, all of whose ids are taken together."""
    return """
SELECT COALESCE(p.person, a.id) AS id, a.day, MIN(a.arm) AS arm, MAX(a.other_arm) AS other_arm,
  MIN(a.first_us) AS first_us, SUM(a.answers) AS answers
FROM assigned AS a LEFT JOIN persons AS p ON p.id = a.id
GROUP BY COALESCE(p.person, a.id), a.day
""".strip()


def exposed_query(relation: str) -> str:
    """SQL giving who is in one arm alone."""
    return f"SELECT id AS unit, arm, first_us AS exposed_us FROM {relation} WHERE arm = other_arm"


def sizes_query(relation: str) -> str:
    """SQL giving `arm, day, units, answers, crossed`: by the day (UTC, since 1970) of the first
    answer; `crossed` units were in several arms, and `arm` is one of them."""
    day = f"first_us // {DAY_US}"
    return (
        f"SELECT arm, {day} AS day, COUNT(*) AS units, SUM(answers) AS answers,\n"
        "  SUM(CASE WHEN arm <> other_arm THEN 1 ELSE 0 END) AS crossed\n"
        f"FROM {relation} GROUP BY arm, {day}"
    )


def left_out_query(experiment: str, first_us: int, end_us: int, known_us: int) -> str:
    """SQL giving one row of answers given until `known_us` that count for no unit, by reason;
    `fallbacks` count, and were not given by what their arm should be served by."""
    within = f"x.first_us >= {first_us} AND x.first_us < {end_us}"
    tests = {
        "without_id": f"x.unit IS NULL AND {within}",
        "outside": f"x.unit IS NOT NULL AND x.arm IS NULL AND {within}",
        "unknown_arm": f"x.unit IS NOT NULL AND x.arm IS NOT NULL AND a.arm IS NULL AND {within}",
        "fallbacks": f"x.serve <> a.serve AND {within}",
        "before": f"x.first_us < {first_us}",
        "after": f"x.first_us >= {end_us}",
    }
    sums = ",\n  ".join(
        f"COALESCE(SUM(CASE WHEN {test} THEN x.answers ELSE 0 END), 0) AS {name}"
        for name, test in tests.items()
    )
    return (
        f"SELECT {sums}\nFROM exposures AS x LEFT JOIN arms AS a ON a.name = x.arm\n"
        f"WHERE x.experiment = {quoted(experiment)} AND x.first_us < {known_us}"
    )
