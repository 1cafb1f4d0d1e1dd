"""While an experiment runs, everybody is offered what their arm says, and the log says which."""

from itertools import pairwise

import experiment_kit as trial
import pytest
import recommender_kit as kit
from recommender_kit import lists

from tidemill.experiments.running import ExperimentBook
from tidemill.recommendation.shown import read_shown
from tidemill_serving.recommendation_query import Options, RecommendationQuery
from tidemill_serving.repository import Repository, promoted

EVERYBODY = [f"u{number}" for number in range(kit.USERS)]


@pytest.fixture
def tried(tmp_path):
    """Version 1 is live; version 2, the challenger, offers lists of its own length."""
    home = kit.prepare_home(tmp_path / "home")
    kit.write_recommender(home.served(kit.NAME) / "2", count=7, bias=1.0)
    return home


def load(home):
    repository = Repository(home, promoted(home, []))
    repository.load()
    return repository, repository.get(kit.NAME)


def wanted(user, arm):
    """The items of a list of version 1, or of version 2, which are more."""
    history = kit.history_of(int(user[1:]))
    excluded = next(iter(history.excluded))
    if arm == "none":
        return []
    if arm == "simple":
        return kit.ranking(kit.logits_of(None, history.context), excluded)[:5]
    return kit.ranking(kit.logits_of(history), excluded)[: 7 if arm == "next" else 5]


def test_everybody_is_offered_what_the_arm_says(tried):
    """The champion's items, the challenger's, what is popular, or nothing."""
    experiment = trial.start(tried, kit.NAME)
    answer = load(tried)[1].predict(RecommendationQuery(EVERYBODY))
    arms = [experiment.assign(user).name for user in EVERYBODY]
    assert list(answer.exposed.arms) == arms
    assert set(arms) == {"live", "next", "simple", "none"}
    for user, arm, items in zip(EVERYBODY, arms, lists(answer), strict=True):
        assert items == wanted(user, arm), (user, arm)
    versions = {"live": "1", "next": "2", "simple": "1", "none": ""}
    assert answer.versions == [versions[arm] for arm in arms]
    assert answer.model_version == "1"


def test_each_model_logs_its_own_lists(tried):
    """One record a bundle under one id; arm, probability and who answered for every row."""
    experiment = trial.start(tried, kit.NAME)
    answer = load(tried)[1].predict(RecommendationQuery(EVERYBODY), "asked")
    records = list(read_shown(tried.predictions(kit.NAME)))
    assert {record.prediction_id for record in records} == {"asked"}
    assert sorted(record.model_version for record in records) == ["1", "2"]
    shown = dict(zip(EVERYBODY, lists(answer), strict=True))
    for record in records:
        arms = [experiment.assign(user) for user in record.users]
        assert record.arms == [arm.name for arm in arms]
        assert record.arm_probabilities == [float(arm.share) for arm in arms]
        assert record.serves == [arm.serve for arm in arms]
        assert record.items == [shown[user] for user in record.users]


def test_the_rule_repeats_nothing_that_may_not_be_repeated(tmp_path):
    """The history is hidden from the ranking and still excluded from the offers."""
    home = kit.prepare_home(tmp_path / "home", repeats=False)
    experiment = trial.start(home, kit.NAME)
    users = trial.users_in(experiment, "simple")
    answer = load(home)[1].predict(RecommendationQuery(users, options=Options(k=10)))
    for user, items in zip(users, lists(answer), strict=True):
        history = kit.history_of(int(user[1:]))
        without = [*history.items, next(iter(history.excluded))]
        assert items == kit.ranking(kit.logits_of(None, history.context), *without)[:10]


def test_visitors_without_an_id_take_no_part(tried):
    """A session is nobody's: the champion answers, and the log has no arm."""
    trial.start(tried, kit.NAME)
    query = RecommendationQuery(["u1", None], {1: ["i5"]})
    answer = load(tried)[1].predict(query)
    assert (answer.exposed.arms[1], answer.exposed.serves[1], answer.versions[1]) == (
        None,
        None,
        "1",
    )


def test_starting_and_ending_are_followed(tried):
    """Without loading the champion again."""
    repository, served = load(tried)
    seen = []
    for change in (
        lambda: None,
        lambda: trial.start(tried, kit.NAME),
        lambda: ExperimentBook(tried).end(kit.NAME, "enough", trial.STARTED),
    ):
        change()
        repository.refresh()
        seen.append(served.predict(RecommendationQuery(["u1"])).exposed.experiment)
    assert seen == [None, f"{kit.NAME}-1", None]
    assert repository.get(kit.NAME) is served


def test_a_catalogue_is_followed_in_every_arm(tried):
    """What is no longer offered is offered by no arm's model."""
    trial.start(tried, kit.NAME)
    repository, served = load(tried)
    kit.fill_catalogue(tried, items=kit.ITEMS[:5])
    repository.refresh()
    answer = served.predict(RecommendationQuery(EVERYBODY))
    assert {item for items in lists(answer) for item in items} <= set(kit.ITEMS[:5])


def test_positions_are_randomised_within_every_arm(tmp_path):
    """Lists still say with what probability an item stood where."""
    home = kit.prepare_home(tmp_path / "home", randomise=0.5)
    trial.start(home, kit.NAME)
    answer = load(home)[1].predict(RecommendationQuery(EVERYBODY))
    ranked = [all(a >= b for a, b in pairwise(row)) for row in answer.scores[:, :5].tolist()]
    assert not all(ranked)
    assert (answer.probabilities[answer.lengths == 0] == 0).all()


def test_the_command_prints_the_arm_beside_each_list(tried, request):
    """A user who is refused a list by the arm is not told that nothing could be found."""
    experiment = trial.start(tried, kit.NAME)
    refused = next(user for user in EVERYBODY if experiment.assign(user).name == "none")
    offered = next(user for user in EVERYBODY if experiment.assign(user).name == "simple")
    command = request.getfixturevalue("kit")  # not the module of that name
    shown = command.run_cli(tried, "predict", kit.NAME, refused, offered).stdout
    lines = shown.splitlines()
    assert any(refused in line and "as the arm says" in line and "none" in line for line in lines)
    assert any(offered in line and "simple" in line for line in lines)
