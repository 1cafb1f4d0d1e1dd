"""Grades are shares of the population that is served now, not of the one trained on."""

from contextlib import closing

import numpy as np
import pytest

from tidemill.grading import grade_thresholds
from tidemill.online import open_online_reader
from tidemill_serving.model import load_model
from tidemill_serving.population import select_population, served_thresholds
from tidemill_serving.predictor import Predictor, ThreadLogs
from tidemill_serving.stored_rows import Query


@pytest.fixture
def model(home, kit):
    return load_model(home.served(kit.OBJECTIVE) / "1", kit.OBJECTIVE, "1")


def reader(home, kit):
    return open_online_reader(home, kit.VIEW, kit.FEATURES)


def test_cut_points_come_from_users_inside_the_population_rule(home, kit, model):
    """Users last seen more than 60 days ago do not move the grades."""
    inside = [n for n in range(kit.USERS) if kit.vector_of(n)[0] <= 60]
    scores = np.array([kit.expected_score(kit.vector_of(number)) for number in inside])
    wanted = grade_thresholds(scores, (0.1, 0.2, 0.3))
    assert served_thresholds(model, reader(home, kit))[0] == pytest.approx(wanted, abs=1e-6)


def test_a_small_population_keeps_the_cut_points_of_training(tmp_path, kit, model):
    """Below 100 users quantiles are noise."""
    home = kit.Home(tmp_path / "small")
    writer = kit.open_online_writer(home)
    writer.write(kit.VIEW, kit.FEATURES, [("u1", 1, kit.vector_of(1).tobytes())])
    assert served_thresholds(model, reader(home, kit))[0] == (0.9, 0.8, 0.7)


def test_a_missing_recency_is_outside_the_population(kit):
    """NaN is not at most 60."""
    vectors = np.array([[1, 0, 0], [61, 0, 0], [np.nan, 0, 0]], dtype=np.float32)
    assert select_population(vectors, kit.metadata()).tolist() == [[1, 0, 0]]


def test_grades_follow_the_online_store(start_server, home, kit):
    """When everybody's score rises, yesterday's A is judged against today's population."""
    server = start_server()
    row = kit.features_request([[10, 3, 20]])
    assert server.infer(row).column("grade") == ["B"]
    kit.fill_store(home, shift=-40.0, cutoff=kit.CUTOFF + 1)
    server.wait_for(lambda: server.infer(row).column("grade") == ["A"], seconds=5)


def test_pushes_alone_move_the_cut_points_after_a_while(home, kit, model, monkeypatch):
    """Not with every push: taking them reads the population. A batch is followed at once."""
    predictor = Predictor(model, home, ThreadLogs(home.predictions(kit.OBJECTIVE)))
    row = Query(vectors=np.array([[10, 3, 20]], dtype=np.float32))
    predictor.refresh()
    assert predictor.predict(row).grades == ["B"]
    with closing(kit.open_online_writer(home)) as writer:
        writer.update(kit.VIEW, kit.FEATURES, kit.rows(shift=-40.0, cutoff=kit.CUTOFF + 1))
    predictor.refresh()
    assert predictor.predict(row).grades == ["B"]
    monkeypatch.setattr("tidemill_serving.predictor._UPDATES_SECONDS", 0.0)
    predictor.refresh()
    assert predictor.predict(row).grades == ["A"]
