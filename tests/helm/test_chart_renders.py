"""Both Helms render every example, and what comes out is right for Kubernetes."""

from collections import Counter

import kubernetes_validate
import pytest

VERSIONS = ("1.30", "1.34", "1.36", "1.37")
NOT_KUBERNETES = {"ClusterServingRuntime", "ServiceMonitor", "PodMonitor"}
examples = pytest.mark.parametrize("example", ["default", "minimal", "production"])


@examples
@pytest.mark.parametrize("major", [3, 4])
def test_lint_has_nothing_to_say(chart, major, example):
    """Strictly: a warning counts."""
    values = chart.folder / "ci" / f"{example}-values.yaml"
    found = chart.run(major, "lint", "--strict", str(chart.folder), "--values", str(values))
    assert found.returncode == 0, found.stdout


@examples
def test_both_helms_render_the_same(chart, example):
    """Nothing depends on how a version of Helm sorts or quotes."""

    def by_name(objects):
        return {(found["kind"], found["metadata"]["name"]): found for found in objects}

    assert by_name(chart.render(example, major=3)) == by_name(chart.render(example, major=4))


@examples
@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_object(chart, example, version):
    """Against the schemas of a release, strictly: unknown fields count."""
    for found in chart.render(example):
        if found["kind"] not in NOT_KUBERNETES:
            kubernetes_validate.validate(found, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_the_endpoints_pod(chart, version):
    """KServe makes a Deployment from the runtime's containers and volumes."""
    ((_, pod),) = [found for found in chart.pods() if found[0].startswith("ClusterServing")]
    kubernetes_validate.validate({"apiVersion": "v1", "kind": "Pod", **pod}, version, strict=True)


@examples
def test_names_are_unique(chart, example):
    """Two objects of one kind never share a name."""
    names = [(found["kind"], found["metadata"]["name"]) for found in chart.render(example)]
    assert [name for name, count in Counter(names).items() if count > 1] == []


@examples
def test_everything_is_in_the_releases_namespace(chart, example):
    """One release is one namespace, also for those who pipe `helm template` into kubectl."""
    cluster_wide = {"CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding"}
    for found in chart.render(example):
        if found["kind"] not in {*cluster_wide, "ClusterServingRuntime"}:
            assert found["metadata"]["namespace"] == "tidemill", found["metadata"]["name"]


def test_two_namespaces_do_not_meet(chart):
    """Cluster-scoped objects of another release have other names."""

    def cluster_names(objects):
        return {found["metadata"]["name"] for found in objects if "Cluster" in found["kind"]}

    here = cluster_names(chart.render())
    there = cluster_names(chart.render("default", "--namespace", "other"))
    assert here
    assert not here & there


def test_long_names_are_cut(chart):
    """63 characters for Services and Jobs, 52 for CronJobs."""
    for found in chart.render("default", "--set", f"fullnameOverride={'a' * 80}"):
        longest = {"CronJob": 52, "Job": 63, "Service": 63}.get(found["kind"], 253)
        assert len(found["metadata"]["name"]) <= longest


def test_what_a_first_install_makes(chart):
    """The kinds and names of a default install; a change here is a change for everybody."""
    made = {f"{found['kind']} {found['metadata']['name']}" for found in chart.render()}
    jobs = {name for name in made if name.startswith("Job ")}
    assert {name.rpartition("-")[0] for name in jobs} == {"Job tidemill-home"}
    assert made - jobs == {
        "ClusterRole tidemill-tidemill-operator",
        "ClusterRoleBinding tidemill-tidemill-operator",
        "ClusterServingRuntime tidemill-tidemill",
        "ConfigMap tidemill-environment",
        "ConfigMap tidemill-operator",
        "CronJob tidemill-materialize",
        "CronJob tidemill-quality",
        "CustomResourceDefinition objectives.tidemill.dev",
        "Deployment tidemill-mlflow",
        "Deployment tidemill-operator",
        "NetworkPolicy tidemill-home",
        "NetworkPolicy tidemill-materialize",
        "NetworkPolicy tidemill-mlflow",
        "NetworkPolicy tidemill-monitoring",
        "NetworkPolicy tidemill-operator",
        "NetworkPolicy tidemill-quality",
        "NetworkPolicy tidemill-redis",
        "NetworkPolicy tidemill-serving",
        "NetworkPolicy tidemill-training",
        "PersistentVolumeClaim tidemill-home",
        "PersistentVolumeClaim tidemill-mlflow",
        "PersistentVolumeClaim tidemill-redis",
        "Pod tidemill-test-mlflow",
        "Pod tidemill-test-operator",
        "Pod tidemill-test-redis",
        "PodDisruptionBudget tidemill-serving",
        "Role tidemill-operator",
        "RoleBinding tidemill-operator",
        "Service tidemill-mlflow",
        "Service tidemill-operator",
        "Service tidemill-redis",
        "ServiceAccount tidemill-monitoring",
        "ServiceAccount tidemill-operator",
        "ServiceAccount tidemill-serving",
        "StatefulSet tidemill-redis",
    }


def test_minimal_makes_nothing_optional(chart):
    """What can be turned off is off."""
    made = Counter(found["kind"] for found in chart.render("minimal"))
    assert set(made) == {
        *("ClusterRole", "ClusterRoleBinding", "ConfigMap", "Deployment", "Job", "Pod"),
        *("Role", "RoleBinding", "Service", "ServiceAccount"),
    }
    assert made["Deployment"] == made["Job"] == made["Pod"] == 1
