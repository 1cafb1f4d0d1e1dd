"""The twelve leaks, each planted into a clean table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from leakage_columns import measured, with_columns
from leakage_worlds import Values, World

from tidemill_pipelines.assessing.leakage.table import TrainingTable

EVER = float("inf")


@dataclass(frozen=True)
class Bed:
    """What a leak is planted into."""

    world: World
    table: TrainingTable
    rng: np.random.Generator

    @property
    def target(self) -> str | None:
        return self.world.objective.target.event

    @property
    def horizon(self) -> float:
        return self.world.objective.target.within.total_seconds() / 86_400

    def seen(self, event: str | None, days: tuple[float, float], what: str = "count") -> Values:
        """By hindsight, as a warehouse shows it that keeps no record of when it came to know."""
        return measured(self.world, self.table, event, days, what, "now")

    def told(self, values: Values) -> Values:
        """As it is, as a logarithm, or with noise; drawn for each seed."""
        form = self.rng.integers(3)
        if form == 0:
            return values
        if form == 1:
            return np.sign(values) * np.log1p(np.abs(values))
        return values + self.rng.normal(0, 0.1 * np.nanstd(values), len(values))

    def with_column(self, name: str, values: Values) -> TrainingTable:
        return with_columns(self.table, {name: values})


def post_goal_counter(bed: Bed) -> TrainingTable:
    """Counts what happens from the cutoff to the end of the horizon."""
    return bed.with_column("planted", bed.told(bed.seen(bed.target, (0, bed.horizon))))


def post_goal_counter_on_some(bed: Bed) -> TrainingTable:
    """The same in the rows of 30% of users; of the others it is honest."""
    users, of = np.unique(bed.table.users, return_inverse=True)
    some = (bed.rng.random(len(users)) < 0.3)[of]
    honest = bed.seen(bed.target, (-28, 0))
    return bed.with_column(
        "planted", honest + np.where(some, bed.seen(bed.target, (0, bed.horizon)), 0)
    )


def one_day_peek(bed: Bed) -> TrainingTable:
    """A window of four weeks that ends a day late."""
    return bed.with_column("planted", bed.told(bed.seen(bed.world.common, (-27, 1))))


def future_activity(bed: Bed) -> TrainingTable:
    """Everything in the week after the cutoff."""
    return bed.with_column("planted", bed.told(bed.seen(None, (0, 7))))


def current_profile(bed: Bed) -> TrainingTable:
    """What the customer table says today: lifetime spend, at times as one of six tiers."""
    spent = bed.seen(bed.world.common, (-EVER, EVER), "value")
    if bed.rng.random() < 0.5:
        spent = np.digitize(spent, np.quantile(spent, (0.2, 0.4, 0.6, 0.8, 0.95))).astype(float)
    return bed.with_column("planted", spent)


def export_recency(bed: Bed) -> TrainingTable:
    """Days since the last event, as of the export."""
    return bed.with_column("planted", bed.told(bed.seen(None, (-EVER, EVER), "age")))


def future_campaign(bed: Bed) -> TrainingTable:
    """Whether the user gets the next mailing, within the horizon."""
    return bed.with_column("planted", np.sign(bed.seen(bed.world.mailing, (0, bed.horizon))))


def deleted_negatives(bed: Bed) -> TrainingTable:
    """Most of the common outcome was cleaned up, but for the newest cutoff and now."""
    rows = bed.table
    commoner = rows.labels != (rows.labels[rows.labelled].mean() <= 1 / 2)
    gone = commoner & rows.labelled & ~rows.is_test & (bed.rng.random(len(commoner)) < 0.6)
    return rows.where(~gone)


def late_backfill(bed: Bed) -> TrainingTable:
    """Counts by when things happened, with all that arrived afterwards."""
    values = measured(bed.world, bed.table, None, (-28, 0), known="late too")
    return bed.with_column("planted", bed.told(values))


def future_merge(bed: Bed) -> TrainingTable:
    """Counts everything of the person, under ids that joined only later."""
    values = measured(bed.world, bed.table, bed.world.common, (-EVER, 0), known="merged too")
    return bed.with_column("planted", bed.told(values))


def copies(bed: Bed) -> TrainingTable:
    """One in five rows to be judged on is among those to learn from as well: as it is, under
    another id, or with another cutoff."""
    rows = bed.table
    judged, count = np.flatnonzero(rows.is_test), len(rows.users)
    again = bed.rng.choice(judged, len(judged) // 5, replace=False)
    table = rows.where(np.concatenate([np.arange(count), again]))
    copied = np.arange(len(table.users)) >= count
    form = bed.rng.integers(3)
    if form == 0:
        return replace(table, tested=table.is_test & ~copied)
    older = np.unique(rows.cutoffs[rows.labelled])[-2]
    cutoffs = np.where(copied, older, table.cutoffs)
    if form == 1:
        return replace(table, cutoffs=cutoffs)
    names = np.where(copied, np.char.add("x", table.users), table.users)
    return replace(table, users=names, cutoffs=cutoffs)


def target_derived(bed: Bed) -> TrainingTable:
    """A field that is filled when the outcome is there: when it happened within the horizon."""
    first = bed.horizon - bed.seen(bed.target, (0, bed.horizon), "age")
    return bed.with_column("planted", np.floor(first))


LEAKS: dict[str, Callable[[Bed], TrainingTable]] = {
    "post-goal counter": post_goal_counter,
    "post-goal counter on 30% of users": post_goal_counter_on_some,
    "one-day peek": one_day_peek,
    "future activity window": future_activity,
    "current-state profile": current_profile,
    "export-time recency": export_recency,
    "future campaign": future_campaign,
    "deleted negatives": deleted_negatives,
    "late backfill": late_backfill,
    "future identity merge": future_merge,
    "duplicated rows across the split": copies,
    "target-derived feature": target_derived,
}
