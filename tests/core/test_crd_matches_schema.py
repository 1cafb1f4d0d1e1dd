"""The CustomResourceDefinition is the schema, and one that an API server takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from crd_verdict import fill_defaults

from tidemill.objective import Objective
from tidemill.objective.cel import RULES_KEYWORD
from tidemill.objective.crd import objective_crd, render_crd

FILE = Path(__file__).parents[2] / "helm" / "tidemill" / "files" / "objectives.tidemill.dev.yaml"
CRD = objective_crd()
(VERSION,) = CRD["spec"]["versions"]
SCHEMA = VERSION["schema"]["openAPIV3Schema"]
STRUCTURAL = {
    *("type", "description", "default", "nullable", "enum", "format", "pattern", "required"),
    *("minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "maxProperties"),
    *("properties", "additionalProperties", "items", RULES_KEYWORD),
    *("x-kubernetes-list-type", "x-kubernetes-list-map-keys"),
}
RULE_COST_LIMIT = 10_000_000
CRD_COST_LIMIT = 100_000_000


def nodes(schema: dict[str, Any] = SCHEMA, path: str = "$", times: int = 1) -> Iterator[Any]:
    """Every schema with its path and how often at most it occurs in one object."""
    yield path, schema, times
    for name, field in schema.get("properties", {}).items():
        yield from nodes(field, f"{path}.{name}", times)
    if "additionalProperties" in schema:
        often = times * schema.get("maxProperties", 1)
        yield from nodes(schema["additionalProperties"], f"{path}.*", often)
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]", times * schema.get("maxItems", 1))


RULES = [
    (path, node, rule["rule"], times)
    for path, node, times in nodes()
    for rule in node.get(RULES_KEYWORD, ())
]


def test_the_committed_definition_is_the_schema() -> None:
    """`python -m tidemill.objective.crd` was run after the last change of a model."""
    assert FILE.read_text() == render_crd()


def test_the_file_says_how_it_is_made() -> None:
    """In its first line; the rest is the definition, whatever the line breaks."""
    first, rest = FILE.read_text().split("\n", 1)
    assert first.startswith("# Made by `python -m tidemill.objective.crd`")
    assert yaml.safe_load(rest) == CRD


@pytest.mark.parametrize("kubernetes", ["1.34", "1.35", "1.36", "1.37"])
def test_kubernetes_knows_every_field_of_the_definition(kubernetes: str) -> None:
    """apiextensions.k8s.io/v1, with nothing misspelt."""
    kubernetes_validate.validate(CRD, kubernetes, strict=True)


@pytest.mark.parametrize(("path", "node"), [(path, node) for path, node, _ in nodes()])
def test_the_schema_is_structural(path: str, node: dict[str, Any]) -> None:
    """Every value has one type; no reference, no choice of types, nothing closed or left open."""
    assert isinstance(node["type"], str)
    assert node.keys() <= STRUCTURAL
    assert not node.keys() >= {"properties", "additionalProperties"}
    assert node["type"] != "object" or node.keys() & {"properties", "additionalProperties"}
    assert set(node.get("required", ())) <= set(node.get("properties", ()))


def test_only_names_of_the_metadata_are_narrowed() -> None:
    """Kubernetes refuses a definition that says anything else about metadata."""
    metadata = SCHEMA["properties"]["metadata"]
    assert metadata.keys() == {"type", "properties"}
    assert metadata["properties"].keys() <= {"name", "generateName"}


def test_kubectl_shows_where_an_objective_stands() -> None:
    """`kubectl get objectives`: name, then these."""
    columns = [column["name"] for column in VERSION["additionalPrinterColumns"]]
    assert columns == ["Type", "Phase", "Model", "Quality", "Drift", "Lift", "URL", "Age"]


def test_every_column_shows_a_field_that_exists() -> None:
    """A column with a wrong path stays empty without a word."""
    fields = SCHEMA["properties"]["status"]["properties"]
    paths = [column["jsonPath"] for column in VERSION["additionalPrinterColumns"][:-1]]
    assert [path for path in paths if path.removeprefix(".status.") not in fields] == []


@pytest.mark.parametrize(
    ("path", "node"), [(p, n) for p, n, _ in nodes() if p.startswith("$.spec")]
)
def test_everything_a_user_writes_has_a_bound(path: str, node: dict[str, Any]) -> None:
    """The API server counts what has none as endless."""
    bounds = {"string": "maxLength", "integer": "maximum", "array": "maxItems"}
    needed = bounds.get(node["type"], "maxProperties" if "additionalProperties" in node else None)
    assert needed is None or needed in node or "enum" in node


@pytest.mark.parametrize(("path", "node", "rule", "times"), RULES)
def test_a_rule_is_cheap_enough(path: str, node: dict[str, Any], rule: str, times: int) -> None:
    """Estimated above what the API server estimates: each character of the rule costs a look at
    the whole text, for every entry of the map."""
    assert cost(node, rule, times) < RULE_COST_LIMIT


def test_all_rules_together_are_cheap_enough() -> None:
    """By the same estimate."""
    assert sum(cost(node, rule, times) for _, node, rule, times in RULES) < CRD_COST_LIMIT


def cost(node: dict[str, Any], rule: str, times: int) -> float:
    """Up to four bytes a character, a tenth of a unit each. Rules of objects read names at most."""
    longest = node["maxLength"] if node["type"] == "string" else 63
    return len(rule) * (0.4 * longest + 2) * node.get("maxProperties", 1) * times


@pytest.mark.parametrize("rule", [rule for _, node, rule, _ in RULES if "maxProperties" in node])
def test_keys_of_a_map_are_never_searched(rule: str) -> None:
    """They cannot have a bound, so the API server would refuse the whole definition."""
    searching = ("matches", "contains", "split", "substring", "replace", "lowerAscii", "find")
    assert [word for word in searching if f".{word}(" in rule] == []


def test_every_rule_explains_itself_in_one_line() -> None:
    """Its message is all that `kubectl apply` shows of it."""
    found = [rule for _, node, _ in nodes() for rule in node.get(RULES_KEYWORD, ())]
    assert found
    assert all(0 < len(rule["message"]) <= 200 and "\n" not in rule["message"] for rule in found)


MINIMAL = [
    {"propensity": {"event": "buys", "within": "4w"}},
    {"churn": {"within": "30d"}, "training": {"schedule": "0 3 * * 1"}},
    {"churn": {"within": "30d"}, "serving": {"replicas": {"min": 0}}},
    {"churn": {"event": "x", "within": "36h"}, "training": {"seed": 3, "every": "1w"}},
    {"churn": {"within": "30d"}, "population": {}, "training": {}, "monitoring": {"retrain": {}}},
]


@pytest.mark.parametrize("spec", MINIMAL)
def test_defaults_change_neither_meaning_nor_hash(spec: dict[str, Any]) -> None:
    """What Kubernetes fills in is what the model would have assumed."""
    document = {
        "apiVersion": "tidemill.dev/v1alpha1",
        "kind": "Objective",
        "metadata": {"name": "buying"},
        "spec": spec,
    }
    filled = fill_defaults(SCHEMA, document)
    assert filled["spec"]["training"]["cutoffs"] == 8
    assert Objective.model_validate(filled) == Objective.model_validate(document)
    assert Objective.model_validate(filled).hash == Objective.model_validate(document).hash


def test_status_has_no_defaults() -> None:
    """What the operator has not found out is not said for it."""
    assert [
        path for path, node, _ in nodes() if path.startswith("$.status") and "default" in node
    ] == []
