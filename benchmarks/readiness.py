"""`python benchmarks/readiness.py`: is the verdict right, and the learning curve's extrapolation?

Protocol: `--seeds` synthetic logs (benchmarks/readiness_logs.py) of 500 users over 180 days,
assessed as `tidemill assess` does. *Shuffled*: each order is given to a user drawn anew, so that
nothing tells of orders; right is "not ready". *Strong*: searches and carts tell of them; right is
"ready". Refused although there is a signal: logs by users and by how much the past tells, as the
AUC that a linear model reaches with 4,000 users.

Extrapolation: half of the sample's users, drawn `--halves` times for each of its objectives, draw a
learning curve; its forecast for twice as many is compared with what all users reach on the same
test window. The sample is imported into a home of its own, unless `--home` names one.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from readiness_logs import END, log_of, shuffled

from tidemill.events import EventLog
from tidemill.events.clock import log_end
from tidemill.home import Home
from tidemill.objective import Objective, load_objective
from tidemill.sample.retail import sample_events, sample_items
from tidemill_pipelines.assessing.assess import assess
from tidemill_pipelines.assessing.assessment import EXIT_CODES, Assessment
from tidemill_pipelines.assessing.gathering import gather
from tidemill_pipelines.assessing.learning_curve import extrapolate, measure
from tidemill_pipelines.assessing.linear import model_inputs
from tidemill_pipelines.assessing.material import Material
from tidemill_pipelines.assessing.skill import part_of
from tidemill_pipelines.dataset import Rows
from tidemill_pipelines.readiness import check_readiness

ROOT = Path(__file__).parent.parent
OBJECTIVES = ("coupon-redemption", "category-purchase", "churn")
USERS, STRONG = 500, 1.0
STRENGTHS = (0.1, 0.2, 0.4)
SIZES = (200, 500)
MANY = 4_000
ORDERS = """
apiVersion: tidemill.dev/v1alpha1
kind: Objective
metadata: {name: orders}
spec:
  propensity: {event: order, within: 14d}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks" / "readiness.json")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--weak-seeds", type=int, default=10, help="per size and strength")
    parser.add_argument("--halves", type=int, default=10)
    parser.add_argument("--home", type=Path, help="a home that holds the sample")
    options = parser.parse_args()
    started = time.process_time()
    found = {
        "verdicts": verdicts(options.seeds),
        "refused": refused(options.weak_seeds),
        "extrapolation": extrapolation(options.home, options.halves),
    }
    found["cpu_seconds"] = round(time.process_time() - started)
    options.out.write_text(json.dumps(found, indent=1) + "\n")
    options.out.with_suffix(".md").write_text(page(found))


def page(found: dict[str, Any]) -> str:
    """The numbers for people."""
    protocol = str(__doc__).split("\n\n", 1)[1].strip()
    parts = [
        "# Readiness: is the verdict right?",
        f"Made by `python benchmarks/readiness.py` ({found['cpu_seconds']:,} CPU s). What the "
        "checks ask is in [assess.md](../assess.md).",
        protocol,
        "## Verdicts",
        _table(
            ("log", "seeds", "ready", "with warnings", "not ready", "warnings and what blocked"),
            [
                (
                    world,
                    each["seeds"],
                    *(each["verdicts"].get(verdict, 0) for verdict in EXIT_CODES),
                    "; ".join(f"{n} {name}" for name, n in sorted(each["findings"].items())),
                )
                for world, each in found["verdicts"].items()
            ],
        ),
        "## Refused although there is a signal",
        _table(
            ("AUC that can be reached", *(f"{users:,} users" for users in SIZES)),
            [
                (f"{auc:.3f}", *(_refusals(found["refused"], auc, users) for users in SIZES))
                for auc in dict.fromkeys(row["auc"] for row in found["refused"])
            ],
        ),
        "## Twice the users, forecast from half of the sample",
        _table(
            ("objective", "AUC of all", "mean error", "mean absolute", "largest", "truth in band"),
            [
                (
                    row["objective"],
                    f"{row['auc']:.4f}",
                    f"{row['mean_error']:+.4f}",
                    f"{row['mean_absolute_error']:.4f}",
                    f"{row['largest_error']:.4f}",
                    f"{row['truth_in_band']} of {row['halves']}",
                )
                for row in found["extrapolation"]
            ],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _refusals(rows: Sequence[dict[str, Any]], auc: float, users: int) -> str:
    (row,) = (row for row in rows if row["auc"] == auc and row["users"] == users)
    return f"{row['not ready']} of {row['seeds']}"


def verdicts(seeds: int) -> dict[str, Any]:
    """How often each verdict is given to logs without and with a signal."""
    found: dict[str, Any] = {}
    for world in ("shuffled", "strong"):
        said: Counter[str] = Counter()
        reasons: Counter[str] = Counter()
        for seed in range(seeds):
            rng = np.random.default_rng([seed, 7])
            log = log_of(rng, USERS, STRONG)
            assessment = _assess(log if world == "strong" else shuffled(rng, log))
            said[assessment.verdict] += 1
            reasons.update(
                f"{finding.level}: {finding.check}"
                for finding in assessment.findings
                if finding.level in ("warning", "blocking")
            )
        found[world] = {"seeds": seeds, "verdicts": dict(said), "findings": dict(reasons)}
        print(world, found[world], flush=True)
    return found


def refused(seeds: int) -> list[dict[str, Any]]:
    """Logs that have a signal and are called not ready, by users and strength."""
    rows = []
    for strength in STRENGTHS:
        reachable = _auc(_assess(log_of(np.random.default_rng(0), MANY, strength)))
        for users in SIZES:
            blocked = 0
            for seed in range(seeds):
                log = log_of(np.random.default_rng([seed, users]), users, strength)
                blocked += _assess(log).verdict == "not ready"
            rows.append({"auc": reachable, "users": users, "seeds": seeds, "not ready": blocked})
            print(rows[-1], flush=True)
    return rows


def extrapolation(where: Path | None, halves: int) -> list[dict[str, Any]]:
    """Forecast for twice the users, made from half of them, beside what all of them reach."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(where or _sample(Path(folder)))
        return [_extrapolated(home, name, halves) for name in OBJECTIVES]


def _extrapolated(home: Home, name: str, halves: int) -> dict[str, Any]:
    objective = load_objective(ROOT / "examples" / f"{name}.yaml")
    with EventLog(home.events).connect() as con:
        at = log_end(con)
        windows = check_readiness(con, objective, at).windows
        material = gather(home, con, objective, at, windows)
        everybody = _curve(material, material.train).auc[0, -1]
        errors, held = [], 0
        for seed in range(halves):
            curve = _curve(material, _half(material.train, seed))
            gain, now = extrapolate(curve), float(curve.auc[0, -1])
            errors.append(now + gain.expected - everybody)
            held += now + gain.lower <= everybody <= now + gain.upper
    row = {
        "objective": name,
        "auc": float(everybody),
        "mean_error": float(np.mean(errors)),
        "mean_absolute_error": float(np.mean(np.abs(errors))),
        "largest_error": float(np.max(np.abs(errors))),
        "truth_in_band": int(held),
        "halves": halves,
    }
    print(row, flush=True)
    return row


def _curve(material: Material, train: Rows) -> Any:
    inputs, test_inputs = model_inputs(train.vectors, material.test.vectors)
    curve = measure(train, material.test, inputs, test_inputs, seed=0)
    assert curve is not None, "the sample has outcomes enough"
    return curve


def _half(rows: Rows, seed: int) -> Rows:
    names = np.unique(rows.users)
    chosen = np.random.default_rng(seed).choice(names, len(names) // 2, replace=False)
    return part_of(rows, np.isin(rows.users, chosen))


def _assess(log: pa.Table) -> Assessment:
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        events = EventLog(home.events)
        events.append(log)
        with events.connect(threads=1) as con:
            return assess(home, con, _orders(Path(folder)), END)


def _orders(folder: Path) -> Objective:
    path = folder / "orders.yaml"
    path.write_text(ORDERS)
    return load_objective(path)


def _auc(assessment: Assessment) -> float:
    (found,) = (f for f in assessment.findings if f.check == "signal")
    return float(found.facts["auc"])


def _sample(folder: Path) -> Path:
    log = EventLog(Home(folder).events)
    log.append(sample_events(None, None))
    log.put_items(sample_items())
    return folder


if __name__ == "__main__":
    main()
