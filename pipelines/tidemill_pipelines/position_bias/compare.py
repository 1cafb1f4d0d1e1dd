"""A registered version against what the live one showed, by what users then did."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tidemill.errors import TidemillError
from tidemill.home import Home
from tidemill.objective import Objective
from tidemill.recommendation.catalogue import read_catalogue
from tidemill.recommendation.history import History, session_history
from tidemill.recommendation.shown import read_shown
from tidemill_features.interests import rebuild_histories
from tidemill_pipelines.position_bias.answers import Answers, clicks_on, read_answers
from tidemill_pipelines.position_bias.comparisons import (
    Comparison,
    first_sound,
    natural,
    randomised,
)
from tidemill_pipelines.position_bias.exposures import answering, create_clicks, read_showings
from tidemill_pipelines.position_bias.feedback import Feedback
from tidemill_pipelines.position_bias.off_policy import Refused, Valuation, value
from tidemill_pipelines.position_bias.propensities import estimate
from tidemill_pipelines.position_bias.rival import Rival

if TYPE_CHECKING:
    import duckdb

MOST_ANSWERS = 5_000
"""Lists that are made anew; of more, a random part. Each needs a history as it was then."""
_SEED = 0


@dataclass(frozen=True)
class Compared:
    """What can be said of a version."""

    version: str
    live: str
    answers: int
    """Lists of the live version that were looked at."""
    basis: str
    """How it was accounted for that items stood elsewhere than the version would put them."""
    result: Valuation | Refused


def compare(
    home: Home, objective: Objective, version: str, at: datetime, say: Callable[[str], None]
) -> Compared:
    """Value `version` by what was known at `at` of the lists that the live version has shown.

    Raises TidemillError when there is nothing to compare, BundleError for an unknown version.
    """
    from tidemill.events import EventLog
    from tidemill.registry import Registry

    registry = Registry(home)
    live = registry.champion(objective.name)
    if live is None or live == version:
        raise TidemillError(
            f"'{objective.name}' has no live version"
            if live is None
            else f"version {version} of '{objective.name}' is the live one",
            hint=f"see what is registered with `tidemill models {objective.name}`",
        )
    rival = Rival(
        registry.fetch(objective.name, version), read_catalogue(home.catalogue(objective.name))
    )
    before_us = round(at.timestamp() * 1_000_000)
    shown = read_shown(home.predictions(objective.name))
    answers = read_answers(record for record in shown if record.requested_at < before_us)
    with EventLog(home.events).connect() as con:
        clicked, comparison, lacking = _learn_from(con, objective, answers, at)
        wanted = _of_version(answers, live)
        chosen, rows = answers.only(wanted.tolist()), np.isin(answers.answer, wanted)
        say(f"making {len(wanted):,} lists of version {live} anew with version {version}")
        lists = _lists_of(rival, chosen, _histories(con, rival, chosen))
    if not lists:
        nothing = f"version {live} has shown nothing to users with a name"
        return Compared(version, live, 0, "", Refused(nothing, 0.0, 0.0))
    propensities = None if comparison is None else estimate(comparison.counts)
    result = value(_feedback(chosen, clicked[rows], lists), propensities, _SEED)
    return Compared(version, live, len(lists), _in_words(comparison, lacking), result)


def _learn_from(
    con: duckdb.DuckDBPyConnection, objective: Objective, answers: Answers, at: datetime
) -> tuple[NDArray[np.bool_], Comparison | None, str]:
    """Which rows were clicked; what tells of positions, or why nothing does."""
    definition, positions = answering(objective)
    create_clicks(con, definition, at)
    clicked = clicks_on(con, answers, positions.within_us)
    by_themselves: Iterator[Comparison] = iter(())
    if positions.event:
        by_themselves = natural(read_showings(con, definition, positions, at))
    return clicked, *first_sound(chain(randomised(answers, clicked), by_themselves))


def _of_version(answers: Answers, version: str) -> NDArray[np.intp]:
    found = np.flatnonzero([each.version == version for each in answers.lists])
    if len(found) > MOST_ANSWERS:
        rng = np.random.default_rng(_SEED)
        found = np.sort(rng.choice(found, MOST_ANSWERS, replace=False))
    return found


def _histories(
    con: duckdb.DuckDBPyConnection, rival: Rival, answers: Answers
) -> dict[tuple[str, int], History]:
    """The history of each user at each cutoff, as the rival computes it."""
    stored = ((each.user, each.cutoff_us) for each in answers.lists if each.cutoff_us)
    pairs = list(dict.fromkeys(stored))
    users, cutoffs = [user for user, _ in pairs], [cutoff for _, cutoff in pairs]
    found = rebuild_histories(con, rival.metadata.interests, users, cutoffs)
    known = zip(pairs, found, strict=True)
    return {pair: history for pair, history in known if history is not None}


def _lists_of(
    rival: Rival, answers: Answers, histories: dict[tuple[str, int], History]
) -> list[list[str]]:
    stranger = session_history(())
    return [
        rival.choose(
            histories.get((each.user, each.cutoff_us), stranger), each.asked, each.requested_us
        )
        for each in answers.lists
    ]


def _feedback(
    answers: Answers, clicked: NDArray[np.bool_], lists: Sequence[Sequence[str]]
) -> Feedback:
    """Where the items of each answer are in the list beside it, and which are not shown."""
    numbers = {name: number for number, name in enumerate(answers.names)}
    places = [
        {numbers.setdefault(item, len(numbers)): at for at, item in enumerate(listed, start=1)}
        for listed in lists
    ]
    rows = list(zip(answers.answer.tolist(), answers.item.tolist(), strict=True))
    shown = set(rows)
    absent = [
        (answer, item, at)
        for answer, found in enumerate(places)
        for item, at in found.items()
        if (answer, item) not in shown
    ]
    named = dict.fromkeys(each.user for each in answers.lists)
    users = {user: number for number, user in enumerate(named)}
    columns = np.array(absent, np.int64).reshape(-1, 3).T
    return Feedback(
        user=np.array([users[each.user] for each in answers.lists], np.int64),
        randomised=answers.randomised,
        answer=answers.answer,
        item=answers.item,
        position=answers.position,
        intended=answers.intended,
        proposed=np.array([places[answer].get(item, 0) for answer, item in rows], np.int64),
        clicked=clicked,
        absent_answer=columns[0],
        absent_item=columns[1],
        absent_position=columns[2],
    )


def _in_words(comparison: Comparison | None, lacking: str) -> str:
    if comparison is not None:
        clicks = comparison.counts.swap_clicks
        return f"how often positions are looked at is estimated from {clicks:,} clicks " + (
            comparison.meaning
        )
    why = f": {lacking}" if lacking else ""
    return (
        f"nothing is known of how often positions are looked at{why}; so only what stood exactly "
        "where the version would put it tells of it"
    )
