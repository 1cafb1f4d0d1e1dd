"""Every answer is in the prediction log before it is given, with the vector the model read."""

import time

import numpy as np

from tidemill.predictions import hash_features, read_predictions


def logged(home, kit, prediction_id):
    records = read_predictions(home.predictions(kit.OBJECTIVE))
    return next(record for record in records if record.prediction_id == prediction_id)


def test_the_logged_vector_is_the_stored_one(server, kit):
    """Bit for bit, missing values included; a stranger's row is all missing."""
    answer = server.infer(kit.users_request("u7", "nobody", "u5", id="logged-users"))
    record = logged(server.home, kit, "logged-users")
    assert list(record.users) == ["u7", "nobody", "u5"]
    stored = np.stack([kit.vector_of(7), np.full(3, np.nan, dtype=np.float32), kit.vector_of(5)])
    assert record.vectors.tobytes() == stored.tobytes()
    assert record.scores.tolist() == answer.column("score")
    assert list(record.grades) == answer.column("grade")
    assert record.cold_start.tolist() == [False, True, False]
    assert record.cutoffs.tolist() == [kit.CUTOFF, 0, kit.CUTOFF]


def test_the_record_says_which_model_and_when(server, kit):
    """Objective, version, layout, and the time of the request."""
    before = time.time_ns() // 1_000
    server.infer(kit.users_request("u1", id="logged-when"))
    record = logged(server.home, kit, "logged-when")
    assert before <= record.requested_at <= time.time_ns() // 1_000
    assert (record.objective, record.model_version) == (kit.OBJECTIVE, "1")
    assert record.feature_hash == hash_features(kit.FEATURES)


def test_features_of_the_caller_are_logged_without_a_user(server, kit):
    """There is nobody to name, but the vector is there."""
    server.infer(kit.features_request([[3, 2, 20.5]], id="logged-features"))
    record = logged(server.home, kit, "logged-features")
    assert list(record.users) == [None]
    assert record.vectors.tolist() == [[3.0, 2.0, 20.5]]


def test_what_cannot_be_logged_is_not_served(start_server, home, kit):
    """503 while the log refuses, the cause on stderr, and a count; service resumes after."""
    blocker = home.predictions(kit.OBJECTIVE)
    blocker.parent.mkdir(parents=True)
    blocker.write_text("a file where the folder should be")
    server = start_server()
    refused = server.infer(kit.users_request("u1"))
    assert refused.status == 503
    assert "prediction log" in refused.json["error"]
    assert str(home.root) not in refused.json["error"]
    assert "prediction refused" in server.log()
    failures = f'tidemill_prediction_log_failures_total{{model="{kit.OBJECTIVE}"}} 1'
    assert failures in server.get("/metrics").body.decode()
    blocker.unlink()
    assert server.infer(kit.users_request("u1")).status == 200


def test_without_an_online_store_only_features_are_served(start_server, home, kit):
    """A missing store is the server's trouble (503), and is gone when the store appears."""
    home.online_store.rename(home.root / "away.db")
    server = start_server()
    refused = server.infer(kit.users_request("u1"))
    assert refused.status == 503
    assert "user_id" in refused.json["error"]
    assert server.infer(kit.features_request([[1, 2, 3]])).status == 200
    (home.root / "away.db").rename(home.online_store)
    assert server.infer(kit.users_request("u1")).status == 200
