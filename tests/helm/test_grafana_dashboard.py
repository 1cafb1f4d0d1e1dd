"""The dashboard shows numbers that exist."""

import json
import re

import pytest

from tidemill.operator.metrics import OperatorMetrics
from tidemill_serving.metrics import Metrics


@pytest.fixture(scope="module")
def dashboard(chart):
    data = chart.one("ConfigMap", "dashboard", "production")["data"]
    return json.loads(data["tidemill.json"])


def expressions(dashboard):
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def exported():
    """Names of all samples that server and operator export once they have done anything."""
    server = Metrics()
    server.answered("m", "v2", "200", 0.1)
    server.predicted("m", 2, 1)
    server.log_failed("m")
    pages = server.render([("m", "1")]) + OperatorMetrics().render().decode()
    return set(re.findall(r"^(tidemill_\w+)", pages, re.M))


def test_every_metric_is_exported(dashboard):
    """By the server or by the operator, under exactly this name."""
    shown = {name for text in expressions(dashboard) for name in re.findall(r"tidemill_\w+", text)}
    assert len(shown) >= 8
    assert shown - exported() == set()


def test_every_number_can_be_narrowed_down(dashboard):
    """To a namespace, and to an Objective where there is one."""
    assert all("$namespace" in text for text in expressions(dashboard))


def test_panels_do_not_overlap(dashboard):
    """On Grafana's grid of 24 columns."""
    cells = [
        (x, y)
        for panel in dashboard["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_grafana_finds_it(chart):
    """By the label that its sidecar looks for."""
    found = chart.one("ConfigMap", "dashboard", "production")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
