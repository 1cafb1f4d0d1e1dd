"""Selectors find pods, claims and keys exist, volumes hold what must stay."""

import pytest

examples = pytest.mark.parametrize("example", ["default", "minimal", "production"])


def of_kind(chart, kind, *arguments):
    return [found for found in chart.render(*arguments) if found["kind"] == kind]


def selected(chart, labels, *arguments):
    pods = [pod for _, pod in chart.pods(*arguments)]
    return [pod for pod in pods if labels.items() <= pod["metadata"]["labels"].items()]


@examples
def test_workloads_select_their_own_pods(chart, example):
    """And nobody else's."""
    for kind in ("Deployment", "StatefulSet"):
        for found in of_kind(chart, kind, example):
            labels = found["spec"]["selector"]["matchLabels"]
            assert selected(chart, labels, example) == [found["spec"]["template"]]


@examples
def test_services_lead_to_a_port_that_is_open(chart, example):
    """One kind of pod behind each, with a port of that name."""
    assert of_kind(chart, "Service", example)
    for found in of_kind(chart, "Service", example):
        (pod,) = selected(chart, found["spec"]["selector"], example)
        names = {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in found["spec"]["ports"]} <= names


def test_budgets_select_pods(chart):
    """The replicas of the operator and of the collector, and the endpoints."""
    budgets = of_kind(chart, "PodDisruptionBudget", "production")
    assert len(budgets) == 3
    for found in budgets:
        assert selected(chart, found["spec"]["selector"]["matchLabels"], "production")


def test_no_budget_holds_a_node_for_a_single_replica(chart):
    """A budget of one among one would block every drain."""
    names = {found["metadata"]["name"] for found in of_kind(chart, "PodDisruptionBudget")}
    assert names == {"tidemill-serving"}


def test_monitors_find_what_they_scrape(chart):
    """The Services of operator and collector, and endpoints by their pods."""
    services = of_kind(chart, "ServiceMonitor", "production")
    (pods,) = of_kind(chart, "PodMonitor", "production")
    assert len(services) == 2
    for name, service in zip(("operator", "collector"), services, strict=True):
        found = chart.one("Service", name, "production")
        selector = service["spec"]["selector"]["matchLabels"]
        assert selector.items() <= found["metadata"]["labels"].items()
        (endpoint,) = service["spec"]["endpoints"]
        assert endpoint["port"] in {port["name"] for port in found["spec"]["ports"]}
        assert service["metadata"]["labels"]["release"] == "prometheus"
    (pod,) = selected(chart, pods["spec"]["selector"]["matchLabels"], "production")
    names = {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
    assert pods["spec"]["podMetricsEndpoints"][0]["port"] in names


@examples
def test_every_claim_that_is_mounted_exists(chart, example):
    """Made by the chart, or named in the values."""
    claims = {
        found["metadata"]["name"] for found in of_kind(chart, "PersistentVolumeClaim", example)
    }
    claims |= {"home"} if example == "minimal" else set()
    for name, pod in chart.pods(example):
        for volume in pod["spec"].get("volumes", []):
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims, name


@examples
def test_every_mount_has_its_volume(chart, example):
    """By name."""
    for name, pod in chart.pods(example):
        volumes = {volume["name"] for volume in pod["spec"].get("volumes", [])}
        mounts = [m["name"] for c in pod["spec"]["containers"] for m in c.get("volumeMounts", [])]
        assert set(mounts) == volumes, name


@pytest.mark.parametrize("name", ["home", "mlflow"])
def test_what_cannot_be_made_again_outlives_the_release(chart, name):
    """Events, models and their registry."""
    annotations = chart.one("PersistentVolumeClaim", name)["metadata"]["annotations"]
    assert annotations["helm.sh/resource-policy"] == "keep"


def test_the_definition_of_objectives_is_the_generated_file(chart):
    """Kept when a release goes, for the Objectives of other namespaces."""
    import yaml

    file = chart.folder / "files" / "objectives.tidemill.dev.yaml"
    (found,) = of_kind(chart, "CustomResourceDefinition")
    assert found["spec"] == yaml.safe_load(file.read_text())["spec"]
    assert found["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_a_job_with_other_contents_has_another_name(chart):
    """A Job cannot be changed, so an upgrade makes a new one, and the same one stays."""
    before = chart.one("Job", "home")["metadata"]["name"]
    after = chart.one("Job", "home", "default", "--set", "home.resources.limits.memory=128Mi")
    assert after["metadata"]["name"] != before
    same = chart.one("Job", "home", "default", "--set", "operator.replicas=2")
    assert same["metadata"]["name"] == before


def test_the_sample_is_loaded_on_demand(chart):
    """By the command of the CLI, into the home."""
    job = chart.one("Job", "sample", "default", "--set", "sample.enabled=true")
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert container["args"] == ["events", "sample", "--recent"]
    assert {"name": "home", "mountPath": "/tidemill"} in container["volumeMounts"]


def test_the_collector_reads_its_write_keys_from_the_named_secret(chart):
    """As files, so that a change needs no restart; the other container does not see them."""
    pod = chart.one("Deployment", "collector", "production")["spec"]["template"]["spec"]
    collect, follow = pod["containers"]
    (keys,) = [found["secret"] for found in pod["volumes"] if "secret" in found]
    assert keys["secretName"] == "write-keys"
    assert {"name": "TIDEMILL_WRITE_KEYS_DIR", "value": "/etc/tidemill/write-keys"} in collect[
        "env"
    ]
    assert "write-keys" not in {mount["name"] for mount in follow["volumeMounts"]}


def test_a_collector_without_write_keys_is_refused(chart):
    """It could let nobody in."""
    assert "name a Secret with a write key" in chart.refusal("--set", "collector.enabled=true")


def test_features_are_computed_as_of_now(chart):
    """A log that nobody fills any more must not look fresh."""
    spec = chart.one("CronJob", "materialize")["spec"]
    container = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    assert container["args"] == ["features", "materialize", "--at", "now"]
    assert spec["concurrencyPolicy"] == "Forbid"
