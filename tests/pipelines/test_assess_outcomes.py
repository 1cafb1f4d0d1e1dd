"""Whether the past tells the outcome, whether a rule would do, and who was exposed."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tidemill_features.catalog import Catalog, Signal
from tidemill_features.instants import in_microseconds
from tidemill_pipelines.assessing import drift, enough
from tidemill_pipelines.assessing.assessment import EXIT_CODES, Assessment
from tidemill_pipelines.assessing.findings import blocking, cannot_say, ok, warning
from tidemill_pipelines.assessing.material import Material
from tidemill_pipelines.assessing.need import judge_need
from tidemill_pipelines.assessing.selection import judge_selection
from tidemill_pipelines.assessing.skill import measure_skill
from tidemill_pipelines.assessing.telling import judge_curve, judge_signal
from tidemill_pipelines.dataset import Rows
from tidemill_pipelines.readiness import WindowCount
from tidemill_pipelines.windows import Windows

CATALOG = Catalog((Signal(None), Signal("order"), Signal("mail"), Signal("search")))
DAY = timedelta(days=1)
AT = datetime(2024, 6, 1, tzinfo=UTC)
WINDOWS = Windows(tuple(AT - n * 14 * DAY for n in (5, 4, 3, 2)), AT - 14 * DAY)
USERS = 400


def position(feature):
    return CATALOG.names.index(feature)


@pytest.fixture
def material_of(objective_of):
    """`material_of(odds, mailed)`: rows whose outcome has these log odds, by their features."""

    def build(odds, mailed=None, seed=0):
        rng = np.random.default_rng(seed)
        parts = [_rows(rng, odds, mailed, cutoff) for cutoff in (*WINDOWS.all, AT)]
        train = Rows(
            *(np.concatenate([getattr(p, key) for p in parts[:-2]]) for key in _ARRAYS),
            CATALOG.names,
        )
        return Material(
            None, None, objective_of(), AT, CATALOG, WINDOWS, train, parts[-2], parts[-1]
        )

    return build


_ARRAYS = ("users", "cutoffs", "labels", "vectors")


def _rows(rng, odds, mailed, cutoff):
    vectors = rng.gamma(1, 5, (USERS, len(CATALOG.names))).astype(np.float32)
    if mailed is not None:
        vectors[:, position("mail__count_ever")] = rng.random(USERS) < mailed
    own = [position(f"{event}__count_ever") for event in ("order", "mail", "search")]
    vectors[:, position("any__count_ever")] += vectors[:, own].sum(axis=1)
    chance = 1 / (1 + np.exp(-odds(lambda name: np.log1p(vectors[:, position(name)]))))
    users = np.array([f"u{n}" for n in range(USERS)])
    cutoffs = np.full(USERS, in_microseconds(cutoff))
    return Rows(users, cutoffs, rng.random(USERS) < chance, vectors, CATALOG.names)


def nothing(_):
    return np.full(USERS, -1.0)


def rich(value):
    """Two of the features that no rule of one line looks at."""
    return 2 * value("search__count_28d") - 2 * value("mail__count_28d")


def simple(value):
    return 12 - 6 * value("order__days_since_last")


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_not_ready(material_of, seed):
    """And there is no curve of it."""
    skill = measure_skill(material_of(nothing, seed=seed))
    assert judge_signal(skill).level == "blocking"
    assert judge_curve(skill.curve, has_signal=False).level == "cannot say"


@pytest.mark.parametrize("seed", range(5))
def test_a_signal_is_seen_and_a_model_is_worth_it(material_of, seed):
    """No rule of one line knows what the model knows."""
    skill = measure_skill(material_of(rich, seed=seed))
    assert judge_signal(skill).level == "ok"
    assert judge_need(skill, None).level == "ok"
    assert "doubling your users would add" in judge_curve(skill.curve, has_signal=True).seen


def test_where_a_rule_does_the_rule_is_named(material_of):
    """One line of SQL instead of a model."""
    found = judge_need(measure_skill(material_of(simple)), None)
    assert found.level == "warning"
    assert "`order__days_since_last`, lowest first" in found.seen


def test_the_rule_to_beat_is_no_worse_than_that_of_the_gate(material_of):
    """Even where another rule was better before: a model has to beat recency alone."""
    material = material_of(lambda value: 4 * value("order__count_28d") - 9)
    recency = position("order__days_since_last")
    material.test.vectors[:, recency] = np.where(material.test.labels, 1, np.nan)
    found = judge_need(measure_skill(material), None)
    assert "`order__days_since_last`, lowest first" in found.facts["rule"]
    assert found.facts["rule_auc"] == 1


def test_what_the_gap_is_worth(material_of):
    """Where the outcome's events carry a value."""
    found = judge_need(measure_skill(material_of(rich)), 12.5)
    assert "worth" in found.seen
    caught = found.facts["first_tenth"]
    assert caught["rule"] < caught["model"] <= USERS / 10


def test_earlier_windows_are_judged_by_what_had_closed(material_of):
    """The horizon is 14 days: the newest two training windows have closed ones before them."""
    assert len(measure_skill(material_of(rich)).earlier) == 2


def test_outcomes_that_only_the_exposed_have(material_of):
    """Without the mail next to nobody can; with it a third do."""
    found = judge_selection(
        material_of(lambda value: np.where(value("mail__count_ever") > 0, -0.7, -9.0), mailed=0.5)
    )
    assert found.level == "warning"
    assert "without `mail`" in found.seen.lower()


def test_a_mail_that_changes_nothing_is_no_exposure(material_of):
    """Half of the users got it, and do as the others."""
    assert judge_selection(material_of(rich, mailed=0.5)).level == "ok"


def test_rates_that_move_beyond_chance():
    """Three times as many in one window."""
    calm = [WindowCount("2024-01-01", 1_000, positives) for positives in (95, 110, 100)]
    assert drift.judge_rate(calm).level == "ok"
    assert drift.judge_rate([*calm, WindowCount("", 1_000, 300)]).level == "warning"


def test_a_population_that_changed(material_of):
    """Everybody is ten times as active as in any window before."""
    material = material_of(rich)
    assert drift.judge_population(material).level == "ok"
    material.current.vectors[:, position("any__count_28d")] *= 10
    found = drift.judge_population(material)
    assert (found.level, found.facts["feature"]) == ("warning", "any__count_28d")


def test_newcomers(material_of):
    """Most of those predicted for now were not there when the newest outcomes began."""
    material = material_of(rich)
    tenure = position("any__days_since_first")
    material.current.vectors[:, tenure] = 300
    assert drift.judge_newcomers(material).level == "ok"
    material.current.vectors[: USERS * 3 // 4, tenure] = 5
    assert drift.judge_newcomers(material).level == "warning"


def test_windows_of_one_class_and_few_outcomes():
    """Both are said before anything is trained."""
    counts = [WindowCount("2024-01-01", 1_000, positives) for positives in (80, 90)]
    assert enough.judge_outcomes([*counts, WindowCount("", 900, 100)]).level == "ok"
    assert enough.judge_outcomes([*counts, WindowCount("", 900, 20)]).level == "warning"
    assert "one class alone" in enough.judge_outcomes([WindowCount("", 99, 0), *counts]).seen


def test_one_window_is_little_history():
    """Unless no more was asked for."""
    first, within = AT - 60 * DAY, 14 * DAY
    one = Windows((AT - 28 * DAY,), AT - 14 * DAY)
    assert enough.judge_history(first, AT, within, one, asked=8).level == "warning"
    assert enough.judge_history(first, AT, within, one, asked=1).level == "ok"


def test_users_of_a_single_event(material_of):
    """Nothing tells them apart."""
    rows = material_of(rich).test
    assert enough.judge_coverage(rows).level == "ok"
    rows.vectors[: USERS * 3 // 4, position("any__count_ever")] = 1
    assert enough.judge_coverage(rows).level == "warning"


def test_the_smallest_effect_of_an_ab_test():
    """As the textbook has it: 5% against 6% needs about 16,300 users in all."""
    assert enough.detectable_difference(16_300, 0.055) == pytest.approx(0.01, rel=0.01)


def test_traffic(objective_of):
    """Fifty users show no effect that is not a doubling."""
    assert enough.judge_traffic(objective_of(), 5_000, 0.1).level == "ok"
    assert enough.judge_traffic(objective_of(), 50, 0.1).level == "warning"


def test_findings_are_plain_json():
    """Numbers of NumPy and infinities do not break the plan that the next step reads."""
    finding = ok("a", "", "", count=np.int64(3), lift=np.inf, rates=np.array([0.5]))
    facts = json.loads(json.dumps(finding.to_json()))["facts"]
    assert facts == {"count": 3, "lift": None, "rates": [0.5]}


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ([ok("a", "", "")], "ready"),
        ([ok("a", "", ""), cannot_say("b", "", "")], "ready"),
        ([ok("a", "", ""), warning("b", "", "", "")], "ready with warnings"),
        ([warning("a", "", "", ""), blocking("b", "", "", "")], "not ready"),
    ],
)
def test_the_verdict_is_that_of_the_worst_finding(found, verdict):
    """What nothing could be said about changes nothing."""
    assessment = Assessment("orders", "", AT, tuple(found), 1.0)
    assert assessment.verdict == verdict
    assert (assessment.refusal() is not None) == (EXIT_CODES[verdict] == 3)
