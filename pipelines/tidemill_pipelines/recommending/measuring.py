"""Lists of a recommender and of the simple rule, and what they are worth."""

from __future__ import annotations

import math

import numpy as np

from tidemill.recommendation.ranking import (
    PerUser,
    coverage,
    diversity,
    ndcg_per_user,
    new_outcomes,
    novelty,
    popularity_share,
    recall_per_user,
)
from tidemill_pipelines.recommending.caps import caps_of, within_caps
from tidemill_pipelines.recommending.running import Lists, Ranker
from tidemill_pipelines.recommending.simple_rule import simple_lists
from tidemill_pipelines.recommending.task import Task


def model_lists(
    ranker: Ranker, task: Task, *, only_new: bool = False, as_strangers: bool = False
) -> Lists:
    """What the users of the task are offered, caps kept. See Ranker.top."""
    return within_caps(
        lambda count: ranker.top(
            task.window.histories, count, only_new=only_new, as_strangers=as_strangers
        ),
        caps_of(task.choice.at_most, task.table),
        task.choice.count,
        len(task.table.ids),
    )


def rule_lists(task: Task, *, only_new: bool = False) -> Lists:
    """What the simple rule offers them, caps kept."""
    with_own = task.choice.repeats and not only_new
    return within_caps(
        lambda count: simple_lists(
            task.window.histories, task.popular, task.values, count, with_own=with_own
        ),
        caps_of(task.choice.at_most, task.table),
        task.choice.count,
        len(task.table.ids),
    )


def ndcg(lists: Lists, task: Task) -> PerUser:
    """Over all outcomes, by value where items have one."""
    return ndcg_per_user(lists.items, task.window.outcomes, task.choice.count, task.values)


def accuracy(lists: Lists, only_new: Lists, task: Task) -> dict[str, float]:
    """Over all outcomes, and over those with items that were new to their user."""
    count, window = task.choice.count, task.window
    new = new_outcomes(window.outcomes, window.histories)
    return {
        "ndcg": _mean(ndcg(lists, task)),
        "recall": _mean(recall_per_user(lists.items, window.outcomes, count)),
        "ndcg_new": _mean(ndcg_per_user(only_new.items, new, count, task.values)),
        "recall_new": _mean(recall_per_user(only_new.items, new, count)),
    }


def character(lists: Lists, task: Task) -> dict[str, float]:
    """What the lists are like, whether or not they are right."""
    known_by = task.known_to / task.users
    return {
        "coverage": coverage(lists.items, len(task.table.ids)),
        "novelty": novelty(lists.items, known_by),
        "diversity": diversity(lists.items, task.table.attributes),
        "popularity_share": popularity_share(lists.items, task.popular),
    }


def _mean(values: PerUser) -> float:
    """NaN where nobody has a value."""
    return float(np.nanmean(values)) if (~np.isnan(values)).any() else math.nan
