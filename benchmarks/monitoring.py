"""`make bench-monitoring`: can the monitor's verdicts be trusted?

Protocol: synthetic streams (benchmarks/monitoring_streams.py says what users they have) and the
sample are judged window after window by the functions that `tidemill monitor` runs: data quality,
training/serving skew, drift, performance, base rate; on the streams, whose model is known, feature
decay, segments (13 of them) and the estimate as well. Freshness of the online store has no part: it
is counted, not estimated. The monitor remembers what it said, so hysteresis and learnt thresholds
take part.

False alarms: windows of a calm stream in which any concern at all says act, or watch or act; four
windows against each reference. Users are new in every window (the harder case: nothing cancels)
or return. Rows are those served; half as many users. Detection: four calm windows at 2,000 users,
then the fault; it is found when the right concern says watch or act. The sample: a model trained
on spring, June to October judged; random halves of the users of one week, and every week against
the week before, with the windows 4, 8 and 12 weeks earlier known from training. Evidently's
default preset gets the same rows, one per user; a fault counts as found when it flags any column,
as a person who reads its page would see it. Seeds begin at 500,000: earlier ones were looked at
while the rules were made. One rule, what act on a lost ranking takes, was made stricter after a
first run on these seeds had 1.8% of act at 1,000 rows.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from monitoring_judge import Monitor, urgency
from monitoring_rival import preset
from monitoring_sample import adjacent_weeks, read_weeks, user_splits
from monitoring_scale import make_windows
from monitoring_streams import CASES, USERS_PER_ROW, Case, Stream, Window

from tidemill_monitoring.verdicts import Status

ROOT = Path(__file__).parent.parent
USERS = 2_000
PER_REFERENCE = 4
SIZES = (1_000, 10_000, 100_000, 1_000_000)
RIVAL_SIZES = (1_000, 10_000)
OBJECTIVES = ("category-purchase", "churn")
RIVAL_CASES = ("mean shift", "a unit change", "the second category", "10% nulls", "a ramp")
Facts = dict[str, Any]
_SEED = 500_000


def main() -> None:
    """Write docs/benchmarks/monitoring.md and .json; a part that is left out keeps its numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=400, help="calm windows up to 10,000 rows")
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, help="rows a window")
    parser.add_argument("--seeds", type=int, default=100, help="seeds of each fault")
    parser.add_argument("--cases", nargs="+", default=[""], help="only faults that begin so")
    parser.add_argument("--rival-seeds", type=int, default=10)
    parser.add_argument("--splits", type=int, default=100, help="random halves of the sample")
    parser.add_argument("--scale-users", type=int, default=1_000_000)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "monitoring.json"
    facts: Facts = json.loads(path.read_text()) if path.exists() else {}
    facts["versions"] = {name: version(name) for name in ("numpy", "evidently", "duckdb")}
    for part in options.parts:
        facts[part] = PARTS[part](options)
        path.write_text(json.dumps(facts, indent=1) + "\n")
        (options.out / "monitoring.md").write_text(markdown(facts))
        print(json.dumps({part: facts[part]}, indent=1), flush=True)


def false_alarms(options: argparse.Namespace) -> list[Facts]:
    """Per number of rows and kind of users: shares of windows, and who raised them."""
    rows_of = []
    for rows in options.sizes:
        for returning in (False, True):
            windows = max(PER_REFERENCE, round(options.windows * min(1.0, 10_000 / rows)))
            rows_of.append(_calm(rows, returning, windows))
            print(rows_of[-1], flush=True)
    return rows_of


def _calm(rows: int, returning: bool, windows: int) -> Facts:
    statuses = []
    for seed in range(-(-windows // PER_REFERENCE)):
        stream = Stream(_SEED + seed, rows, returning)
        monitor = Monitor(stream.window())
        statuses += [monitor.judge(stream.window()) for _ in range(PER_REFERENCE)]
    shares = _shares([urgency(each) for each in statuses])
    return {"rows": rows, "returning": returning, **shares, "raised": _raised(statuses)}


def _raised(statuses: Sequence[Mapping[str, Status]]) -> dict[str, int]:
    """Windows in which each concern said watch or act."""
    urgent = (Status.WATCH, Status.ACT)
    return dict(
        Counter(name for each in statuses for name, status in each.items() if status in urgent)
    )


def _shares(found: Sequence[Status]) -> Facts:
    return {
        "windows": len(found),
        "act": found.count(Status.ACT) / len(found),
        "watch_or_act": (len(found) - found.count(Status.OK)) / len(found),
    }


def detection(options: argparse.Namespace) -> list[Facts]:
    """Per fault: the window in which it was found, in as many seeds."""
    cases = [case for case in CASES if case.name.startswith(tuple(options.cases))]
    delays: dict[str, list[int]] = {case.name: [] for case in cases}
    acted: dict[str, int] = {case.name: 0 for case in cases}
    for seed in range(options.seeds):
        for case, (delay, act) in zip(cases, _delays(cases, seed), strict=True):
            delays[case.name].append(delay)
            acted[case.name] += act
        if seed % 10 == 9:
            print({name: max(found) for name, found in delays.items()}, flush=True)
    return [
        {
            "case": case.name,
            "concern": case.concern,
            "seeds": options.seeds,
            "within": case.within,
            "found": sum(delay <= case.within for delay in delays[case.name]) / options.seeds,
            "at_once": sum(delay == 1 for delay in delays[case.name]) / options.seeds,
            "median_delay": float(np.median(delays[case.name])),
            "largest_delay": max(delays[case.name]),
            "act": acted[case.name] / options.seeds,
        }
        for case in cases
    ]


def _delays(cases: Sequence[Case], seed: int) -> list[tuple[int, bool]]:
    """Of each case, after the same calm windows."""
    stream = Stream(_SEED + 10_000 + seed, round(USERS / USERS_PER_ROW), returning=seed % 2 == 0)
    calm = Monitor(stream.window())
    for _ in range(PER_REFERENCE):
        calm.judge(stream.window())
    weeks = [stream.window() for _ in range(max(case.within for case in cases))]
    return [_delay(case, seed, replace(calm), weeks) for case in cases]


def _delay(case: Case, seed: int, monitor: Monitor, weeks: Sequence[Window]) -> tuple[int, bool]:
    """Windows until the right concern spoke, one more than allowed if never; and did it act."""
    for week in range(1, case.within + 1):
        broken = case.fault(weeks[week - 1], week, np.random.default_rng(seed))
        status = monitor.judge(broken)[case.concern]
        if status in (Status.WATCH, Status.ACT):
            return week, status is Status.ACT
    return case.within + 1, False


def sample(options: argparse.Namespace) -> list[Facts]:
    """Random halves and adjacent weeks of real users."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name in OBJECTIVES:
            weeks = read_weeks(Path(folder), ROOT / "examples" / f"{name}.yaml")
            for what, pairs in (
                ("random halves of the users", user_splits(weeks, options.splits)),
                ("adjacent weeks", adjacent_weeks(weeks)),
            ):
                statuses = [monitor.judge(window) for monitor, window in pairs]
                known = {"objective": name, "what": what, "features": len(weeks.names)}
                shares = _shares([urgency(each) for each in statuses])
                found.append({**known, **shares, "raised": _raised(statuses)})
    return found


def scale(options: argparse.Namespace) -> list[Facts]:
    """CPU seconds and memory, each in a process of its own."""
    users, few = options.scale_users, options.scale_users // 10
    with tempfile.TemporaryDirectory() as folder:
        make_windows(Path(folder), users)
        return [
            {"what": what, "users": rows, **_measured(Path(folder), what, rows)}
            for what, rows in (("monitor", users), ("monitor", few), ("evidently", few))
        ]


def _measured(folder: Path, what: str, rows: int) -> Facts:
    script = Path(__file__).with_name("monitoring_scale.py")
    command = [sys.executable, str(script), str(folder), what, str(rows)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    measured: Facts = json.loads(done.stdout.splitlines()[-1])
    return measured


def rival(options: argparse.Namespace) -> Facts:
    """Evidently's default preset on the same streams."""
    calm = []
    for rows in RIVAL_SIZES:
        found = []
        for seed in range(options.rival_seeds):
            stream = Stream(seed, rows, returning=False)
            found.append(preset(stream.window(), stream.window()))
        calm.append(
            {
                "rows": rows,
                "windows": len(found),
                "any_column": sum(bool(each.columns) for each in found) / len(found),
                "dataset": sum(each.dataset for each in found) / len(found),
            }
        )
    return {"calm": calm, "cases": {case.name: _rival_finds(case, options) for case in CASES}}


def _rival_finds(case: Case, options: argparse.Namespace) -> Facts | None:
    """None for what the preset does not look at."""
    if not case.name.startswith(RIVAL_CASES):
        return None
    found = []
    for seed in range(options.rival_seeds):
        stream = Stream(
            _SEED + 10_000 + seed, round(USERS / USERS_PER_ROW), returning=seed % 2 == 0
        )
        reference, window = stream.window(), stream.window()
        broken = case.fault(window, case.within, np.random.default_rng(seed))
        found.append(preset(reference, broken))
    return {
        "seeds": len(found),
        "any_column": sum(bool(each.columns) for each in found) / len(found),
        "dataset": sum(each.dataset for each in found) / len(found),
    }


PARTS = {
    "scale": scale,
    "detection": detection,
    "rival": rival,
    "sample": sample,
    "false_alarms": false_alarms,
}


def markdown(facts: Facts) -> str:
    """The page."""
    versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    parts = [
        "# Monitoring: false alarms, detection, cost\n",
        f"`make bench-monitoring`; {versions}.",
    ]
    parts.append((__doc__ or "").split("\n\n", 1)[1].strip())
    writers = {
        "false_alarms": _false_alarm_table,
        "sample": _sample_table,
        "detection": _detection_table,
        "scale": _scale_table,
    }
    for part, write in writers.items():
        parts.append(write(facts) if part in facts else f"*Not run yet: {part.replace('_', ' ')}.*")
    parts.append(
        "Parts may be from runs of their own: each keeps its numbers until it is run again."
    )
    return "\n\n".join(parts) + "\n"


def _false_alarm_table(facts: Facts) -> str:
    lines = [
        "## False alarms on calm streams, all concerns together\n",
        "Aim: act in at most 1% of windows, watch in at most 5%.\n",
        "| rows | users | windows | act | watch or act | raised by |",
        "|---|---|---|---|---|---|",
    ]
    for each in facts["false_alarms"]:
        users = "return" if each["returning"] else "new"
        lines.append(
            f"| {each['rows']:,} | {users} | {each['windows']} | {each['act']:.1%} | "
            f"{each['watch_or_act']:.1%} | {_names(each)} |"
        )
    lines += [
        f"| {each['rows']:,} | new | {each['windows']} | | {each['any_column']:.0%} any column, "
        f"{each['dataset']:.0%} dataset | Evidently's preset |"
        for each in facts.get("rival", {}).get("calm", [])
    ]
    return "\n".join(lines)


def _names(found: Facts) -> str:
    return ", ".join(f"{name} {count}" for name, count in found["raised"].items()) or "-"


def _sample_table(facts: Facts) -> str:
    lines = [
        "## False alarms on the sample\n",
        "| objective | windows | features | number | act | watch or act | raised by |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {each['objective']} | {each['what']} | {each['features']} | {each['windows']} | "
        f"{each['act']:.1%} | {each['watch_or_act']:.1%} | {_names(each)} |"
        for each in facts["sample"]
    ]
    return "\n".join(lines)


def _detection_table(facts: Facts) -> str:
    lines = [
        f"## Detection at {USERS:,} users\n",
        "Aim: found in at least 95% of seeds within the windows of the third column. The last "
        "column is the share of seeds in which Evidently's preset flags any column (beside it: "
        "calls the dataset drifted), to be read beside its false alarms.\n",
        "| fault | found by | within | seeds | found | in the first window | median delay | "
        "longest | act when found | Evidently |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    rivals = facts.get("rival", {}).get("cases", {})
    for each in facts["detection"]:
        other = rivals.get(each["case"])
        beside = "-" if other is None else f"{other['any_column']:.0%} ({other['dataset']:.0%})"
        lines.append(
            f"| {each['case']} | {each['concern']} | {each['within']} | {each['seeds']} | "
            f"{each['found']:.0%} | {each['at_once']:.0%} | {each['median_delay']:g} | "
            f"{each['largest_delay']} | {each['act']:.0%} | {beside} |"
        )
    return "\n".join(lines)


def _scale_table(facts: Facts) -> str:
    lines = [
        "## Cost of one judgement, 50 features\n",
        "Users are those of each side. CPU seconds without reading the data; memory with it.\n",
        "| what | users a side | CPU s | peak MB |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {each['what']} | {each['users']:,} | {each['cpu_seconds']:.1f} | "
        f"{each['peak_mb']:.0f} |"
        for each in facts["scale"]
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
