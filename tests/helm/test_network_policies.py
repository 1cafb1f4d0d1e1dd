"""Who may talk to whom."""

import pytest

MADE_BY_THE_OPERATOR = {
    "monitoring": {
        "app.kubernetes.io/part-of": "tidemill",
        "app.kubernetes.io/component": "monitoring",
    },
    "training": {
        "app.kubernetes.io/part-of": "tidemill",
        "app.kubernetes.io/component": "training",
    },
}
COMPONENT = "app.kubernetes.io/component"
examples = pytest.mark.parametrize("example", ["default", "production"])


def policies(chart, *arguments):
    return [found for found in chart.render(*arguments) if found["kind"] == "NetworkPolicy"]


def pod_labels(chart, *arguments):
    made = [pod["metadata"]["labels"] for _, pod in chart.pods(*arguments)]
    return [*made, *MADE_BY_THE_OPERATOR.values()]


def callers(chart, component, *arguments):
    """Components that may open connections to one; None stands for anybody of a namespace."""
    policy = chart.one("NetworkPolicy", component, *arguments)["spec"]
    peers = [peer for rule in policy.get("ingress", []) for peer in rule["from"]]
    return {peer.get("podSelector", {}).get("matchLabels", {}).get(COMPONENT) for peer in peers}


def ports(chart, component, *arguments):
    """Ports that a component may connect to."""
    spec = chart.one("NetworkPolicy", component, *arguments)["spec"]
    return {port["port"] for rule in spec.get("egress", []) for port in rule["ports"]}


@examples
def test_every_policy_selects_a_pod(chart, example):
    """A policy whose labels are misspelt protects nothing, in silence."""
    for found in policies(chart, example):
        wanted = found["spec"]["podSelector"]["matchLabels"].items()
        assert any(wanted <= labels.items() for labels in pod_labels(chart, example)), found


@examples
def test_every_peer_is_a_pod(chart, example):
    """The same for those who are let in."""
    for found in policies(chart, example):
        for rule in found["spec"].get("ingress", []):
            for peer in rule.get("from", []):
                wanted = peer.get("podSelector", {}).get("matchLabels", {}).items()
                assert any(wanted <= labels.items() for labels in pod_labels(chart, example))


@examples
def test_every_pod_that_stays_has_a_policy(chart, example):
    """Only test pods, which live for seconds, have none."""
    rules = policies(chart, example)
    guarded = [found["spec"]["podSelector"]["matchLabels"].items() for found in rules]
    for labels in pod_labels(chart, example):
        if labels[COMPONENT] != "test":
            assert any(wanted <= labels.items() for wanted in guarded), labels


def test_the_online_store_lets_in_those_who_read_or_write_features(chart):
    """The operator is not one of them."""
    readers = {"features", "serving", "training", "monitoring", "test"}
    assert callers(chart, "redis") == readers


def test_the_online_store_lets_in_the_collector_that_keeps_features_fresh(chart):
    """Only where there is one."""
    collecting = ("--set", "collector.enabled=true,collector.writeKeys.existingSecret=keys")
    stale = ("--set", "collector.fresh.enabled=false")
    assert "collector" in callers(chart, "redis", "default", *collecting)
    assert "collector" not in callers(chart, "redis", "default", *collecting, *stale)


def test_anybody_may_send_events(chart):
    """Write keys decide who is heard; the collector itself talks to the online store alone."""
    (rule,) = chart.one("NetworkPolicy", "collector", "production")["spec"]["ingress"]
    assert rule == {"ports": [{"port": 8080}]}
    assert ports(chart, "collector", "production") == {53, 6380, 15012}


def test_the_registry_lets_in_those_who_train_judge_and_roll_out(chart):
    """Endpoints are not among them: they read the shared volume."""
    assert callers(chart, "mlflow") == {"operator", "training", "monitoring", "test"}


def test_the_registry_lets_in_namespaces_by_name(chart):
    """Such as that of an ingress controller."""
    policy = chart.one("NetworkPolicy", "mlflow", "production")["spec"]
    named = [peer["namespaceSelector"] for peer in policy["ingress"][0]["from"][4:]]
    assert named == [{"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}]


@pytest.mark.parametrize("component", ["redis", "mlflow", "home"])
def test_stores_and_file_jobs_call_nobody(chart, component):
    """Their policies name egress and list none."""
    spec = chart.one("NetworkPolicy", component)["spec"]
    assert "Egress" in spec["policyTypes"]
    assert "egress" not in spec


def test_an_endpoint_reaches_the_online_store_alone(chart):
    """And resolves names."""
    assert ports(chart, "serving") == {53, 6379}


def test_ports_follow_the_urls(chart):
    """An online store elsewhere, a service mesh's port."""
    assert ports(chart, "serving", "production") == {53, 6380, 15012}
    assert {8888, 5000, 9090} <= ports(chart, "operator", "production")


@pytest.mark.parametrize(
    ("url", "port"), [("http://kfp", 80), ("https://kfp/x", 443), ("http://kfp:3000/", 3000)]
)
def test_a_url_without_a_port_has_its_schemes(chart, url, port):
    """80 for http, 443 for https."""
    assert port in ports(chart, "operator", "default", "--set", f"kubeflow.endpoint={url}")


def test_a_registry_with_outside_stores_reaches_them(chart):
    """Postgres and an object store, by their usual ports."""
    assert {53, 443, 5432} <= ports(chart, "mlflow", "production")


def test_policies_can_be_turned_off(chart):
    """For clusters that have their own."""
    assert policies(chart, "default", "--set", "networkPolicy.enabled=false") == []
