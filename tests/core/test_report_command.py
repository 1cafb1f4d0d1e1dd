"""`tidemill report`, over a real registry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tidemill.cli.report import report
from tidemill.errors import BundleError, TidemillError
from tidemill.home import Home
from tidemill.registry import Registry


def test_the_page_of_a_promoted_model_is_written(
    home: Home,
    know_objective: Callable[..., None],
    make_bundle: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Into the home, or where it is wanted; the path is all that stands on stdout."""
    know_objective()
    registry = Registry(home)
    tags = {"tidemill.reason": "by hand", "tidemill.gate": "first model"}
    found = registry.register("buying", make_bundle(), {}, {"auc": 0.8}, tags)
    registry.promote("buying", found.version, "first model")
    report("buying")
    page = home.reports / "buying.html"
    assert "first model" in page.read_text()
    assert capsys.readouterr().out == f"{page}\n"
    with pytest.raises(TidemillError, match="cannot be written"):
        report("buying", page / "elsewhere.html")


def test_without_a_live_model_training_is_suggested(
    home: Home, know_objective: Callable[..., None]
) -> None:
    """There is nothing to report about yet."""
    know_objective()
    with pytest.raises(BundleError) as refused:
        report("buying")
    assert "tidemill train buying" in (refused.value.hint or "")
    assert not home.reports.exists()
