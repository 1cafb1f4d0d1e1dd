"""The newest verdicts of all objectives as a file for Prometheus' textfile collector.

It is made anew from what the home holds at every run, so there is nothing to merge and nothing to
forget: an objective is in it as long as its verdicts are.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from tidemill.errors import TidemillError
from tidemill.home import Home
from tidemill.http.exposition import family, sample
from tidemill.report.history import MonitorRun, monitor_runs
from tidemill_monitoring.verdicts import Status

_READABLE = 0o644
"""The collector of metrics is somebody else."""


@dataclass(frozen=True)
class Watched:
    """An objective, its newest run, and what is remembered of retrainings."""

    objective: str
    run: MonitorRun
    ran_at: float
    """By the clock, seconds since 1970."""
    retrainings: Mapping[str, Any]


Value = Callable[[Watched], float | None]


def write_metrics(home: Home) -> None:
    """Replace `<home>/monitoring/metrics.prom` at once. Raises OSError when it cannot be."""
    with home.lock("metrics"):
        path = home.monitoring_metrics
        path.parent.mkdir(parents=True, exist_ok=True)
        # A collector reads every *.prom file, so the draft must not be called so.
        draft = path.with_suffix(f".{os.getpid()}.tmp")
        draft.write_text(render_metrics(read_watched(home)))
        draft.chmod(_READABLE)
        draft.replace(path)


def read_watched(home: Home) -> list[Watched]:
    """The newest run of each objective that has one, by name.

    Verdicts that another version wrote leave their objective out, and no other.
    """
    found = []
    for folder in sorted(path for path in home.root.glob("monitoring/*") if path.is_dir()):
        with suppress(TidemillError):
            found += [
                Watched(folder.name, run, _ran_at(run), _retrainings(folder))
                for run in islice(monitor_runs(home, folder.name), 1)
            ]
    return found


def _ran_at(run: MonitorRun) -> float:
    return (run.folder / "verdict.json").stat().st_mtime


def _retrainings(folder: Path) -> Mapping[str, Any]:
    state = folder / "state.json"
    found: dict[str, Any] = json.loads(state.read_text()) if state.exists() else {}
    return found


def render_metrics(watched: Iterable[Watched]) -> str:
    """The page in the Prometheus text format."""
    watched = list(watched)
    pages = [
        family(
            "tidemill_monitor_verdict",
            "gauge",
            "1 for the status of each concern in the newest run, 0 for the others.",
            [line for each in watched for line in _verdicts(each)],
        )
    ]
    for name, (text, value) in _GAUGES.items():
        lines = []
        for each in watched:
            found = value(each)
            if found is not None:
                lines.append(sample("", {"objective": each.objective}, found))
        if lines:
            pages.append(family(name, "gauge", text, lines))
    return "".join(pages)


def _verdicts(watched: Watched) -> Iterator[str]:
    for verdict in watched.run.verdicts:
        for status in Status:
            labels = {
                "objective": watched.objective,
                "concern": verdict.concern,
                "status": status.value,
            }
            yield sample("", labels, int(verdict.status == status.value))


def _evidence(concern: str, *keys: str) -> Value:
    """A number of the newest run's evidence; None where it was not measured."""

    def value(watched: Watched) -> float | None:
        found: Any = watched.run.evidence(concern)
        for key in keys:
            found = found.get(key) if isinstance(found, Mapping) else None
        return float(found) if isinstance(found, int | float) else None

    return value


def _largest_effect(watched: Watched) -> float | None:
    features = watched.run.evidence("drift").get("top_features", [])
    return max((float(each["effect"]) for each in features), default=None)


_GAUGES: Mapping[str, tuple[str, Value]] = {
    "tidemill_monitor_last_run_timestamp_seconds": (
        "When the monitor last came to an end.",
        lambda watched: watched.ran_at,
    ),
    "tidemill_monitor_looked_at_timestamp_seconds": (
        "The instant up to which the newest run looked.",
        lambda watched: watched.run.at.timestamp(),
    ),
    "tidemill_monitor_retraining_wanted": (
        "1 while the newest run asks for a retraining.",
        lambda watched: float(watched.run.retrain),
    ),
    "tidemill_monitor_retrainings": (
        "Retrainings that the monitor has started on this machine.",
        lambda watched: watched.retrainings.get("started"),
    ),
    "tidemill_monitor_drift_score_effect": (
        "Jensen-Shannon distance of the scores from the test window, less what chance gives.",
        _evidence("drift", "score", "effect"),
    ),
    "tidemill_monitor_drift_largest_effect": (
        "The same of the feature that moved most.",
        _largest_effect,
    ),
    "tidemill_monitor_drifted_features": (
        "Features that moved beyond doubt and beyond their threshold.",
        _evidence("drift", "drifted"),
    ),
    "tidemill_monitor_auc_observed": (
        "AUC of served predictions whose outcomes are known.",
        _evidence("performance", "auc", "observed"),
    ),
    "tidemill_monitor_auc_promised": (
        "AUC on the test window of the version that made them.",
        _evidence("performance", "auc", "promised"),
    ),
    "tidemill_monitor_auc_estimated": (
        "AUC estimated from calibrated scores, before outcomes are known.",
        _evidence("estimated performance", "auc", "observed"),
    ),
    "tidemill_monitor_ndcg_observed": (
        "NDCG of served lists whose outcomes are known.",
        _evidence("performance", "ndcg", "observed"),
    ),
    "tidemill_monitor_ndcg_promised": (
        "NDCG on the test window of the version that made them.",
        _evidence("performance", "ndcg", "promised"),
    ),
    "tidemill_monitor_predicted_over_observed": (
        "Outcomes predicted over outcomes that happened.",
        _evidence("performance", "predicted_over_observed", "observed"),
    ),
    "tidemill_monitor_outcome_rate": (
        "Share of the users who had the outcome.",
        _evidence("base rate", "rate"),
    ),
}
