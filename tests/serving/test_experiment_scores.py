"""While an experiment runs, everybody is scored as their arm says, and the log says which."""

import math
from decimal import Decimal

import experiment_kit as trial
import numpy as np
import pytest

from tidemill.bundle import RecencyRule
from tidemill.experiments.running import Allocation, ExperimentBook
from tidemill.predictions import read_predictions
from tidemill_serving.repository import Repository, promoted
from tidemill_serving.stored_rows import Query

VERSIONS = {"live": "1", "next": "2", "simple": "1", "none": ""}


@pytest.fixture
def tried(home, kit):
    """Version 1 is live and carries its rule, version 2 is the challenger."""
    rule = RecencyRule(feature=kit.FEATURES[0], absent=False)
    kit.write_bundle(home.served(kit.OBJECTIVE) / "1", rule=rule)
    kit.write_bundle(home.served(kit.OBJECTIVE) / "2", bias=1.0)
    return home


def load(home, kit):
    repository = Repository(home, promoted(home, []))
    repository.load()
    return repository, repository.get(kit.OBJECTIVE)


def expected(kit, user, arm):
    vector = kit.vector_of(int(user[1:]))
    if arm == "simple":
        return 1 / (1 + vector[0])
    return math.nan if arm == "none" else kit.expected_score(vector, 1.0 if arm == "next" else -1.0)


def test_everybody_is_scored_as_the_arm_says(tried, kit):
    """By the champion, the challenger, the rule, or not at all; in the order of the question."""
    experiment = trial.start(tried, kit.OBJECTIVE)
    users = [f"u{number}" for number in range(60)]
    answer = load(tried, kit)[1].predict(Query(users=users))
    arms = [experiment.assign(user).name for user in users]
    assert list(answer.exposed.arms) == arms
    assert set(arms) == set(VERSIONS)
    wanted = [expected(kit, user, arm) for user, arm in zip(users, arms, strict=True)]
    np.testing.assert_allclose(answer.scores, wanted, rtol=1e-5)
    assert answer.versions == [VERSIONS[arm] for arm in arms]
    assert [grade == "" for grade in answer.grades] == [arm == "none" for arm in arms]


def test_each_model_logs_its_own_vectors(tried, kit):
    """One record a bundle under one id; arm, probability and who answered for every row."""
    experiment = trial.start(tried, kit.OBJECTIVE)
    users = [f"u{number}" for number in range(60)]
    load(tried, kit)[1].predict(Query(users=users), "asked")
    records = list(read_predictions(tried.predictions(kit.OBJECTIVE)))
    assert {record.prediction_id for record in records} == {"asked"}
    assert {record.model_version for record in records} == {"1", "2"}
    for record in records:
        arms = [experiment.assign(user) for user in record.users]
        assert record.experiment == f"{kit.OBJECTIVE}-1"
        assert record.arms == [arm.name for arm in arms]
        assert record.arm_probabilities == [float(arm.share) for arm in arms]
        assert record.serves == [arm.serve for arm in arms]
        assert (np.isnan(record.scores) == [arm.name == "none" for arm in arms]).all()
        stored = [kit.vector_of(int(user[1:])) for user in record.users]
        assert record.vectors.tobytes() == np.stack(stored).tobytes()
        heard = record.by_champion(len(arms)).tolist()
        assert heard == [arm.name == "live" for arm in arms]


def test_the_rule_is_graded_among_its_own_scores(tried, kit):
    """The same share of users gets an A by the rule as by the model."""
    trial.start(tried, kit.OBJECTIVE, arms=[
        {"name": "model", "share": "50%", "serve": "champion"},
        {"name": "rule", "share": "50%", "serve": "rule"},
    ])  # fmt: skip
    users = [f"u{number}" for number in range(kit.USERS)]
    answer = load(tried, kit)[1].predict(Query(users=users))
    recent = [number % 100 for number in range(kit.USERS)]
    for days, grade, arm in zip(recent, answer.grades, answer.exposed.arms, strict=True):
        if arm == "rule":
            assert (grade == "A") == (days <= 6)


@pytest.mark.parametrize("wrong", ["no folder", "no rule"])
def test_who_cannot_be_served_as_declared_gets_the_champion(home, kit, wrong):
    """And stays in the arm: leaving them out would bias what is compared."""
    serve = "challenger" if wrong == "no folder" else "rule"
    experiment = trial.start(home, kit.OBJECTIVE, arms=[
        {"name": "live", "share": "50%", "serve": "champion"},
        {"name": "other", "share": "50%", "serve": serve},
    ])  # fmt: skip
    user = trial.user_in(experiment, "other")
    answer = load(home, kit)[1].predict(Query(users=[user]))
    assert answer.versions == ["1"]
    assert (answer.exposed.arms, answer.exposed.serves) == (["other"], ["champion"])


def test_who_takes_no_part_is_served_by_the_champion(tried, kit):
    """Outside the layer's part, and rows that the caller brings."""
    layer = {"name": "pages", "start": "0%", "share": "50%"}
    experiment = trial.start(tried, kit.OBJECTIVE, arms=trial.FOUR, layer=layer)
    predictor = load(tried, kit)[1]
    user = trial.user_in(experiment, None)
    outside = predictor.predict(Query(users=[user]))
    nobody = predictor.predict(Query(vectors=np.ones((1, 3), dtype=np.float32)))
    for answer in (outside, nobody):
        assert (answer.exposed.arms, answer.versions) == ([None], ["1"])
        assert answer.exposed.experiment == experiment.name


def test_a_holdout_is_a_share_without_scores(tried, kit):
    """`holdout: 25%`: a quarter gets none, everybody else the champion's, whichever it is."""
    experiment = trial.start(tried, kit.OBJECTIVE, holdout="25%")
    answer = load(tried, kit)[1].predict(Query(users=[f"u{number}" for number in range(60)]))
    held = [arm == "holdout" for arm in answer.exposed.arms]
    assert (np.isnan(answer.scores) == held).all()
    assert len(trial.users_in(experiment, "holdout")) == sum(held) > 5


def test_starting_and_ending_are_followed(tried, kit):
    """Within a second and without loading the champion again."""
    repository, predictor = load(tried, kit)
    query = Query(users=[f"u{number}" for number in range(60)])
    assert predictor.predict(query).exposed.experiment is None
    trial.start(tried, kit.OBJECTIVE)
    repository.refresh()
    assert predictor.predict(query).exposed.experiment == f"{kit.OBJECTIVE}-1"
    ExperimentBook(tried).end(kit.OBJECTIVE, "enough", trial.STARTED)
    repository.refresh()
    assert predictor.predict(query).exposed.experiment is None
    assert repository.get(kit.OBJECTIVE) is predictor


def test_a_damaged_file_stops_no_server(tried, kit):
    """The champion is served as if nothing ran."""
    trial.start(tried, kit.OBJECTIVE)
    tried.running_experiment(kit.OBJECTIVE).write_text('{"number": 1}')
    assert load(tried, kit)[1].predict(Query(users=["u1"])).exposed.experiment is None


def test_the_shadow_sees_the_champion_s_rows_alone(tried, kit):
    """What the challenger's arm was answered is no question to the champion."""
    experiment = trial.start(tried, kit.OBJECTIVE)
    predictor = load(tried, kit)[1]
    offered = []
    predictor.shadow = type("Shadow", (), {"offer": lambda _, record: offered.append(record)})()
    predictor.predict(Query(users=[f"u{number}" for number in range(60)]))
    (record,) = offered
    assert not set(record.users) & set(trial.users_in(experiment, "next"))


def test_a_bandit_s_newest_shares_hold(tried, kit):
    """From their day on; the log has the day's probability."""
    halves = [
        {"name": "a", "share": "50%", "serve": "champion"},
        {"name": "b", "share": "50%", "serve": "champion"},
    ]
    trial.start(tried, kit.OBJECTIVE, arms=halves, bandit=True)
    shares = (Decimal("0.2"), Decimal("0.8"))
    allocation = Allocation(trial.STARTED.date(), shares)
    ExperimentBook(tried).allocate(kit.OBJECTIVE, allocation)
    answer = load(tried, kit)[1].predict(Query(users=[f"u{n}" for n in range(kit.USERS)]))
    probabilities = dict(zip(answer.exposed.arms, answer.exposed.arm_probabilities, strict=True))
    assert probabilities == {"a": 0.2, "b": 0.8}
    assert 0.1 < list(answer.exposed.arms).count("a") / kit.USERS < 0.3
