"""What a person finds on the page."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tidemill.bundle import BundleMetadata
from tidemill.home import Home
from tidemill.objective import resolve_objective
from tidemill.report.facts import PredictionFacts, Version
from tidemill.report.history import monitor_runs
from tidemill.report.live import LiveModel, read_judgement, read_live
from tidemill.report.page import render_page

NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)
RETRAIN = {"retrain": True, "reason": "drift: it moved", "concerns": ["drift"]}
HAPPENED = {
    "users": 777,
    "model_version": "1",
    "auc": {"observed": 0.81, "lower": 0.76, "upper": 0.86},
    "average_precision": {"observed": 0.3, "lower": 0.2, "upper": 0.4},
    "ece": {"observed": 0.02},
    "calibration": [{"rows": 9, "predicted": 0.1, "observed": 0.1, "lower": 0.0, "upper": 0.2}],
    "grades": [{"grade": "A", "users": 77, "rate": 0.2, "lift": 3.7, "lower": 2.0, "upper": 5.0}],
}
DRIFT = {
    "top_features": [
        {"name": "viewed__count_28d", "effect": 0.4, "watch_at": 0.05, "act_at": 0.1}
        | {"is_watch": True, "is_act": True},
    ],
    "score": {"name": "score", "effect": 0.0, "watch_at": 0.05, "act_at": 0.1}
    | {"is_watch": False, "is_act": False},
}


def version(number: str = "1", **changes: Any) -> Version:
    fields: dict[str, Any] = {
        "version": number,
        "live": number == "1",
        "aliases": ("champion",) if number == "1" else (),
        "registered_at": NOON,
        "reason": "by hand",
        "gate": "first model",
        "promoted": "first model" if number == "1" else None,
    }
    return Version(**{**fields, **changes})


@pytest.fixture
def page(
    home: Home, know_objective: Callable[..., None], make_live: Callable[..., None]
) -> Callable[..., str]:
    """Renders what the home holds."""

    def render(*versions: Version, event: str = "bought") -> str:
        know_objective(event=event)
        make_live()
        live = read_live(home, "buying")
        assert isinstance(live.metadata, BundleMetadata)
        facts = PredictionFacts(
            home,
            resolve_objective(home, "buying"),
            LiveModel(live.version, live.metadata),
            read_judgement(home, "buying"),
            versions or (version(),),
            tuple(monitor_runs(home, "buying")),
        )
        return render_page(facts, NOON)

    return render


def words(page: str) -> str:
    """The page as it reads, without markup."""
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", "", page, flags=re.S))


def test_the_page_loads_nothing(page: Callable[..., str]) -> None:
    """It can be mailed, printed and opened offline; the browser is told to enforce it."""
    html = page()
    assert not re.search(r"<(script|link|img|iframe)|\bsrc=|url\(|@import", html)
    assert set(re.findall(r"<(\w+)[^>]*\bhref=", html)) <= {"a"}
    assert "default-src 'none'" in html


def test_names_from_the_log_stay_text(page: Callable[..., str], write_verdict: Any) -> None:
    """An event may be called anything."""
    hostile = "<script>alert(1)</script>"
    write_verdict("2026-03-01T00:00:00+00:00", {"drift": ("ok", f"`{hostile}` stopped.", {})})
    html = page(event=hostile)
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 2


def test_every_number_stands_beside_what_it_must_beat(page: Callable[..., str]) -> None:
    """AUC beside recency, average precision beside the base rate, predicted beside happened."""
    text = words(page())
    assert "0.830 recency alone 0.710; difference +0.120, 90% interval +0.080 to +0.150" in text
    assert "0.310 base rate 0.050" in text
    assert "60 outcomes predicted, 50 happened" in text


def test_indicators_are_never_called_causes(page: Callable[..., str]) -> None:
    """Correlation is all that the test window shows."""
    text = words(page())
    assert "higher “events so far” goes with the outcome" in text
    assert "lower “events so far” goes with the outcome" in text
    assert not re.search(r"\b(because|causes?|drivers?|drives?|leads? to|impact)\b", text)


def test_a_model_that_the_gate_had_refused_is_not_shown_as_its_choice(
    page: Callable[..., str],
) -> None:
    """Why it is live, and what the gate had said, stand at the top."""
    text = words(page(version(gate="not better than recency alone", promoted="by hand: a try")))
    top = text[: text.index("Average precision")]
    assert "It is live for this reason: by hand: a try." in top
    assert "The gate had said: not better than recency alone." in top


def test_a_model_that_the_gate_has_chosen_needs_no_reason(page: Callable[..., str]) -> None:
    """What it said stands in the table of versions."""
    assert "It is live for this reason" not in words(page())


def test_without_monitoring_the_page_names_the_command(page: Callable[..., str]) -> None:
    """Nothing is left empty without a word."""
    assert "Nothing was checked yet. tidemill monitor buying judges" in words(page())


def test_a_verdict_is_told_by_word_and_colour(page: Callable[..., str], write_verdict: Any) -> None:
    """Colour alone would leave out readers and printers."""
    write_verdict("2026-03-01T00:00:00+00:00", {"drift": ("act", "It moved.", DRIFT)}, status="act")
    html = page()
    assert '<span class="status act">act</span>' in html
    assert "It moved." in html
    assert 'class="fill-act"' in html


def test_what_happened_stands_beside_the_promise(
    page: Callable[..., str], write_verdict: Any
) -> None:
    """As soon as a monitor knows outcomes of the live version."""
    write_verdict("2026-03-01T00:00:00+00:00", {"performance": ("ok", "Fine.", HAPPENED)})
    text = words(page())
    assert "since then: 0.810 (0.760 to 0.860)" in text
    assert "outcomes of 777 users" in text


def test_outcomes_of_another_version_prove_nothing(
    page: Callable[..., str], write_verdict: Any
) -> None:
    """The promise on the page is the live version's."""
    other = {**HAPPENED, "model_version": "7"}
    write_verdict("2026-03-01T00:00:00+00:00", {"performance": ("ok", "Fine.", other)})
    assert "since then" not in words(page())


def test_a_refused_challenger_is_told_with_its_reason(
    page: Callable[..., str], write_verdict: Any
) -> None:
    """The monitor asked, a version was trained, the gate said no: one sentence."""
    write_verdict("2026-03-01T00:00:00+00:00", decision=RETRAIN, status="act")
    text = words(page(version("2", reason=RETRAIN["reason"], gate="not better"), version()))
    assert "Version 2 was trained for it and refused by the gate: not better." in text
    assert "monitor, 2026-03-01: drift" in text


def test_a_retraining_that_nobody_started_is_offered(
    page: Callable[..., str], write_verdict: Any
) -> None:
    """A decision without a consequence names the command."""
    write_verdict("2026-03-01T00:00:00+00:00", decision=RETRAIN, status="act")
    assert "yet; tidemill monitor buying --retrain does that." in words(page())


def test_a_changed_objective_is_pointed_out(page: Callable[..., str]) -> None:
    """The live model answers an older question than the one in the heading."""
    assert "The objective asks something else now" in words(page())


def test_commands_can_be_pasted(page: Callable[..., str], home: Home) -> None:
    """They name this home's own paths."""
    text = words(page())
    assert f"mlflow ui --backend-store-uri sqlite:///{home.mlflow_database}" in text
    assert "curl http://127.0.0.1:8080/v1/models/buying:predict" in text
    assert f"export TIDEMILL_HOME={home.root}" in text
    assert Path(home.root).is_absolute()


def test_a_verdict_stands_below_its_own_concern(
    page: Callable[..., str], write_verdict: Any
) -> None:
    """Also in a run that judged other concerns, of an earlier release for example."""
    write_verdict("2026-03-01T00:00:00+00:00", {"base rate": ("watch", "So.", {})})
    later = {"drift": ("ok", "So.", {}), "base rate": ("act", "So.", {})}
    write_verdict("2026-03-08T00:00:00+00:00", later)
    table = re.search(r"<th>as of</th>.*?</table>", page(), re.S)
    assert table is not None
    assert re.findall(r"<tr><td.*?</tr>", table[0], re.S)[1].count("<td") == 4
    assert "2026-03-01 00:00 \N{EN DASH} watch no retraining" in words(table[0].replace("<", " <"))
