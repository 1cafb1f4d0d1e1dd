"""Lists from the prediction log, one row for each item, with where it was meant to stand."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tidemill.recommendation.shown import Shown
from tidemill_pipelines.position_bias.counts import Counts, count

if TYPE_CHECKING:
    import duckdb

MOST_LISTS = 500_000
"""Of a longer log, the lists of a share of the users are read; so many take half a gigabyte."""
_MOST_MOVED = 0.5
"""What `randomise` may be at most: what stays where it was ranked does so at least as often."""


@dataclass(frozen=True)
class Asked:
    """What a request wanted of its lists."""

    count: int
    filters: Mapping[str, Sequence[str]]
    exclude: Sequence[str]


@dataclass(frozen=True, slots=True)
class Answer:
    """One list that a user with a name was shown."""

    user: str
    version: str
    """Of the model."""
    asked: Asked
    requested_us: int
    cutoff_us: int
    """Of the history it was made from, 0 for none."""
    randomised: float
    """With what probability the first item changed places with another."""
    partner: int
    """Which place the first one's item came from; 0 where nothing changed places."""
    items: array[int]
    """Numbers of its items, from the first position to the last."""


@dataclass(frozen=True)
class Answers:
    """Lists, and their rows one after the other."""

    lists: tuple[Answer, ...]
    names: tuple[str, ...]
    """Of the items, by number."""
    answer: NDArray[np.int64]
    """[rows]."""
    item: NDArray[np.int64]
    """[rows]."""
    position: NDArray[np.int64]
    """[rows], where it stood, 1 for the first."""
    intended: NDArray[np.int64]
    """[rows], where the ranking had put it."""

    @classmethod
    def of(cls, lists: Sequence[Answer], names: Sequence[str]) -> Answers:
        lengths = np.array([len(each.items) for each in lists], np.int64)
        answer = np.repeat(np.arange(len(lists)), lengths)
        position = np.arange(len(answer)) - np.repeat(np.cumsum(lengths) - lengths, lengths) + 1
        partner = np.array([each.partner for each in lists], np.int64)[answer] + 1
        intended = np.where(position == 1, partner, np.where(position == partner, 1, position))
        items = array("q", (item for each in lists for item in each.items))
        item = np.array(items, np.int64)
        return cls(tuple(lists), tuple(names), answer, item, position, intended)

    @property
    def randomised(self) -> NDArray[np.float64]:
        """[answers]."""
        return np.array([each.randomised for each in self.lists], np.float64)

    def only(self, chosen: Sequence[int]) -> Answers:
        """Some of the answers, by position."""
        return Answers.of([self.lists[at] for at in chosen], self.names)

    def randomised_counts(self, clicked: NDArray[np.bool_]) -> Counts:
        """Strata of rows that one draw of chance placed: one version, share, length and rank."""
        kinds: dict[tuple[str, int, int], int] = {}
        kind = [
            kinds.setdefault((each.version, round(each.randomised * 1e3), len(each.items)), at)
            for at, each in enumerate(self.lists)
        ]
        rows = np.flatnonzero((self.randomised > 0)[self.answer])
        deepest = int(self.intended.max(initial=0)) + 1
        strata = np.array(kind, np.int64)[self.answer[rows]] * deepest + self.intended[rows]
        return count(strata, self.position[rows], clicked[rows])


def read_answers(shown: Iterable[Shown]) -> Answers:
    """The lists of users with a name; of more than MOST_LISTS, those of a share of the users."""
    numbers: dict[str, int] = {}
    kept: list[Answer] = []
    parts = 1
    for answer in _answers(shown, numbers):
        if zlib.crc32(answer.user.encode()) % parts:
            continue
        kept.append(answer)
        if len(kept) > MOST_LISTS:
            parts *= 2
            kept = [each for each in kept if zlib.crc32(each.user.encode()) % parts == 0]
    return Answers.of(kept, list(numbers))


def clicks_on(
    con: duckdb.DuckDBPyConnection, answers: Answers, within_us: int
) -> NDArray[np.bool_]:
    """Which rows were answered, [rows]; `con` has the table `position_clicks` of `exposures`.

    A click answers the newest list before it, within the time, that showed the item to the user.
    """
    import pyarrow as pa

    users = pa.array([each.user for each in answers.lists], pa.string())
    requested = np.array([each.requested_us for each in answers.lists], np.int64)
    rows = pa.table(
        {
            "row": np.arange(len(answers.item)),
            "user_id": users.take(pa.array(answers.answer)),
            "key": pa.array(answers.names, pa.string()).take(pa.array(answers.item)),
            "at_us": requested[answers.answer],
        }
    )
    con.register("listed_rows", rows)
    found = con.execute(
        "SELECT DISTINCT s.row FROM position_clicks AS c ASOF JOIN listed_rows AS s "
        "ON s.user_id = c.user_id AND s.key = c.key AND s.at_us <= c.at_us "
        "WHERE c.at_us <= s.at_us + $within",
        {"within": within_us},
    ).fetchnumpy()["row"]
    con.unregister("listed_rows")
    clicked = np.zeros(len(answers.item), dtype=np.bool_)
    clicked[np.asarray(found, dtype=np.int64)] = True
    return clicked


def partner_of(probabilities: Sequence[float], scores: Sequence[float]) -> tuple[int, float]:
    """Which place changed with the first, 0 for none, and with what probability one does.

    What changed places stands where it does with a small probability, and so does its partner.
    """
    first, others = probabilities[0], len(probabilities) - 1
    for place in range(1, len(probabilities)):
        rarer = max(first, probabilities[place])
        # At one half, a list of two is as probable either way; the ranking's scores decide.
        if rarer < _MOST_MOVED or (rarer == _MOST_MOVED and scores[place] > scores[0]):
            return place, first * others
    return 0, 1 - first


def _answers(shown: Iterable[Shown], numbers: dict[str, int]) -> Iterator[Answer]:
    """Every list of a user with a name; new items are given the next number."""
    for record in shown:
        asked = Asked(record.k, record.filters, record.exclude)
        for index, user in enumerate(record.users):
            if user is None or not record.items[index]:
                continue
            partner, share = partner_of(record.probabilities[index], record.scores[index])
            yield Answer(
                user=user,
                version=record.model_version,
                asked=asked,
                requested_us=record.requested_at,
                cutoff_us=int(record.cutoffs[index]),
                randomised=share,
                partner=partner,
                items=array(
                    "q", [numbers.setdefault(each, len(numbers)) for each in record.items[index]]
                ),
            )
