"""The metrics file: what Prometheus reads of the newest verdicts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tidemill.home import Home
from tidemill_monitoring.metrics import write_metrics
from tidemill_monitoring.retraining import _remember

AT = datetime(2026, 3, 1, tzinfo=UTC)
DRIFT = {"score": {"effect": 0.04}, "drifted": 2, "top_features": [{"effect": 0.2}]}
PERFORMANCE = {
    "auc": {"observed": 0.8, "promised": 0.83},
    "predicted_over_observed": {"observed": 1.1},
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def keep(home: Home, name: str, day: str = "20260301", **changes: Any) -> Path:
    """One run of the monitor with a verdict on drift and one on performance."""
    verdicts = [
        {"concern": "drift", "status": "act", "sentence": "", "evidence": DRIFT},
        {"concern": "performance", "status": "undecided", "sentence": "", "evidence": PERFORMANCE},
    ]
    run = {
        "format": 1,
        "status": "act",
        "objective": name,
        "at": AT.isoformat(),
        "window_days": 7,
        "model_version": "3",
        "verdicts": verdicts,
        "decision": {"retrain": True, "reason": "", "concerns": ["drift"]},
    }
    folder = home.monitoring(name) / f"{day}T000000Z"
    folder.mkdir(parents=True)
    (folder / "verdict.json").write_text(json.dumps({**run, **changes}))
    return folder


def read(home: Home) -> dict[tuple[str, ...], float]:
    """(metric, label values...) to value, as Prometheus' own parser reads them."""
    write_metrics(home)
    found = {}
    for family in text_string_to_metric_families(home.monitoring_metrics.read_text()):
        assert family.type == "gauge"
        assert family.documentation
        for sample in family.samples:
            key = (sample.name, *sample.labels.values())
            assert key not in found
            found[key] = sample.value
    return found


def test_one_status_of_each_concern_holds(home: Home) -> None:
    """Zero for the others, so that an alert needs no absent()."""
    keep(home, "orders")
    found = read(home)
    assert found["tidemill_monitor_verdict", "orders", "drift", "act"] == 1
    assert found["tidemill_monitor_verdict", "orders", "drift", "ok"] == 0
    assert found["tidemill_monitor_verdict", "orders", "performance", "undecided"] == 1


def test_key_numbers_and_times_are_there(home: Home) -> None:
    """In seconds and in the units of verdict.json."""
    folder = keep(home, "orders")
    found = read(home)
    numbers = {key[0].removeprefix("tidemill_monitor_"): value for key, value in found.items()}
    assert numbers["drift_score_effect"] == 0.04
    assert numbers["drift_largest_effect"] == 0.2
    assert (numbers["auc_observed"], numbers["auc_promised"]) == (0.8, 0.83)
    assert numbers["predicted_over_observed"] == 1.1
    assert numbers["looked_at_timestamp_seconds"] == AT.timestamp()
    ran = (folder / "verdict.json").stat().st_mtime
    assert numbers["last_run_timestamp_seconds"] == pytest.approx(ran)


def test_what_was_not_measured_is_not_zero(home: Home) -> None:
    """A missing series is honest, a zero would be an alarm."""
    keep(home, "orders", verdicts=[])
    names = {key[0] for key in read(home)}
    assert "tidemill_monitor_auc_observed" not in names
    assert "tidemill_monitor_last_run_timestamp_seconds" in names


def test_the_newest_run_of_every_objective_is_there(home: Home) -> None:
    """One file for all of them; each keeps its own while another is judged."""
    keep(home, "orders", "20260301")
    keep(home, "orders", "20260308", decision={"retrain": False, "reason": "", "concerns": []})
    keep(home, "visits")
    found = read(home)
    assert found["tidemill_monitor_retraining_wanted", "orders"] == 0
    assert found["tidemill_monitor_retraining_wanted", "visits"] == 1


def test_a_verdict_of_another_version_leaves_out_its_objective_alone(home: Home) -> None:
    """An upgrade must not blind the others."""
    keep(home, "orders")
    keep(home, "visits", format=99)
    assert {key[1] for key in read(home)} == {"orders"}


def test_retrainings_are_counted(home: Home) -> None:
    """From one start to the next; the count is kept beside the time of the last one."""
    keep(home, "orders")
    for _ in range(2):
        _remember(home.monitoring("orders"), AT)
    assert read(home)["tidemill_monitor_retrainings", "orders"] == 2


def test_names_cannot_break_the_format(home: Home) -> None:
    """Concerns are ours; still, a quote stays inside its label."""
    odd = {"concern": 'a"b\\c', "status": "ok", "sentence": "", "evidence": {}}
    keep(home, "orders", verdicts=[odd])
    assert read(home)["tidemill_monitor_verdict", "orders", 'a"b\\c', "ok"] == 1


def test_a_collector_never_reads_half_a_file(home: Home) -> None:
    """It takes every *.prom of a folder: the draft is called otherwise, and gone afterwards."""
    keep(home, "orders")
    write_metrics(home)
    folder = home.monitoring_metrics.parent
    assert [path.name for path in folder.iterdir() if path.is_file()] == ["metrics.prom"]
    assert home.monitoring_metrics.stat().st_mode & 0o777 == 0o644
