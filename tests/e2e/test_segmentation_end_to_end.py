"""Kinds of users, from their events to served segments, their monitor and their page."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import orjson
import pytest

from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.live_model import served_bundle
from tidemill.objective import load_objective
from tidemill.predictions import read_predictions
from tidemill.registry import Registry
from tidemill.report.facts import gather
from tidemill.report.page import render_page
from tidemill_monitoring.monitor import run_monitor
from tidemill_monitoring.segmenting.inputs import SegmentInputs
from tidemill_monitoring.verdicts import Concern, Status
from tidemill_pipelines import steps
from tidemill_serving.forms import form_of
from tidemill_serving.repository import Repository, promoted
from tidemill_serving.stored_rows import Query

OBJECTIVE = """
apiVersion: tidemill.dev/v1alpha1
kind: Objective
metadata: {name: drinkers}
spec:
  segmentation:
    factors:
      - {name: tea, event: tea, within: 56d}
      - {name: coffee, event: coffee, within: 56d}
    segments: {max: 5}
"""
USERS, DAYS = 240, 120
KINDS = [{"tea": 0.5, "coffee": 0.03}, {"tea": 0.03, "coffee": 0.5}, {"tea": 0.5, "coffee": 0.5}]
"""Chances of a drink on a day."""


def drinks(events_of, kinds):
    rng = np.random.default_rng(0)
    rows = []
    for user in range(USERS):
        for name, chance in kinds[user % len(kinds)].items():
            days = np.flatnonzero(rng.random(DAYS) < chance)
            rows += [{"user": f"u{user:03}", "name": name, "days_ago": day + 0.5} for day in days]
    return events_of(*rows)


@pytest.fixture(scope="module")
def objective(tmp_path_factory):
    path = tmp_path_factory.mktemp("objective") / "drinkers.yaml"
    path.write_text(OBJECTIVE)
    return load_objective(path)


@pytest.fixture(scope="module")
def train(objective):
    """One run of all steps; whether it went live, and its evaluation."""

    def run(home, cutoff, folder):
        folder.mkdir()
        names = ("plan", "dataset", "model", "evaluation")
        plan, dataset, model, evaluation = (str(folder / name) for name in names)
        root, text = str(home.root), objective.model_dump_json()
        steps.validate(root, text, cutoff.isoformat(), plan)
        steps.build_training_set(root, text, plan, dataset)
        steps.train(text, dataset, model)
        steps.evaluate(root, text, dataset, model, evaluation)
        version = steps.register(root, text, dataset, model, evaluation, "test")
        passed = steps.gate(root, text, version, evaluation)
        if passed:
            steps.promote(root, text, version, plan, evaluation)
        return passed, json.loads(Path(evaluation).read_text())

    return run


@pytest.fixture(scope="module")
def home(tmp_path_factory, events_of):
    home = Home(tmp_path_factory.mktemp("segments") / "home")
    EventLog(home.events).append(drinks(events_of, KINDS))
    return home


@pytest.fixture(scope="module")
def first(home, train, cutoff, tmp_path_factory):
    return train(home, cutoff - timedelta(days=14), tmp_path_factory.mktemp("first") / "run")


@pytest.fixture(scope="module")
def second(home, first, train, cutoff, tmp_path_factory):
    return train(home, cutoff, tmp_path_factory.mktemp("second") / "run")


@pytest.fixture
def served(home, second):
    repository = Repository(home, promoted(home, ["drinkers"]))
    repository.load()
    return repository.get("drinkers")


def test_planted_kinds_go_live(first):
    """Three segments, called by what their users drink."""
    passed, evaluation = first
    assert passed
    assert [each["users"] for each in evaluation["segments"]] == [USERS // 3] * 3
    assert len({each["name"] for each in evaluation["segments"]}) == 3
    assert evaluation["verdict"].startswith("first segmentation; 3 segments, each apart")


def test_ids_stay_when_trained_again(first, second):
    """Fourteen days later the same users carry the same ids."""
    names = [{each["id"]: each["name"] for each in run[1]["segments"]} for run in (first, second)]
    assert names[0] == names[1]
    assert sorted(second[1]["kept"]) == ["S1", "S2", "S3"]
    assert "3 of 3 segments of the champion stay" in second[1]["verdict"]


def test_everybody_is_served_their_segment(home, served):
    """Users of one kind are in one segment, and the answer is in the log."""
    answer = served.predict(Query(users=[f"u{user:03}" for user in range(USERS)]))
    assert {len(set(answer.segments[kind::3])) for kind in range(3)} == {1}
    assert len(set(answer.segments)) == 3
    logged = list(read_predictions(home.predictions("drinkers")))[-1]
    assert logged.grades == answer.segments
    assert logged.model_version == "2"


def test_a_stranger_has_no_segment(served):
    """Said as a cold start, not guessed."""
    answer = served.predict(Query(users=["nobody", "u001"]))
    body = orjson.loads(form_of(served).write_v1(answer))
    stranger, known = body["predictions"]
    assert (stranger["segment"], stranger["name"], stranger["cold_start"]) == (None, None, True)
    assert known["segment"] in ("S1", "S2", "S3")
    assert 0 < known["confidence"] <= 1


def test_outputs_of_the_protocol_have_a_value_for_each_user(served):
    """Name, datatype and shape of each are told before."""
    form, answer = form_of(served), served.predict(Query(vectors=np.zeros((2, 3), np.float32)))
    values = form.values(answer)
    assert values.keys() == form.outputs.keys()
    assert {len(each) for each in values.values()} == {2}
    assert form.shape("segment", answer) == [2]
    assert form.inputs(served.model)[1]["shape"] == [-1, 3]


def test_the_monitor_judges_segments(home, objective, served, cutoff):
    """Rebuilt exactly, and with the shares of training."""
    served.predict(Query(users=[f"u{user:03}" for user in range(USERS)]))
    with EventLog(home.events).connect() as con:
        run, _ = run_monitor(SegmentInputs(home, objective, con, cutoff, 21), print)
    status = {verdict.concern: verdict.status for verdict in run.verdicts}
    assert status[Concern.SKEW] is Status.OK
    assert status[Concern.DRIFT] is Status.OK
    assert not run.decision.retrain


def test_the_page_describes_every_segment(home, objective, second):
    """Its id, its words, and how often each number of segments was tried."""
    page = render_page(gather(home, objective), datetime.now(UTC))
    assert "Which kinds of users are there, by tea, coffee?" in page
    for each in second[1]["segments"]:
        assert f"<strong>{each['id']}</strong>" in page
        assert each["name"] in page


def test_no_kinds_are_a_refusal_with_numbers(train, events_of, cutoff, tmp_path, objective):
    """A normal outcome: registered, not live, and the reason stands beside the version."""
    home = Home(tmp_path / "home")
    EventLog(home.events).append(drinks(events_of, [{"tea": 0.1, "coffee": 0.1}]))
    passed, evaluation = train(home, cutoff, tmp_path / "run")
    assert not passed
    assert evaluation["verdict"].startswith("no stable segments: none of 2 to 5 segments is real")
    assert "there is no gap" in evaluation["verdict"]
    (version,) = Registry(home).versions("drinkers")
    assert version["tags"]["tidemill.gate"] == evaluation["verdict"]
    assert Registry(home).outcome("drinkers").outcome == "refused"
    with pytest.raises(Exception, match="no live model"):
        served_bundle(home, "drinkers")
