"""SQL of histories: which events show interest in what, and what they sum up to.

Weights are integers, in millionths, and so is each term of a decayed sum: integers add up to the
same in any order, so that a history that is computed again equals the first one bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tidemill.recommendation.interests import HALF_LIVES, InterestDefinition, PositionWeights
from tidemill_features.sql import DAY_US, condition, field_of, known_at, quoted, reads_items

NEVER_US = 2**62
"""Later than any cutoff."""
MILLIONTHS = 1_000_000
_KNOWN_US = "greatest(epoch_us(e.timestamp), epoch_us(e.received_at))"
_UNTIL_US = f"coalesce(epoch_us(e.superseded_at), {NEVER_US})"


def key_of(definition: InterestDefinition) -> str:
    """The item, or what is offered in its place, of an event `e` and its item `i`; null if none."""
    return f"nullif({'e.item_id' if definition.by is None else field_of(definition.by)}, '')"


def joined_items(definition: InterestDefinition, *wheres: dict[str, str]) -> str:
    """The join that `key_of` and conditions need."""
    by_item = definition.by is not None and definition.by.startswith("item.")
    needs = by_item or any(reads_items(where) for where in wheres)
    return "LEFT JOIN items AS i ON i.item_id = e.item_id" if needs else ""


def shown_interest(definition: InterestDefinition, before_us: int, wanted: str | None) -> str:
    """Events of interest: `user_id, key, at_us, known_us, until_us, weight`.

    With position weights also `item_id` and `is_answer`. Of the users in the table `wanted` only,
    if it is given. An event counts from `known_us` until `until_us`.
    """
    weights = ", ".join(
        f"CASE WHEN e.name = {quoted(each.event)} AND {condition(each.where)} "
        f"THEN {round(each.weight * MILLIONTHS)} END"
        for each in definition.events
    )
    answer = ""
    if definition.positions is not None:
        answer = f", e.item_id, e.name = {quoted(definition.positions.clicked)} AS is_answer"
    joined = joined_items(definition, *(each.where for each in definition.events))
    return f"""
SELECT e.user_id, {key_of(definition)} AS key, epoch_us(e.timestamp) AS at_us,
  {_KNOWN_US} AS known_us, {_UNTIL_US} AS until_us,
  CAST(greatest({weights}) AS BIGINT) AS weight{answer}
FROM user_events AS e {_only(wanted)} {joined}
WHERE {_named(each.event for each in definition.events)} AND {_before(before_us)}
  AND key IS NOT NULL AND weight IS NOT NULL
"""


def exposures(positions: PositionWeights, before_us: int, wanted: str | None) -> str:
    """Items being shown: `user_id, item_id, at_us, known_us, until_us, position` (1 is first)."""
    position = f"TRY_CAST({field_of(positions.position)} AS BIGINT)"
    return f"""
SELECT e.user_id, e.item_id, epoch_us(e.timestamp) AS at_us, {_KNOWN_US} AS known_us,
  {_UNTIL_US} AS until_us, {position} AS position
FROM user_events AS e {_only(wanted)}
WHERE e.name = {quoted(positions.event)} AND {_before(before_us)}
  AND e.item_id IS NOT NULL AND position >= 1
"""


def known_users(cutoffs_us: Sequence[int], wanted: str | None) -> str:
    """`user_id` of everybody with any event known at one of the cutoffs."""
    known = " OR ".join(f"({_at(cutoff_us)})" for cutoff_us in cutoffs_us)
    return f"SELECT DISTINCT e.user_id FROM user_events AS e {_only(wanted)} WHERE {known}"


def contexts(field: str, cutoff_us: int, wanted: str | None) -> str:
    """`user_id, context`: the newest known value of `property.<name>`."""
    said = f"nullif({field_of(field)}, '')"
    return f"""
SELECT user_id, max({{'said_at': said_at, 'said': said}}).said AS context
FROM (
  SELECT e.user_id, e.timestamp AS said_at, {said} AS said
  FROM user_events AS e {_only(wanted)} WHERE {_at(cutoff_us)} AND said IS NOT NULL
) AS said
GROUP BY user_id
"""


def exclusions(definition: InterestDefinition, cutoff_us: int, wanted: str | None) -> str:
    """`user_id, key, until_us` of what may not be offered after the cutoff, null for for ever."""
    ends = ", ".join(
        f"CASE WHEN e.name = {quoted(rule.event)} THEN "
        + (f"{NEVER_US}" if rule.within_us is None else f"epoch_us(e.timestamp) + {rule.within_us}")
        + " END"
        for rule in definition.exclude
    )
    return f"""
SELECT user_id, key, nullif(max(until_us), {NEVER_US}) AS until_us
FROM (
  SELECT e.user_id, {key_of(definition)} AS key, greatest({ends}) AS until_us
  FROM user_events AS e {_only(wanted)} {joined_items(definition)}
  WHERE {_named(rule.event for rule in definition.exclude)} AND {_at(cutoff_us)}
    AND key IS NOT NULL AND until_us > {cutoff_us}
) AS excluded
GROUP BY user_id, key
"""


def interest_days(
    definition: InterestDefinition, events: str, shown: str, cutoff_us: int, within: str
) -> str:
    """`user, key, age, weight, last_us`: the largest weight of each day, `age` days ago.

    `events` and `shown` are tables as `shown_interest` and `exposures` give them, with numbers
    `user` and `key`; `within` chooses among their users.
    """
    known = f"{within} AND known_us < {cutoff_us} AND until_us >= {cutoff_us}"
    relation = f"SELECT user, key, at_us, weight FROM {events} WHERE {known}"
    if definition.positions is not None:
        relation = _weighed(definition.positions, events, shown, known)
    return (
        f"SELECT user, key, ({cutoff_us} - at_us) // {DAY_US} AS age, max(weight) AS weight, "
        f"max(at_us) AS last_us FROM ({relation}) AS known GROUP BY user, key, age"
    )


def longest_histories(definition: InterestDefinition, days: str, longest: int) -> str:
    """`user, key, FACTS, items`: the `longest` latest of each user's `items`, latest first."""
    decayed = ",\n    ".join(
        f"{_decayed_sum('weight', each * definition.horizon_us)} AS decayed{position}"
        for position, each in enumerate(HALF_LIVES)
    )
    order = f"last_us DESC, decayed{HALF_LIVES.index(1.0)} DESC, key"
    sums = ", ".join(_in_units(f"decayed{position}") for position in range(len(HALF_LIVES)))
    return f"""
WITH pairs AS (
  SELECT user, key, max(last_us) AS last_us, sum(weight) AS total,
    min(age) AS newest, max(age) AS oldest,
    {decayed}
  FROM {days} GROUP BY user, key
)
SELECT user, key, {sums}, {_in_units("total")},
  CAST(newest AS FLOAT), CAST(oldest AS FLOAT), CAST(count(*) OVER own AS BIGINT) AS items
FROM pairs
WINDOW own AS (PARTITION BY user), latest AS (PARTITION BY user ORDER BY {order})
QUALIFY row_number() OVER latest <= {longest}
ORDER BY user, {order}
"""


def activity(definition: InterestDefinition, days: str) -> str:
    """`user, ACTIVITY` from a table of `interest_days`."""
    sums = ", ".join(
        _in_units(_decayed_sum(f"{MILLIONTHS}", each * definition.horizon_us))
        for each in HALF_LIVES[1:]
    )
    return f"""
SELECT user, {sums}, CAST(min(age) AS FLOAT), CAST(max(age) AS FLOAT)
FROM (SELECT DISTINCT user, age FROM {days}) AS active GROUP BY user ORDER BY user
"""


def _weighed(positions: PositionWeights, events: str, shown: str, known: str) -> str:
    """Known events, an answer to an exposure weighed by where that was."""
    weights = ", ".join(f"{weight!r}::DOUBLE" for weight in positions.weights)
    factor = f"list_extract([{weights}], least(position, {len(positions.weights)}))"
    return f"""
SELECT e.user, e.key, e.at_us, CASE
  WHEN e.is_answer AND s.at_us >= e.at_us - {positions.within_us}
  THEN CAST(round(e.weight * {factor}) AS BIGINT) ELSE e.weight END AS weight
FROM (SELECT * FROM {events} WHERE {known}) AS e ASOF LEFT JOIN (
  SELECT user, item_id, at_us, min(position) AS position FROM {shown} WHERE {known}
  GROUP BY user, item_id, at_us
) AS s ON s.user = e.user AND s.item_id = e.item_id AND s.at_us <= e.at_us
"""


def _decayed_sum(weight: str, half_life_us: float) -> str:
    """Sum of integers, over whole days of age."""
    halvings = f"age / {half_life_us / DAY_US!r}::DOUBLE"
    return f"sum(CAST(round({weight} * pow(0.5::DOUBLE, {halvings})) AS BIGINT))"


def _in_units(millionths: str) -> str:
    return f"CAST(CAST({millionths} AS DOUBLE) / {MILLIONTHS} AS FLOAT)"


def _only(wanted: str | None) -> str:
    return "" if wanted is None else f"SEMI JOIN {wanted} AS w ON w.user_id = e.user_id"


def _named(names: Iterable[str]) -> str:
    return f"e.name IN ({', '.join(quoted(name) for name in dict.fromkeys(names))})"


def _before(cutoff_us: int) -> str:
    """What may be known at the cutoff, whoever it belongs to."""
    instant = f"make_timestamptz({cutoff_us})"
    return f"e.timestamp < {instant} AND e.received_at < {instant}"


def _at(cutoff_us: int) -> str:
    return known_at(f"make_timestamptz({cutoff_us})", "e")
