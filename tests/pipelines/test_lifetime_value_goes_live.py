"""The whole pipeline of a lifetime value, from events to a logged and monitored answer."""

import json
from datetime import timedelta

import numpy as np
import onnxruntime
import pyarrow.parquet as pq
import pytest

from tidemill.bundle import read_metadata
from tidemill.events import EventLog
from tidemill.http.messages import Request
from tidemill.lifetime_value.bundle import JUDGED_FILE, MORE_OUTPUTS
from tidemill.predictions import read_predictions
from tidemill.registry import Registry
from tidemill.report.facts import gather
from tidemill.report.page import render_page
from tidemill_monitoring.monitor import run_monitor
from tidemill_monitoring.valuing.checks import check_outcomes
from tidemill_monitoring.valuing.inputs import ValueInputs
from tidemill_pipelines import steps
from tidemill_pipelines.valuing.dataset import CURRENT, GONE, TEST, TRAIN, read_customers
from tidemill_pipelines.valuing.judging import judge_value
from tidemill_serving.app import App
from tidemill_serving.batch import predict_users, write_parquet
from tidemill_serving.metrics import Metrics
from tidemill_serving.repository import Repository, promoted
from tidemill_serving.stored_rows import Query
from tidemill_serving.valuer import Valuer

VALUE = "lifetime_value: {event: order, within: 28d}\n  population: {active_within: 100d}"
USERS, DAYS = 400, 140


@pytest.fixture(scope="module")
def home(tmp_path_factory, home_with, shop_events):
    return home_with(tmp_path_factory.mktemp("value"), shop_events(USERS, DAYS))


@pytest.fixture(scope="module")
def objective(objective_of):
    return objective_of(VALUE)


@pytest.fixture(scope="module")
def trained(home, objective, cutoff, tmp_path_factory):
    """The folder of the run: what was known 28 days before the log ends."""
    folder = tmp_path_factory.mktemp("run")
    root, text = str(home.root), objective.model_dump_json()
    plan, dataset, model, judged = (str(folder / name) for name in ("p", "dataset", "model", "e"))
    steps.validate(root, text, (cutoff - timedelta(days=28)).isoformat(), plan)
    steps.build_training_set(root, text, plan, dataset)
    steps.train(text, dataset, model)
    steps.evaluate(root, text, dataset, model, judged)
    version = steps.register(root, text, dataset, model, judged, "test")
    assert steps.gate(root, text, version, judged)
    steps.promote(root, text, version, plan, judged)
    return folder


@pytest.fixture(scope="module")
def bundle(home, trained):
    return (home.served("orders") / "current").resolve()


@pytest.fixture(scope="module")
def session(bundle):
    return onnxruntime.InferenceSession(bundle / "model.onnx")


@pytest.fixture(scope="module")
def answered(home, trained):
    """What the server says about everybody."""
    repository = Repository(home, promoted(home, []))
    repository.load()
    served = repository.get("orders")
    return served, served.predict(Query(users=[*served.everybody(), "nobody"]))


def test_the_bundle_says_that_its_scores_are_values(session, objective):
    """And over which time it was judged."""
    metadata = read_metadata(session.get_modelmeta().custom_metadata_map, "bundle")
    assert metadata.value is not None
    assert metadata.value.judged_days == metadata.horizon_days == 28
    assert metadata.population.feature == "order__of_value__days_since_last"
    assert metadata.objective_hash == objective.hash


def test_values_beat_recency_alone(trained):
    """Where customers differ in how often they buy, and each buys as ever, the total is right."""
    metrics = json.loads((trained / "e").read_text())["metrics"]
    assert metrics["explained"] > metrics["baseline_explained"]
    assert 0.8 < metrics["predicted_over_observed"] < 1.25
    assert 0.85 < metrics["coverage"] <= 1


def test_every_purchase_process_is_a_rival(trained):
    """All were measured on the window that the winner was judged on."""
    notes = json.loads((trained / "e").read_text())["notes"]
    assert [rival["name"] for rival in notes["rivals"]] == [
        "BG/NBD",
        "MBG/NBD",
        "Pareto/NBD",
        "recency alone",
        "spending as before",
    ]
    assert all(rival["quality"]["capture"] > 0.1 for rival in notes["rivals"])


def test_who_is_gone_is_kept_where_processes_are_fitted(home, objective_of, cutoff, tmp_path):
    """At the newest cutoffs; rows of the others would only fill the disk."""
    text = objective_of(VALUE.replace("100d", "14d")).model_dump_json()
    plan, dataset = tmp_path / "plan", tmp_path / "dataset"
    steps.validate(str(home.root), text, cutoff.isoformat(), str(plan))
    steps.build_training_set(str(home.root), text, str(plan), str(dataset))
    train, test, current, gone = (
        set(read_customers(dataset, split).cutoffs) for split in (TRAIN, TEST, CURRENT, GONE)
    )
    assert len(train) > 2
    assert gone == {*sorted(train)[-2:], *test, *current}


def test_outcomes_are_what_was_bought_within_the_window(trained, home, cutoff):
    """Days and sums of the test rows agree with the log."""
    test = read_customers(trained / "dataset", TEST)
    start, end = cutoff - timedelta(days=56), cutoff - timedelta(days=28)
    with EventLog(home.events).connect() as con:
        found = con.execute(
            "SELECT user_id, count(DISTINCT epoch_us(timestamp - $start) // 86400000000) AS days, "
            "sum(value) FROM events WHERE name = 'order' "
            "AND timestamp >= $start AND timestamp < $end GROUP BY user_id",
            {"start": start, "end": end},
        ).fetchall()
    bought = {user: (count, value) for user, count, value in found}
    expected = np.array([bought.get(user, (0, 0.0)) for user in test.users])
    np.testing.assert_array_equal(test.purchases, expected[:, 0])
    np.testing.assert_allclose(test.values, expected[:, 1], atol=1e-6)


def test_what_is_served_has_seen_more_than_what_was_judged(trained, bundle):
    """Both are in the bundle; they agree on who is worth most."""
    current = read_customers(trained / "dataset", CURRENT)
    judged = onnxruntime.InferenceSession(bundle / JUDGED_FILE)
    feeds = {"features": current.vectors}
    one = onnxruntime.InferenceSession(bundle / "model.onnx").run(["score"], feeds)[0]
    other = judged.run(["score"], {**feeds, "days": np.array([28.0])})[0]
    assert not np.allclose(one, other, rtol=1e-4)
    assert np.corrcoef(one, other)[0, 1] > 0.95


def test_a_longer_horizon_is_worth_more(trained, bundle):
    """The judged model answers for any."""
    current = read_customers(trained / "dataset", CURRENT)
    judged = onnxruntime.InferenceSession(bundle / JUDGED_FILE)
    short, long = (
        judged.run(["score"], {"features": current.vectors, "days": np.array([days])})[0]
        for days in (14.0, 56.0)
    )
    assert (long > 1.5 * short).all()


def test_the_server_answers_with_purchases_and_an_interval(answered):
    """The value lies within, and a better grade is worth more."""
    served, answer = answered
    assert isinstance(served, Valuer)
    lower, upper = answer.more["lower"], answer.more["upper"]
    assert ((lower <= answer.scores) & (answer.scores <= upper)).all()
    grades = np.array(answer.grades)
    assert answer.scores[grades == "A"].min() >= answer.scores[grades == "D"].max()


def test_nobody_is_expected_to_spend_as_a_customer_does(answered):
    """Of whom nothing is known, the mean is said."""
    served, answer = answered
    assert answer.cold_start[-1]
    assert answer.scores[-1] == served.model.metadata.base_rate
    assert answer.more["purchases"][-1] > 0


def test_the_whole_answer_is_on_the_log(home, answered):
    """Vectors, values, and what belongs to them."""
    _, answer = answered
    (record,) = read_predictions(home.predictions("orders"))
    np.testing.assert_array_equal(record.scores, answer.scores)
    assert set(record.more) == set(MORE_OUTPUTS)
    np.testing.assert_array_equal(record.more["upper"], answer.more["upper"])


def test_the_monitor_compares_values_with_what_came(home, answered, objective, cutoff):
    """Once the horizon is over."""
    with EventLog(home.events).connect() as con:
        inputs = ValueInputs(home, objective, con, cutoff + timedelta(hours=1), 35)
        performance, spending = check_outcomes(inputs)
    assert performance.evidence["users"] > 200
    assert performance.status != "undecided"
    assert 0.5 < performance.evidence["predicted_over_observed"]["observed"] < 2
    assert spending.evidence["predicted"] > 0


def test_training_again_is_no_better_than_the_champion(home, trained, objective):
    """The same model meets itself: no difference, so it is not promoted."""
    evaluation = judge_value(home, objective, trained / "dataset", trained / "model")
    assert evaluation.champion_version == Registry(home).champion("orders")
    assert evaluation.over_champion.difference == 0


def test_the_reference_says_who_bought_again(bundle):
    """What monitors compare live customers with."""
    reference = pq.read_table(bundle / "reference.parquet")
    bought = np.array(reference["purchases"]) > 0
    np.testing.assert_array_equal(np.array(reference["label"]), bought)


@pytest.fixture(scope="module")
def ask(home, trained):
    """`ask(path, document)`: the server's reply to a POST."""
    repository = Repository(home, promoted(home, []))
    repository.load()
    app = App(repository, Metrics())

    def post(path, document):
        reply = app.answer(Request("POST", path, {}, json.dumps(document).encode()))
        assert reply.status == 200, reply.body
        return json.loads(reply.body)

    return post


def test_v1_says_what_a_customer_is_worth(ask):
    """Value, purchases, interval, grade."""
    (one,) = ask("/v1/models/orders:predict", {"instances": ["u1"]})["predictions"]
    assert one["lower"] <= one["score"] <= one["upper"]
    assert set(one) >= {"purchases", "grade", "cold_start", "model_version"}


def test_v2_has_a_tensor_for_each_output(ask):
    """Of float64, beside those of any score."""
    tensor = {"name": "user_id", "datatype": "BYTES", "shape": [2], "data": ["u1", "u2"]}
    found = ask("/v2/models/orders/infer", {"inputs": [tensor]})["outputs"]
    shapes = {each["name"]: (each["datatype"], *each["shape"]) for each in found}
    assert {shapes[name] for name in ("score", *MORE_OUTPUTS)} == {("FP64", 2)}
    assert shapes["grade"] == ("BYTES", 2)


def test_everybody_is_written_with_purchases_and_interval(home, trained, answered, tmp_path):
    """`tidemill predict --all --out`."""
    served, _ = answered
    assert write_parquet(predict_users(served, ["u1", "u2"]), tmp_path / "values.parquet") == 2
    written = pq.read_table(tmp_path / "values.parquet")
    assert {"score", "grade", *MORE_OUTPUTS} <= set(written.column_names)


def test_the_report_shows_tenths_and_rivals(home, trained, objective, cutoff):
    """Beside what each purchase process alone says."""
    page = render_page(gather(home, objective), cutoff)
    assert "How often will a customer do order within 28 days" in page
    assert "Pareto/NBD" in page
    assert "spending as before" in page


def test_the_monitor_judges_every_concern_it_can(home, answered, objective, cutoff):
    """What is about probabilities alone is left out."""
    with EventLog(home.events).connect() as con:
        inputs = ValueInputs(home, objective, con, cutoff, 35)
        run, _ = run_monitor(inputs, lambda _: None)
    found = {verdict.concern: verdict.sentence for verdict in run.verdicts}
    assert list(map(str, found)) == [
        "data quality",
        "training/serving skew",
        "drift",
        "performance",
        "base rate",
        "online store",
    ]
    assert not [said for said in found.values() if said.startswith("Could not be judged")]
