"""`make bench-value`: the shipped model of lifetime value beside purchase processes alone.

Each case is a log cut off at a day: everything after it is hidden from training and then compared
with. The shipped model is what `tidemill train` would serve, from the pipeline's own steps; the
rivals are fitted to the histories of all customers as of the same day, each with the same
gamma-gamma model of what a purchase is worth. Two logs are read from the package `lifetimes` (`pip
install --no-deps lifetimes`), without which they are left out: CDNOW (23,570 customers who first
bought early in 1997) and its example (5,000 customers, purchases without values). In the made-up
log customers buy exactly as Pareto/NBD says, so nothing is left to learn. How the shipped model is
made was chosen with an eye on CDNOW, the example and the sample; the made-up log is another one
than was looked at.

Who would answer right on average is off by chance too: `by chance` is the mean decile error of what
customers, drawn anew with replacement, show against the tenths they were drawn from.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tidemill.bundle import MODEL_FILE
from tidemill.events import EventLog
from tidemill.events.schema import EVENTS
from tidemill.home import Home
from tidemill.lifetime_value.bundle import MORE_OUTPUTS
from tidemill.lifetime_value.measures import measure
from tidemill.objective import Objective
from tidemill_features.instants import in_microseconds
from tidemill_features.purchases import count_purchases
from tidemill_pipelines.onnx_file import open_session
from tidemill_pipelines.valuing import steps
from tidemill_pipelines.valuing.customers import HistoryColumns, purchase_signal
from tidemill_pipelines.valuing.dataset import CURRENT, GONE, Customers, read_customers, with_gone
from tidemill_pipelines.valuing.foundation import Foundation, fit_foundation

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "benchmarks" / "lifetime-value"
CDNOW_START, SAMPLE_START = datetime(1997, 1, 1, tzinfo=UTC), datetime(2017, 1, 1, tzinfo=UTC)
EXAMPLE_START = datetime(2014, 1, 1, tzinfo=UTC)
_DRAWS = 200
_SAME = 0.001
OURS = "shipped"
COLUMNS = ("capture", "correlation", "predicted_over_observed", "decile_error", "explained")


@dataclass(frozen=True)
class Case:
    """Predict `within` days from `day` of a log."""

    log: str
    event: str
    start: datetime
    day: int
    within: int

    @property
    def at(self) -> datetime:
        return self.start + timedelta(days=self.day)


CASES = (
    Case("CDNOW", "purchase", CDNOW_START, 273, 273),
    Case("CDNOW", "purchase", CDNOW_START, 365, 91),
    Case("CDNOW", "purchase", CDNOW_START, 365, 180),
    Case("example", "purchase", EXAMPLE_START, 244, 120),
    Case("example", "purchase", EXAMPLE_START, 280, 84),
    Case("made up", "purchase", EXAMPLE_START, 730, 182),
    Case("made up", "purchase", EXAMPLE_START, 900, 90),
    Case("sample", "order_completed", SAMPLE_START, 336, 28),
    Case("sample", "order_completed", SAMPLE_START, 280, 84),
    Case("sample", "order_completed", SAMPLE_START, 182, 182),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--logs", nargs="*", default=list(LOGS))
    parser.add_argument("--out", type=Path, default=PAGE)
    options = parser.parse_args()
    found = []
    for log in options.logs:
        events = LOGS[log]()
        if events is None:
            print(f"{log}: the package `lifetimes` is not installed; left out")
            continue
        with tempfile.TemporaryDirectory() as folder:
            home = Home(Path(folder) / "home")
            EventLog(home.events).append(events)
            for case in (each for each in CASES if each.log == log):
                found.append(run(home, case, Path(folder)))
                print(render([found[-1]]))
    options.out.with_suffix(".json").write_text(json.dumps(found, indent=1))
    options.out.with_suffix(".md").write_text(page(found))


def run(home: Home, case: Case, folder: Path) -> dict[str, Any]:
    """All models on one case."""
    objective, started = objective_of(case), time.process_time()
    dataset, model = train(home, case, objective, folder)
    seconds = time.process_time() - started
    current = read_customers(dataset, CURRENT)
    with EventLog(home.events).connect() as con:
        users, instants = current.users.tolist(), [in_microseconds(case.at)] * len(current)
        bought = count_purchases(con, objective.target, "value", users, instants)
    session, names = open_session(model / MODEL_FILE), ["score", *MORE_OUTPUTS]
    answers = session.run(names, {"features": current.vectors})
    score, expected, lower, upper = (each.astype(np.float64) for each in answers)
    inside = (lower <= bought.values + 1e-6) & (bought.values <= upper + 1e-6)
    rows = {OURS: measure(bought.values, score).to_json()}
    everybody = with_gone(current, read_customers(dataset, GONE))
    for name, predicted in rivals(objective, everybody, current, case.within):
        rows[name] = measure(bought.values, predicted).to_json()
    return {
        "log": case.log,
        "day": case.day,
        "within": case.within,
        "customers": len(current),
        "bought_again": float((bought.counts > 0).mean()),
        "purchases_predicted_over_observed": float(expected.sum() / bought.counts.sum()),
        "coverage": float(inside.mean()),
        "model": json.loads((model / "notes.json").read_text())["recipe"],
        "by_chance": chance(bought.values, score),
        "cpu_seconds": seconds,
        "models": rows,
    }


def chance(observed: np.ndarray[Any, np.dtype[np.float64]], order: np.ndarray[Any, Any]) -> float:
    """Mean decile error of somebody who knows what the tenths by `order` expect."""
    rng, tenths = np.random.default_rng(0), np.array_split(np.argsort(order), 10)
    errors = []
    for _ in range(_DRAWS):
        drawn = [observed[rng.choice(tenth, len(tenth))].sum() for tenth in tenths]
        away = [abs(found - observed[t].sum()) for found, t in zip(drawn, tenths, strict=True)]
        errors.append(sum(away) / observed.sum())
    return float(np.mean(errors))


def objective_of(case: Case) -> Objective:
    """Every customer there ever was is predicted for, as the rivals do."""
    value = {"event": case.event, "within": f"{case.within}d"}
    return Objective.model_validate(
        {
            "apiVersion": "tidemill.dev/v1alpha1",
            "kind": "Objective",
            "metadata": {"name": "value"},
            "spec": {"lifetime_value": value, "population": {"active_within": "1000d"}},
        }
    )


def train(home: Home, case: Case, objective: Objective, folder: Path) -> tuple[Path, Path]:
    """The training set and the folder of models, by the pipeline's steps."""
    work = Path(tempfile.mkdtemp(dir=folder))
    plan, dataset, model = (work / name for name in ("plan", "dataset", "model"))
    steps.validate(home, objective, case.at, plan)
    steps.build_training_set(home, objective, plan, dataset)
    steps.train(objective, dataset, model)
    return dataset, model


def rivals(
    objective: Objective, everybody: Customers, current: Customers, days: float
) -> Iterator[tuple[str, np.ndarray[Any, np.dtype[np.float64]]]]:
    """Each process alone."""
    import torch

    columns = HistoryColumns.of(purchase_signal(objective), current.features)
    fitted = fit_foundation(everybody.vectors, columns, seed=0)
    with torch.no_grad():
        histories = fitted.reader(torch.from_numpy(current.vectors))
        for process in fitted.members:
            alone = Foundation(fitted.reader, [process], fitted.worth)
            log_value = alone.log_purchases(histories, days) + alone.log_worth(histories)
            yield process.NAME, torch.exp(log_value).numpy()


def cdnow() -> pa.Table | None:
    """The purchases of all customers, those of a day on the same noon."""
    lines = shipped_lines("CDNOW_master.txt")
    if lines is None:
        return None
    rows = [line.split() for line in lines]
    at = [datetime.strptime(row[1], "%Y%m%d").replace(hour=12, tzinfo=UTC) for row in rows]
    return purchases([row[0] for row in rows], at, [float(row[3]) for row in rows])


def example() -> pa.Table | None:
    """Dates and customers; every purchase counts as one."""
    lines = shipped_lines("example_transactions.csv")
    if lines is None:
        return None
    rows = [line.split(",") for line in lines]
    noon = timedelta(hours=12)
    at = [datetime.fromisoformat(row[0]).replace(tzinfo=UTC) + noon for row in rows]
    return purchases([row[1] for row in rows], at, [1.0] * len(rows))


def made_up(seed: int = 0, customers: int = 6_000, days: float = 1_095.0) -> pa.Table:
    """Customers who come over 900 days, buy at a rate of their own and leave at another."""
    rng = np.random.default_rng(seed)
    users, at, values = list[str](), list[datetime](), list[float]()
    for customer in range(customers):
        rate, leaving = rng.gamma(0.55) / 40, max(rng.gamma(0.6) / 45, 1e-9)
        now, worth = rng.uniform(0, 900), 60.0 / rng.gamma(4.0)
        end = min(now + rng.exponential(1 / leaving), days)
        while now < end:
            users.append(f"u{customer}")
            at.append(EXAMPLE_START + timedelta(days=now))
            values.append(rng.gamma(6.0) * worth / 6)
            now += rng.exponential(1 / max(rate, 1e-9))
    return purchases(users, at, values)


def shipped_lines(name: str) -> list[str] | None:
    """Of a data set in the package `lifetimes`, without its header."""
    spec = find_spec("lifetimes")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "datasets" / name
    return path.read_text().splitlines()[1:]


def purchases(users: list[str], at: list[datetime], values: list[float]) -> pa.Table:
    """One event each."""
    columns = {
        "event_id": [f"p{number}" for number in range(len(users))],
        "name": ["purchase"] * len(users),
        "user_id": users,
        "anonymous_id": [None] * len(users),
        "item_id": [None] * len(users),
        "timestamp": at,
        "received_at": at,
        "value": values,
        "properties": ["{}"] * len(users),
    }
    return pa.table(columns, schema=EVENTS)


def sample() -> pa.Table:
    """Orders alone, as in a log of purchases."""
    from tidemill.sample.retail import sample_events

    events = sample_events(start=SAMPLE_START)
    return events.filter(pa.compute.equal(events["name"], "order_completed"))


LOGS: dict[str, Callable[[], pa.Table | None]] = {
    "CDNOW": cdnow,
    "example": example,
    "made up": made_up,
    "sample": sample,
}


def render(found: list[dict[str, Any]]) -> str:
    """A Markdown table."""
    lines = [
        "| log, from day, days ahead | model | top 10% hold | correlation | predicted / observed "
        "| decile error | explained |",
        "|---|---|---|---|---|---|---|",
    ]
    for case in found:
        about = f"{case['log']}, {case['day']}, {case['within']}"
        for name, row in case["models"].items():
            label = f"**{name}** ({case['model']})" if name == OURS else name
            cells = " | ".join(f"{row[column]:.3f}" for column in COLUMNS)
            lines.append(f"| {about} | {label} | {cells} |")
    return "\n".join(lines)


def summary(found: list[dict[str, Any]]) -> str:
    """In how many cases the shipped model is at least as good as the better of two processes."""
    counts = dict.fromkeys(("decile_error", "capture", "correlation", "total"), 0)
    for case in found:
        shipped, *rivals = (case["models"][name] for name in (OURS, "BG/NBD", "Pareto/NBD"))
        counts["decile_error"] += all(
            shipped["decile_error"] < each["decile_error"] for each in rivals
        )
        for name in ("capture", "correlation"):
            counts[name] += shipped[name] >= max(each[name] for each in rivals) - _SAME
        counts["total"] += abs(shipped["predicted_over_observed"] - 1) <= 0.1
    return (
        f"Of {len(found)} cases the shipped model has a smaller decile error than both BG/NBD and "
        f"Pareto/NBD in {counts['decile_error']}, holds at least as much in the top 10% as the "
        f"better of them in {counts['capture']}, correlates at least as well in "
        f"{counts['correlation']} (differences below {_SAME} count as none), and its total is "
        f"within a tenth of what came in {counts['total']}."
    )


def page(found: list[dict[str, Any]]) -> str:
    """The page of docs/benchmarks."""
    also = "\n".join(
        f"| {each['log']}, {each['day']}, {each['within']} | {each['customers']:,} | "
        f"{each['bought_again']:.0%} | {each['purchases_predicted_over_observed']:.2f} | "
        f"{each['coverage']:.0%} | {each['by_chance']:.3f} | {each['cpu_seconds']:.0f} |"
        for each in found
    )
    return (
        "# Lifetime value\n\nMade by `make bench-value`. Everything after the day is hidden from "
        "training and then compared with; the purchase processes are fitted to the histories of "
        "all customers as of that day. Values, not counts; ten equal groups by prediction; "
        "explained is the share of the Poisson deviance. In the made-up log customers buy exactly "
        "as Pareto/NBD says; how the shipped model is made was chosen with an eye on the other "
        "logs. Decile error by chance: of somebody who knows what each tenth expects.\n\n"
        f"{summary(found)}\n\n{render(found)}\n\n"
        "| log, from day, days ahead | customers | bought again | purchases predicted / observed "
        "| inside the 90% interval | decile error by chance | CPU s of training |\n"
        "|---|---|---|---|---|---|---|\n"
        f"{also}\n"
    )


if __name__ == "__main__":
    main()
