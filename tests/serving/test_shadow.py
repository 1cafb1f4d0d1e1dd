"""A challenger in the champion's shadow: scored on the same questions, never heard, never felt."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from tidemill.bundle import MODEL_FILE
from tidemill.predictions import Predictions, count_predictions, read_predictions
from tidemill_serving.model import load_model
from tidemill_serving.shadow import Shadow

LOADED = "scoring coupon-redemption version 2 in the shadow"


def put_in_shadow(kit, home, version="2", **changes):
    served = home.served(kit.OBJECTIVE)
    kit.write_bundle(served / version, **changes)
    (served / "shadow").symlink_to(version)


def in_shadow(kit, home):
    return list(read_predictions(home.shadow_predictions(kit.OBJECTIVE)))


def scored(kit, home):
    return count_predictions(home.shadow_predictions(kit.OBJECTIVE))


def answered(kit, shadow, rows=1):
    """What the champion would have logged."""
    vectors = np.stack([kit.vector_of(n) for n in range(rows)])
    return Predictions(
        prediction_id="p",
        requested_at=1,
        objective=kit.OBJECTIVE,
        model_version="1",
        feature_hash=shadow.model.feature_hash,
        users=[f"u{n}" for n in range(rows)],
        cutoffs=np.zeros(rows, dtype=np.int64),
        cold_start=np.arange(rows) == 0,
        scores=np.zeros(rows),
        grades=["A"] * rows,
        vectors=vectors,
    )


def test_the_same_questions_are_scored_beside_the_champion(start_server, home, kit):
    """Joined by the id of the answer; the answer and the prediction log know only the champion."""
    put_in_shadow(kit, home, bias=2.0)
    server = start_server()
    answers = [server.infer(kit.users_request(f"u{n}")).json for n in range(1, 6)]
    server.wait_for(lambda: scored(kit, home) == 5, seconds=5)
    beside = {each.prediction_id: each for each in in_shadow(kit, home)}
    heard = list(read_predictions(home.predictions(kit.OBJECTIVE)))
    assert {each.model_version for each in heard} == {"1"} == {a["model_version"] for a in answers}
    assert [each.prediction_id for each in heard] == [a["id"] for a in answers]
    for number, record in enumerate(heard, 1):
        expected = kit.expected_score(kit.vector_of(number), bias=2.0)
        assert beside[record.prediction_id].scores[0] == pytest.approx(expected, abs=1e-6)
        assert beside[record.prediction_id].model_version == "2"


def test_a_challenger_with_other_features_reads_its_own(start_server, home, kit):
    """By user; the rows a caller brings are of the champion's layout and are passed over."""
    put_in_shadow(kit, home, features=kit.FEATURES[::-1])
    server = start_server()
    server.infer(kit.users_request("u9"))
    server.wait_for(lambda: scored(kit, home) == 1, seconds=5)
    (record,) = in_shadow(kit, home)
    expected = kit.expected_score(kit.vector_of(9)[::-1])
    assert record.scores[0] == pytest.approx(expected, abs=1e-6)


def test_a_shadow_comes_and_goes_while_requests_run(start_server, home, kit):
    """Nobody's request fails, and what is answered afterwards is scored no more."""
    server = start_server()
    put_in_shadow(kit, home)
    server.wait_for(lambda: server.log().count("serving coupon-redemption") == 2, seconds=5)
    assert LOADED in server.log()
    assert server.infer(kit.users_request("u1")).status == 200
    server.wait_for(lambda: scored(kit, home) == 1, seconds=5)
    (home.served(kit.OBJECTIVE) / "shadow").unlink()
    server.wait_for(lambda: server.log().count("serving coupon-redemption") == 3, seconds=5)
    assert server.infer(kit.users_request("u2")).status == 200
    time.sleep(0.3)
    assert scored(kit, home) == 1


def test_a_broken_challenger_is_no_trouble(start_server, home, kit):
    """It cannot be loaded; the champion is served all the same, and the log says why."""
    broken = home.served(kit.OBJECTIVE) / "2"
    broken.mkdir()
    (broken / MODEL_FILE).write_bytes(b"no model")
    (home.served(kit.OBJECTIVE) / "shadow").symlink_to("2")
    server = start_server()
    assert server.infer(kit.users_request("u1")).status == 200
    assert "version 2 cannot be scored in the shadow" in server.log()


def test_a_challenger_that_cannot_log_is_no_trouble(start_server, home, kit):
    """The folder of its answers cannot be made; said once, and every question is answered."""
    put_in_shadow(kit, home)
    home.shadow_predictions(kit.OBJECTIVE).parent.mkdir(parents=True, exist_ok=True)
    home.shadow_predictions(kit.OBJECTIVE).write_text("in the way")
    server = start_server()
    statuses = {server.infer(kit.users_request(f"u{n}")).status for n in range(20)}
    assert statuses == {200}
    server.wait_for(lambda: "version 2 fails" in server.log(), seconds=5)
    assert server.log().count("version 2 fails") == 1


def test_a_slow_challenger_makes_nobody_wait(home, kit):
    """It hangs in its first answer; a thousand more are offered in no time, and most are let go."""
    model = load_model(kit.write_bundle(home.root / "slow"), kit.OBJECTIVE, "2")
    go_on = threading.Event()

    def hang(*question):
        go_on.wait(20)
        return model.run(*question)

    shadow = Shadow(replace(model, run=hang), home)
    record = answered(kit, shadow)
    started = time.monotonic()
    for _ in range(1_000):
        shadow.offer(record)
    assert time.monotonic() - started < 0.5
    go_on.set()
    until = time.monotonic() + 5
    while scored(kit, home) < 64 and time.monotonic() < until:
        time.sleep(0.05)
    assert 64 <= scored(kit, home) <= 65


def test_strangers_are_scored_as_they_are_answered(home, kit):
    """With the challenger's own base rate, whatever its graph says of an empty row."""
    shadow = Shadow(load_model(kit.write_bundle(home.root / "m"), kit.OBJECTIVE, "2"), home)
    shadow.offer(answered(kit, shadow, rows=2))
    until = time.monotonic() + 5
    while scored(kit, home) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    (record,) = in_shadow(kit, home)
    assert record.scores[0] == shadow.model.metadata.base_rate
    assert record.scores[1] == pytest.approx(kit.expected_score(kit.vector_of(1)), abs=1e-6)
