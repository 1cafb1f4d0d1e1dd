"""values.yaml, its schema and its page say the same, and wrong values are refused in words."""

import json
import runpy

import pytest
import yaml

BOTH = pytest.mark.parametrize("major", [3, 4])


@pytest.fixture(scope="module")
def tool(chart):
    """The functions of tools/values.py."""
    return runpy.run_path(str(chart.folder.parents[1] / "tools" / "values.py"))


@pytest.fixture(scope="module")
def text(chart):
    return (chart.folder / "values.yaml").read_text()


@pytest.fixture(scope="module")
def schema(chart):
    return json.loads((chart.folder / "values.schema.json").read_text())


def keys_of_values(value, schema, path=""):
    """Dotted keys of every value, down to where the schema describes no keys of the chart's own."""
    if not isinstance(value, dict) or "properties" not in schema or "requests" in value:
        return {path}
    return {
        inner
        for key, child in value.items()
        for inner in keys_of_values(child, schema["properties"].get(key, {}), f"{path}.{key}")
    }


def keys_of_schema(schema, path=""):
    properties = schema.get("properties", {})
    if not properties or "requests" in properties:
        return {path}
    inner = [keys_of_schema(child, f"{path}.{key}") for key, child in properties.items()]
    return set().union(*inner)


def test_the_schema_is_made_from_the_values(tool, text, schema):
    """`python tools/values.py` was run after the last change."""
    assert schema == tool["render_schema"](text)


def test_the_page_is_made_from_the_values(tool, text, chart):
    """So is docs/values.md."""
    page = chart.folder.parents[1] / "docs" / "values.md"
    assert page.read_text() == tool["render_page"](text)


def test_schema_and_values_have_the_same_keys(text, schema):
    """In both directions."""
    assert keys_of_values(yaml.safe_load(text), schema) == keys_of_schema(schema)


def test_every_key_is_explained(tool, text):
    """The comment above it is its documentation."""
    comments = tool["read_comments"](text)
    amounts = ("requests", "limits")
    silent = [key for key, found in comments.items() if not found.text]
    assert len(comments) > 100
    assert [key for key in silent if key.rpartition(".")[2] not in amounts] == []


def test_no_object_takes_unknown_keys(schema):
    """A misspelt key must not be ignored. Maps of the user's own keys say what their values are."""

    def open_objects(found, path=""):
        if isinstance(found, dict):
            if found.get("type") == "object" and found.get("additionalProperties", True) is True:
                yield path
            for key, child in found.items():
                yield from open_objects(child, f"{path}/{key}")

    # An umbrella chart hands `global` down to every part, with keys of its own.
    assert list(open_objects(schema)) == ["/properties/global"]


@BOTH
@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("mlfow.enabled=true", "mlfow"),
        ("serving.canary.percentage=5", "percentage"),
        ("operator.replicas=0", "replicas"),
        ("operator.replicas=two", "replicas"),
        ("serving.deploymentMode=Serverless", "Knative"),
        ("serving.canary.maxErrorRate=2", "maxErrorRate"),
        ("home.size=large", "size"),
        ("home.accessMode=ReadOnlyMany", "ReadWriteMany"),
        ("operator.image.digest=latest", "digest"),
        ("operator.image.pullPolicy=Sometimes", "IfNotPresent"),
        ("operator.resources.requests.cpu=much", "cpu"),
        ("operator.resources.request.cpu=1", "request"),
        ("kubeflow.endpoint=ml-pipeline:8888", "endpoint"),
        ("onlineStore.url=redis://:secret@host", "url"),
        ("mlflow.url=http://me:secret@host", "url"),
        ("monitoring.window=7", "window"),
        ("networkPolicy.egressPorts={http}", "egressPorts"),
    ],
)
def test_a_wrong_value_is_named(chart, major, option, words):
    """The message names the key, or the words that would have been right."""
    assert words in chart.refusal("--set", option, major=major)


@BOTH
@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("mlflow.enabled=false", "mlflow.url is empty"),
        ("redis.enabled=false", "onlineStore.url is empty"),
        ("redis.requirePassword=true", "credentials.existingSecret is empty"),
    ],
)
def test_a_wrong_combination_is_explained(chart, major, option, words):
    """Each of the values is fine alone; the message says what to do."""
    assert words in chart.refusal("--set", option, major=major)


def test_an_umbrella_chart_may_hand_down_globals(chart):
    """Helm adds `global` to the values of every part."""
    assert chart.render("default", "--set", "global.region=eu") == chart.render()
