"""The sample's weeks as windows: real features, a trained model's scores, real outcomes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from monitoring_judge import Monitor
from monitoring_streams import DAYS, Window
from numpy.typing import NDArray

from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.objective import load_objective
from tidemill.sample.retail import sample_events, sample_items
from tidemill_features.catalog import load_catalog
from tidemill_features.engine import compute_features, to_matrix
from tidemill_features.labels import label_users
from tidemill_monitoring.event_counts import read_daily_counts
from tidemill_monitoring.inputs import lookback_days
from tidemill_pipelines.dataset import TRAIN, read_split
from tidemill_pipelines.models.fit import TrainingSet, fit
from tidemill_pipelines.models.wide_deep import score
from tidemill_pipelines.population import population_rule
from tidemill_pipelines.training_set import build

START = datetime(2017, 1, 1, tzinfo=UTC)
TRAIN_DAYS = (63, 91, 119)
FIRST_DAY, LAST_DAY = 154, 301
"""June to October: after the training windows and before the weeks of Christmas."""


@dataclass(frozen=True)
class Weeks:
    """One window a week, and the names of the columns that can be compared."""

    names: tuple[str, ...]
    events: dict[str, str | None]
    windows: list[Window]


def read_weeks(folder: Path, objective_file: Path) -> Weeks:
    """Trains the objective's model on spring, and reads every week of summer and autumn."""
    home, objective = Home(folder), load_objective(objective_file)
    if not home.events.exists():
        log = EventLog(home.events)
        log.append(sample_events(None, None))
        log.put_items(sample_items())
    train = [START + timedelta(days=day) for day in TRAIN_DAYS]
    within, path = objective.target.within, folder / "dataset.parquet"
    build(home, objective, train, train[-1] + within, train[-1] + 2 * within, path)
    rows, catalog = read_split(path, TRAIN), load_catalog(home)
    horizon = within // timedelta(microseconds=1)
    model, _ = fit(TrainingSet(rows.vectors, rows.labels, rows.cutoffs, horizon), 0)
    rule = population_rule(objective)
    kept = [
        not feature.aggregate.grows and lookback_days(feature.aggregate.name) <= FIRST_DAY
        for feature in catalog.features
    ]
    column = catalog.names.index(rule.feature)
    windows = []
    with EventLog(home.events).connect(threads=1) as con:
        for day in range(FIRST_DAY, LAST_DAY, DAYS):
            cutoff = START + timedelta(days=day)
            table = compute_features(con, catalog, [cutoff])
            vectors = to_matrix(table, catalog.names)
            member = np.asarray([rule.contains(value) for value in vectors[:, column]])
            users = np.asarray(table.column("user_id").to_pylist(), dtype=np.str_)[member]
            scores = score(model, vectors[member])
            labels = label_users(con, objective.target, cutoff, users.tolist())
            daily = read_daily_counts(con, cutoff, DAYS)
            vectors = vectors[member][:, kept]
            start = cutoff - timedelta(days=DAYS)
            windows.append(Window(users, vectors, vectors, scores, labels, daily, start))
    features = [each for each, keep in zip(catalog.features, kept, strict=True) if keep]
    events = {each.name: each.event for each in features}
    return Weeks(tuple(each.name for each in features), events, windows)


def part(window: Window, rows: NDArray[np.intp]) -> Window:
    """Some of the users."""
    return replace(
        window,
        users=window.users[rows],
        vectors=window.vectors[rows],
        rebuilt=window.rebuilt[rows],
        scores=window.scores[rows],
        labels=window.labels[rows],
    )


def user_splits(weeks: Weeks, splits: int) -> list[tuple[Monitor, Window]]:
    """Random halves of one week's users, a week after the other."""
    rng = np.random.default_rng(0)
    pairs = []
    for number in range(splits):
        window = weeks.windows[number % len(weeks.windows)]
        order = rng.permutation(len(window.users))
        half = len(order) // 2
        one, other = part(window, order[:half]), part(window, order[half:])
        pairs.append((Monitor(one, weeks.names, weeks.events), other))
    return pairs


def adjacent_weeks(weeks: Weeks) -> list[tuple[Monitor, Window]]:
    """Each week against the week before, whose model was trained 4, 8 and 12 weeks earlier."""
    windows = weeks.windows
    return [
        (Monitor(windows[at], weeks.names, weeks.events, (), windows[at % 4 : at : 4][-3:]), after)
        for at, after in enumerate(windows[1:])
        if at >= 8
    ]
