"""What is read from the prediction log, placed in time by cutoff."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from tidemill.bundle import BundleMetadata, PopulationRule
from tidemill.predictions import Predictions, hash_features
from tidemill_monitoring.served import ServedHistory, read_served

FEATURES = ("any__days_since_last", "order__count_7d")
AT = datetime(2018, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
BUNDLE = BundleMetadata(
    objective="orders",
    objective_hash="0",
    feature_view="user_activity",
    features=FEATURES,
    horizon_days=7,
    population=PopulationRule(feature=FEATURES[0], max_days=90),
    base_rate=0.1,
    grade_thresholds=(0.3, 0.2, 0.1),
    grade_lift={},
    metrics={},
    training_cutoffs=(),
    test_cutoffs=(),
    data_fingerprint="",
    seed=0,
    packages={},
)


def answer(
    cutoff: datetime,
    *users: str | None,
    version: str = "1",
    recency: float = 1.0,
    score: float = 0.5,
    cold: bool = False,
    features: tuple[str, ...] = FEATURES,
) -> Predictions:
    rows = len(users)
    return Predictions(
        prediction_id="p",
        requested_at=0,
        objective="orders",
        model_version=version,
        feature_hash=hash_features(features),
        users=users,
        cutoffs=np.full(rows, int(cutoff.timestamp() * 1e6)),
        cold_start=np.full(rows, cold),
        scores=np.full(rows, score),
        grades=["A"] * rows,
        vectors=np.full((rows, len(features)), recency, dtype=np.float32),
    )


def read(*log: Predictions) -> ServedHistory:
    return read_served(
        log,
        features=FEATURES,
        bundle_of=lambda version: None if version == "gone" else BUNDLE,
        at=AT,
        window=7 * DAY,
        known_at=AT - 7 * DAY,
    )


def test_only_vectors_of_the_window_are_kept() -> None:
    """The window ends at, and includes, the monitored instant."""
    history = read(
        answer(AT - 8 * DAY, "old"),
        answer(AT - DAY, "in"),
        answer(AT, "now"),
        answer(AT + DAY, "x"),
    )
    assert history.vectors.users.tolist() == ["in", "now"]


def test_the_newest_vector_stands_for_a_user() -> None:
    """One row per user, whatever was asked how often."""
    vectors = read(answer(AT, "a", score=0.9), answer(AT - DAY, "a", "b")).vectors
    newest = vectors.newest_per_user()
    assert dict(zip(vectors.users[newest], vectors.scores[newest], strict=True)) == {
        "a": 0.9,
        "b": 0.5,
    }


def test_cold_starts_strangers_and_foreign_layouts_are_left_out() -> None:
    """No vector, outside the population, or of another model's layout."""
    history = read(
        answer(AT, "cold", cold=True),
        answer(AT, None),
        answer(AT, "inactive", recency=91.0),
        answer(AT, "missing", recency=float("nan")),
        answer(AT, "other", features=(*FEATURES, "more")),
        answer(AT, "unknown", version="gone"),
    )
    assert not len(history.vectors.users)
    assert history.first_cutoff is None


def test_an_answer_is_closed_one_horizon_later() -> None:
    """At exactly one horizon it is, a microsecond less it is not."""
    edge = AT - 7 * DAY
    closed = read(answer(edge, "yes"), answer(edge + timedelta(microseconds=1), "no")).closed
    assert closed is not None
    assert closed.users.tolist() == ["yes"]


def test_one_version_is_judged_at_a_time() -> None:
    """The one that answered most users of the newest closed window."""
    cutoff = AT - 7 * DAY
    closed = read(
        answer(cutoff, "a", "b", "c", version="2"), answer(cutoff, "d", version="3")
    ).closed
    assert closed is not None
    assert (closed.version, len(closed.users)) == ("2", 3)


def test_without_closed_answers_the_first_cutoff_tells_when_they_close() -> None:
    """Needed for the date in an undecided verdict."""
    history = read(answer(AT - DAY, "a"), answer(AT - 2 * DAY, "b"))
    assert history.closed is None
    assert history.first_cutoff == AT - 2 * DAY


def test_closed_answers_bring_the_vectors_that_were_read() -> None:
    """Of the same answers as their scores."""
    edge = AT - 7 * DAY
    closed = read(answer(edge - DAY, "a", recency=3.0), answer(edge, "a", "b", recency=2.0)).closed
    assert closed is not None
    assert closed.users.tolist() == ["a", "b"]
    assert closed.vectors.tolist() == [[2.0, 2.0], [2.0, 2.0]]


def test_only_the_newest_window_with_outcomes_is_kept() -> None:
    """However long the log is; requests of one row are as many as those of a batch."""
    edge = AT - 7 * DAY
    old = [answer(edge - 8 * DAY, f"old {number}") for number in range(1_100)]
    new = [answer(edge, f"new {number}") for number in range(1_100)]
    closed = read(*old, *new).closed
    assert closed is not None
    assert len(closed.users) == 1_100
    assert {user[:3] for user in closed.users.tolist()} == {"new"}


def test_the_last_answer_from_the_same_row_counts() -> None:
    """Asked twice, answered by two versions: the later in the log is what was used."""
    vectors = read(answer(AT, "a", version="1", score=0.1), answer(AT, "a", score=0.9)).vectors
    assert vectors.scores.tolist() == [0.9]


def test_versions_whose_bundles_are_gone_are_named() -> None:
    """Their answers are left out, which a verdict may want to say."""
    assert read(answer(AT, "x", version="gone"), answer(AT, "a")).gone_versions == ("gone",)


def test_every_row_that_was_read_in_the_window_is_kept_once() -> None:
    """Skew is looked for in all of them, not only in a user's newest."""
    vectors = read(answer(AT - DAY, "a", "b"), answer(AT, "a"), answer(AT, "a")).vectors
    assert vectors.users.tolist() == ["a", "b", "a"]


def test_what_other_arms_answered_is_not_the_champion_s() -> None:
    """Of an experiment, only the champion's arm and those who take no part are judged."""
    serves = ("champion", "challenger", "rule", "nothing", None)
    users = ("live", "next", "simple", "none", "outside")
    mixed = replace(
        answer(AT - 7 * DAY, *users),
        experiment="orders-1",
        arms=("live", "next", "simple", "none", None),
        arm_probabilities=(0.4, 0.3, 0.2, 0.1, None),
        serves=serves,
    )
    closed = read(mixed).closed
    assert closed is not None
    assert sorted(closed.users) == ["live", "outside"]
