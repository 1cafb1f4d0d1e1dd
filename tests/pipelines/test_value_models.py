"""From a training set to the two exported models, where customers buy at rates of their own."""

from datetime import timedelta

import numpy as np
import onnxruntime
import pyarrow as pa
import pytest

from tidemill.lifetime_value.bundle import MORE_OUTPUTS
from tidemill.lifetime_value.measures import measure
from tidemill_features.aggregates import PURCHASE_AGGREGATES
from tidemill_features.catalog import Signal
from tidemill_pipelines.valuing import steps
from tidemill_pipelines.valuing.competition import RECIPES, Task, choose
from tidemill_pipelines.valuing.customers import HistoryColumns
from tidemill_pipelines.valuing.dataset import (
    CURRENT,
    TEST,
    TRAIN,
    joined,
    judged_days,
    read_customers,
    with_gone,
    write_customers,
)
from tidemill_pipelines.valuing.notes import read_notes

VALUE = "lifetime_value: {event: order, within: 60d}"
CUTOFFS = {45: TRAIN, 60: TRAIN, 75: TRAIN, 90: TRAIN, 120: TEST, 150: CURRENT}
"""Days after the first purchase of anybody; outcomes are those of the 30 days after."""
CUSTOMERS = 500


def purchases(seed=0):
    """Per customer, days and values of purchases over 180 days; a third leave on the way."""
    rng = np.random.default_rng(seed)
    found = []
    for rate in rng.gamma(1.5, 0.05, CUSTOMERS):
        born, left = rng.uniform(0, 50), rng.exponential(400)
        times = born + np.append(0.0, np.cumsum(rng.exponential(1 / max(rate, 1e-3), 60)))
        times = times[times < min(180, born + left)]
        times = times if len(times) else np.array([born])
        found.append((times, rng.gamma(4.0, 5.0) * rng.gamma(5.0, 0.2, len(times))))
    return found


def days_of(times):
    """On how many days something was bought."""
    return float(len(np.unique(np.floor(times))))


def features_of(times, values, cutoff):
    """The aggregates of an event, as far as they are told apart here."""
    known = times < cutoff
    age, worth, count = cutoff - times[known], values[known], int(known.sum())
    found = dict.fromkeys((each.name for each in PURCHASE_AGGREGATES), 0.0)
    found |= {f"count_{days}d": float((age < days).sum()) for days in (7, 14, 28, 56, 112)}
    found |= {"count_ever": count, "value_ever": worth.sum()}
    found |= {"days_ever": days_of(age)}
    found |= {"days_since_first": age.max(), "days_since_last": age.min()}
    gap = (age.max() - age.min()) / (count - 1) if count > 1 else np.nan
    return found | {"mean_gap_days": gap, "overdue": age.min() / gap}


def rows_at(log, cutoff):
    """One table of everybody who had bought by then, with outcomes."""
    known = [number for number, (times, _) in enumerate(log) if (times < cutoff).any()]
    vectors = [features_of(*log[number], cutoff) for number in known]
    later = [(times >= cutoff) & (times < cutoff + 30) for times, _ in log]
    stamp = pa.timestamp("us", tz="UTC")
    return pa.table(
        {
            "user_id": [f"u{number}" for number in known],
            "event_timestamp": pa.array([cutoff * 86_400_000_000] * len(known)).cast(stamp),
            **{
                f"order__of_value__{each.name}": pa.array(
                    [row[each.name] for row in vectors], pa.float32()
                )
                for each in PURCHASE_AGGREGATES
            },
            "purchases": [days_of(log[number][0][later[number]]) for number in known],
            "value": [float(log[number][1][later[number]].sum()) for number in known],
        }
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory, objective_of):
    folder, log = tmp_path_factory.mktemp("models"), purchases()
    tables = [(rows_at(log, cutoff), split) for cutoff, split in CUTOFFS.items()]
    parts = [(table, [split] * table.num_rows) for table, split in tables]
    write_customers(folder / "dataset", parts, timedelta(days=30))
    steps.train(objective_of(VALUE), folder / "dataset", folder / "model")
    return folder


def session(folder, name):
    return onnxruntime.InferenceSession(folder / "model" / name)


def judged(folder, days):
    test = read_customers(folder / "dataset", TEST)
    feeds = {"features": test.vectors, "days": np.array([days])}
    return test, session(folder, "judged.onnx").run(["score"], feeds)[0].astype(np.float64)


def test_the_judged_model_tells_who_is_worth_most(trained):
    """On a window it knows nothing of, the total is about right, too."""
    test, predicted = judged(trained, judged_days(trained / "dataset"))
    found = measure(test.values, predicted)
    assert found.capture > 0.2
    assert found.explained > 0.2
    assert 0.75 < found.predicted_over_observed < 1.33


def test_twice_the_days_bring_more_but_less_than_twice(trained):
    """Some customers leave."""
    _, short = judged(trained, 30.0)
    _, long = judged(trained, 60.0)
    assert 1.5 * short.sum() < long.sum() < 2.01 * short.sum()


def test_what_is_served_looks_as_far_as_the_horizon(trained):
    """Sixty days, though only thirty could be judged; the interval is stretched along."""
    current = read_customers(trained / "dataset", CURRENT)
    found = session(trained, "model.onnx").run(
        ["score", *MORE_OUTPUTS], {"features": current.vectors}
    )
    score, bought, lower, upper = found
    _, month = judged(trained, 30.0)
    assert score.sum() > 1.4 * month.sum()
    assert (bought > 0).all()
    assert ((lower <= score * 1.0001) & (score <= upper * 1.0001)).all()


@pytest.mark.parametrize("fill", [0.0, np.nan, 1e9, -1e9])
def test_no_vector_breaks_the_graph(trained, fill):
    """Nothing known, nothing bought, or numbers that nobody has seen."""
    width = len(read_customers(trained / "dataset", TEST).features)
    rows = np.full((2, width), fill, dtype=np.float32)
    for output in session(trained, "model.onnx").run(None, {"features": rows}):
        assert np.isfinite(output).all()


def test_who_is_gone_counts_at_the_cutoff_alone(trained):
    """A process is fitted to everybody as known at one instant."""
    test, train = (read_customers(trained / "dataset", split) for split in (TEST, TRAIN))
    gone = joined(train, test.take(np.arange(3)))
    everybody = with_gone(test, gone)
    assert len(everybody) == len(test) + 3
    assert set(everybody.cutoffs) == set(test.cutoffs)


@pytest.mark.parametrize(
    ("later", "cutoffs", "chosen"),
    [
        (1.0, 4, "processes, corrected and learned"),
        (9.0, 4, "purchase processes"),
        (9.0, 3, "processes, corrected and learned"),
    ],
)
def test_processes_alone_are_taken_where_what_was_learned_does_not_hold(
    trained, later, cutoffs, chosen
):
    """Customers of older windows spent nine times what those of the newest two did; with three
    windows, each as long as two steps, only the newest can be predicted, which proves nothing."""
    train = read_customers(trained / "dataset", TRAIN)
    train = train.take(train.cutoffs >= np.unique(train.cutoffs)[-cutoffs])
    oldest = train.cutoffs < np.unique(train.cutoffs)[-2]
    train.values[oldest] *= later
    train.purchases[oldest] *= later
    columns = HistoryColumns.of(Signal("order", value="value"), train.features)
    task = Task(columns, "order__of_value", 30.0, seed=0)
    recipe, candidates = choose(task, train, train.take(np.zeros(0, dtype=np.intp)))
    assert recipe == chosen
    assert [each.name for each in candidates] == (list(RECIPES) if cutoffs == 4 else [])


def test_notes_tell_of_every_candidate_and_process(trained):
    """With the parameters of what is served."""
    notes = read_notes(trained / "model")
    assert set(notes.parameters) == {"BG/NBD", "MBG/NBD", "Pareto/NBD"}
    assert notes.recipe in {each["name"] for each in notes.candidates}
    assert notes.is_refitted
