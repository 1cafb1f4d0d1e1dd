"""What was shown is in the prediction log before it is answered."""

import dataclasses
import os
import time
import zlib

import numpy as np
import pytest
import recommender_kit as kit
from recommender_kit import lists, recommend

from tidemill.predictions import PredictionLog, Predictions, count_predictions, read_predictions
from tidemill.recommendation.history import pack_history
from tidemill.recommendation.shown import Shown, ShownLog, count_shown, read_shown
from tidemill.segments import SegmentLog
from tidemill_serving.predictor import LogWriteError


def shown(name="a"):
    return Shown(
        prediction_id=name,
        requested_at=1_700_000_000_000_001,
        objective="offers",
        model_version="3",
        users=["u1", None],
        cutoffs=np.array([10**15, 0]),
        checksums=[2**32 - 1, 0],
        cold_start=np.array([False, True]),
        items=[["x", "ä"], []],
        scores=[[0.5, 0.25], []],
        probabilities=[[0.9, 1.0], []],
        k=2,
        filters={"item.brand": ["b", "c"]},
        exclude=["z"],
        experiment="offers-1",
        arms=["control", None],
        arm_probabilities=[0.05, None],
        serves=["champion", None],
    )


def prediction(name="p"):
    return Predictions(
        prediction_id=name,
        requested_at=1,
        objective="offers",
        model_version="3",
        feature_hash="0",
        users=["u1"],
        cutoffs=np.zeros(1, dtype=np.int64),
        cold_start=np.zeros(1, dtype=np.bool_),
        scores=np.zeros(1),
        grades=["A"],
        vectors=np.zeros((1, 2), dtype=np.float32),
    )


def test_a_record_comes_back_as_it_was(tmp_path):
    """Every field."""
    log = ShownLog(tmp_path)
    log.append(shown())
    (found,) = read_shown(tmp_path)
    for field in dataclasses.fields(Shown):
        np.testing.assert_equal(getattr(found, field.name), getattr(shown(), field.name))


def test_both_kinds_of_record_share_a_folder(tmp_path):
    """Readers and counters pass over the other kind."""
    for log, record in ((ShownLog, shown), (PredictionLog, prediction)):
        one = log(tmp_path)
        one.append(record("first"))
        one.append(record("second"))
    assert [found.prediction_id for found in read_shown(tmp_path)] == ["first", "second"]
    assert [found.prediction_id for found in read_predictions(tmp_path)] == ["first", "second"]
    assert (count_shown(tmp_path), count_predictions(tmp_path)) == (4, 2)


def test_both_kinds_of_record_share_a_segment(tmp_path):
    """An objective may have changed its type while a server ran."""
    scores, lists_ = PredictionLog(tmp_path / "a"), ShownLog(tmp_path / "b")
    scores.append(prediction())
    lists_.append(shown())
    frames = [next((tmp_path / name).iterdir()).read_bytes() for name in "ab"]
    mixed = SegmentLog(tmp_path / "mixed")
    for frame in (*frames, *frames):
        mixed.write(frame)
    folder = tmp_path / "mixed"
    assert (len(list(read_shown(folder))), len(list(read_predictions(folder)))) == (2, 2)
    assert (count_shown(folder), count_predictions(folder)) == (4, 2)


def test_a_torn_tail_loses_only_itself(tmp_path):
    """What a crash cut off was never acknowledged."""
    log = ShownLog(tmp_path)
    for name in "abc":
        log.append(shown(name))
    (segment,) = tmp_path.iterdir()
    os.truncate(segment, segment.stat().st_size - 5)
    assert [found.prediction_id for found in read_shown(tmp_path)] == ["a", "b"]
    assert count_shown(tmp_path) == 4


@pytest.fixture
def home(tmp_path):
    return kit.prepare_home(tmp_path / "home", randomise=0.5)


def test_the_record_is_the_answer(home):
    """Items as shown, with scores and probabilities, and what was asked for."""
    before = time.time_ns() // 1_000
    filters = {"item.brand": ("b1",)}
    answer = recommend(
        kit.open_recommender(home),
        *("u1", "nobody"),
        sessions=[["i5"]],
        k=12,
        filters=filters,
        exclude=["i2"],
    )
    (record,) = read_shown(home.predictions(kit.NAME))
    assert record.prediction_id == answer.prediction_id
    assert before <= record.requested_at <= time.time_ns() // 1_000
    assert (record.objective, record.model_version, record.k) == (kit.NAME, "1", 12)
    assert (record.filters, record.exclude) == ({"item.brand": ["b1"]}, ["i2"])
    assert (list(record.users), record.items) == (["u1", "nobody", None], lists(answer))
    for name in ("scores", "probabilities"):
        for said, row in zip(getattr(record, name), getattr(answer, name), strict=True):
            assert said == row[: len(said)].tolist()
    assert record.cold_start.tolist() == [False, True, False]


def test_the_record_names_the_history_that_was_read(home):
    """By its cutoff and its checksum, so that a rebuilt one can be compared."""
    recommend(kit.open_recommender(home), "u7", "nobody", sessions=[["i5"]])
    (record,) = read_shown(home.predictions(kit.NAME))
    assert record.cutoffs.tolist() == [kit.CUTOFF, 0, 0]
    assert record.checksums == [zlib.crc32(pack_history(kit.history_of(7))), 0, 0]


def test_what_cannot_be_logged_is_not_answered(home):
    """Nothing is given out that nobody would know of."""
    blocker = home.predictions(kit.NAME)
    blocker.parent.mkdir(parents=True)
    blocker.write_text("a file where the folder should be")
    with pytest.raises(LogWriteError, match="prediction log"):
        recommend(kit.open_recommender(home), "u1")
