"""`python benchmarks/readiness.py`: is the verdict right, and the learning curve's extrapolation?

Protocol: `--seeds` synthetic logs (benchmarks/readiness_logs.py) of 500 users over 180 days,
assessed as `tidemill assess` does. *Shuffled*: each order is given to a user drawn anew, so that
nothing tells of orders; right is "not ready". *Strong*: searches and carts tell of them; right is
"ready". Refused although there is a signal: logs by users and by how much the past tells, as the
AUC that a linear model reaches with 4,000 users.

Extrapolation: half of the sample's users, drawn `--halves` times for each of its objectives, draw a
learning curve; its forecast for twice as many is compared with what all users reach on the same
test window. The sample is imported into a home of its own, unless `--home` names one.

The checks were settled on other seeds than those from `--first` on.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from kept_rows import KeptRows, Row
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
    parser.add_argument("--first", type=int, default=1_000, help="seed of the first log")
    parser.add_argument("--weak-seeds", type=int, default=10, help="per size and strength")
    parser.add_argument("--halves", type=int, default=10)
    parser.add_argument("--home", type=Path, help="a home that holds the sample")
    parser.add_argument(
        "--rows", type=Path, help="keep the rows there, one a line, and go on from what it holds"
    )
    options = parser.parse_args()
    kept, first = KeptRows(options.rows), options.first
    with sample(options.home) as home:
        found = {
            "first_seed": first,
            "sample": [assessed(home, name, kept) for name in OBJECTIVES],
            "extrapolation": [extrapolated(home, n, options.halves, kept) for n in OBJECTIVES],
            "verdicts": verdicts(range(first, first + options.seeds), kept),
            "refused": refused(range(first, first + options.weak_seeds), kept),
        }
    options.out.write_text(json.dumps(found, indent=1) + "\n")
    options.out.with_suffix(".md").write_text(page(found))


def page(found: dict[str, Any]) -> str:
    """The numbers for people."""
    protocol = str(__doc__).split("\n\n", 1)[1].strip()
    parts = [
        "# Readiness: is the verdict right?",
        "Made by `python benchmarks/readiness.py` (`make bench-assess`). What the checks ask is in "
        "[assess.md](../assess.md).",
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
        "## Time, on the whole sample",
        _table(
            ("objective", "wall s", "CPU s", "cores"),
            [
                (row["command"], row["seconds"], row["cpu_seconds"], row["cores"])
                for row in found["sample"]
            ],
        ),
        "`tidemill assess` of a home with nothing but the events: features, checks and report. "
        "The machine was shared with others.",
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


def verdicts(seeds: range, kept: KeptRows) -> dict[str, Any]:
    """How often each verdict is given to logs without and with a signal."""
    found: dict[str, Any] = {}
    for world in ("shuffled", "strong"):
        rows = [
            kept.get_or_make(partial(_verdict, world, seed), world=world, seed=seed)
            for seed in seeds
        ]
        found[world] = {
            "seeds": len(rows),
            "verdicts": dict(Counter(row["verdict"] for row in rows)),
            "findings": dict(Counter(name for row in rows for name in row["findings"])),
        }
    return found


def _verdict(world: str, seed: int) -> Row:
    rng = np.random.default_rng([seed, 7])
    log = log_of(rng, USERS, STRONG)
    assessment = _assess(log if world == "strong" else shuffled(rng, log))
    urgent = [each for each in assessment.findings if each.level in ("warning", "blocking")]
    return {
        "verdict": assessment.verdict,
        "findings": [f"{each.level}: {each.check}" for each in urgent],
    }


def refused(seeds: range, kept: KeptRows) -> list[dict[str, Any]]:
    """Logs that have a signal and are called not ready, by users and strength."""
    rows = []
    for strength in STRENGTHS:
        reachable = kept.get_or_make(partial(_reachable, strength), reachable=strength)
        for users in SIZES:
            said = [
                kept.get_or_make(
                    partial(_weak, strength, users, seed), strength=strength, users=users, seed=seed
                )
                for seed in seeds
            ]
            blocked = sum(row["verdict"] == "not ready" for row in said)
            counted = {"users": users, "seeds": len(said), "not ready": blocked}
            rows.append({"auc": reachable["auc"], **counted})
    return rows


def _reachable(strength: float) -> Row:
    return {"auc": _auc(_assess(log_of(np.random.default_rng(0), MANY, strength)))}


def _weak(strength: float, users: int, seed: int) -> Row:
    log = log_of(np.random.default_rng([seed, users]), users, strength)
    return {"verdict": _assess(log).verdict}


def assessed(home: Home, name: str, kept: KeptRows) -> Row:
    """What the command takes on the whole sample, features included."""
    return kept.get_or_make(partial(_command, home, name), command=name)


def _command(home: Home, name: str) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(home.events, Home(Path(folder)).events)
        objective = ROOT / "examples" / f"{name}.yaml"
        run = "from tidemill.cli.main import main; main()"
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        subprocess.run(
            [sys.executable, "-c", run, "assess", str(objective)],
            env={**os.environ, "TIDEMILL_HOME": folder},
            check=True,
            capture_output=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(cpu, 1),
        "cores": len(os.sched_getaffinity(0)),
    }


def extrapolated(home: Home, name: str, halves: int, kept: KeptRows) -> Row:
    """Forecast for twice the users, made from half of them, beside what all of them reach."""
    return kept.get_or_make(partial(_extrapolated, home, name, halves), objective=name)


def _extrapolated(home: Home, name: str, halves: int) -> Row:
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
    return {
        "auc": float(everybody),
        "mean_error": float(np.mean(errors)),
        "mean_absolute_error": float(np.mean(np.abs(errors))),
        "largest_error": float(np.max(np.abs(errors))),
        "truth_in_band": int(held),
        "halves": halves,
    }


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


@contextmanager
def sample(where: Path | None) -> Iterator[Home]:
    """A home that holds the sample and nothing else; a copy of the events of `where`."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        if where is not None:
            shutil.copytree(Home(where).events, home.events)
        else:
            log = EventLog(home.events)
            log.append(sample_events(None, None))
            log.put_items(sample_items())
        yield home


if __name__ == "__main__":
    main()
