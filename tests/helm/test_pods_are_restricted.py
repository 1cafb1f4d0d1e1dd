"""Every pod passes the restricted Pod Security Standard, and asks for what it uses."""

import pytest

examples = pytest.mark.parametrize("example", ["default", "minimal", "production"])
VOLUMES = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}


def contexts(pod):
    """(container, its security settings: those of the pod, overruled by its own)."""
    shared = pod["spec"].get("securityContext", {})
    containers = [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
    return [(found, {**shared, **found["securityContext"]}) for found in containers]


@examples
def test_no_container_can_become_more_than_it_is(chart, example):
    """Not root, no escalation, no capability, the runtime's system call filter."""
    for name, pod in chart.pods(example):
        for _, settings in contexts(pod):
            assert settings["runAsNonRoot"] is True, name
            assert settings["runAsUser"] == settings["runAsGroup"] == 10001, name
            assert settings["allowPrivilegeEscalation"] is False, name
            assert settings["capabilities"] == {"drop": ["ALL"]}, name
            assert settings["seccompProfile"] == {"type": "RuntimeDefault"}, name
            assert not settings.get("privileged"), name


@examples
def test_root_filesystems_are_read_only(chart, example):
    """What has to be written goes to a volume."""
    for name, pod in chart.pods(example):
        assert all(found["readOnlyRootFilesystem"] for _, found in contexts(pod)), name


@examples
def test_nothing_of_the_host_is_used(chart, example):
    """No namespaces, ports or paths of the node."""
    for name, pod in chart.pods(example):
        spec = pod["spec"]
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        assert {key for volume in spec.get("volumes", []) for key in volume} <= {"name", *VOLUMES}
        ports = [port for found in spec["containers"] for port in found.get("ports", [])]
        assert not [port for port in ports if "hostPort" in port], name


@examples
def test_only_the_operator_gets_a_token(chart, example):
    """Nobody else has a reason to talk to the API server."""
    with_token = {
        name
        for name, pod in chart.pods(example)
        if pod["spec"].get("automountServiceAccountToken", True)
    }
    endpoint = {"ClusterServingRuntime/tidemill-tidemill"}  # its ServiceAccount has it turned off
    assert with_token - endpoint == {"Deployment/tidemill-operator"}
    if example != "minimal":
        assert chart.one("ServiceAccount", "serving")["automountServiceAccountToken"] is False


@examples
def test_requests_are_made_and_memory_is_limited(chart, example):
    """Requests place a pod; without a limit one pod's leak is its neighbours' problem."""
    for name, pod in chart.pods(example):
        for container in pod["spec"]["containers"]:
            assert set(container["resources"]["requests"]) == {"cpu", "memory"}, name
            assert "memory" in container["resources"]["limits"], name


@examples
def test_what_runs_long_is_probed(chart, example):
    """A server that hangs is restarted, one that is not ready gets no requests."""
    servers = ("Deployment", "StatefulSet", "ClusterServingRuntime")
    for name, pod in chart.pods(example):
        if name.startswith(servers):
            for container in (each for each in pod["spec"]["containers"] if "ports" in each):
                assert {"readinessProbe", "livenessProbe"} <= set(container), name


@examples
def test_no_shell_is_asked_for(chart, example):
    """Our images have none that may be relied on."""
    for name, pod in chart.pods(example):
        for container in pod["spec"]["containers"]:
            words = " ".join(container.get("command", []) + container.get("args", []))
            assert "/sh" not in words, name
            assert "bash" not in words, name


def test_a_mirror_replaces_every_registry(chart):
    """Test pods and the helper that makes folders included."""
    images = [
        container["image"]
        for _, pod in chart.pods("default", "--set", "image.registry=mirror.example.com/ml")
        for container in pod["spec"]["containers"]
    ]
    assert len(set(images)) == 6
    assert [image for image in images if not image.startswith("mirror.example.com/ml/")] == []


@pytest.mark.parametrize("part", ["operator", "pipeline", "serving", "mlflow", "redis"])
def test_a_digest_wins_over_the_tag(chart, part):
    """A pinned image is exactly that one."""
    digest = f"sha256:{'ab' * 32}"
    options = ("--set", f"{part}.image.digest={digest}", "--set", f"{part}.image.tag=old")
    images = {
        container["image"]
        for _, pod in chart.pods("default", *options)
        for container in pod["spec"]["containers"]
    }
    (pinned,) = [image for image in images if image.endswith(f"@{digest}")]
    assert ":old" not in pinned


def test_placement_reaches_every_pod(chart):
    """Nodes, taints and the secrets of the registry."""
    for name, pod in chart.pods("production"):
        spec = pod["spec"]
        assert spec["nodeSelector"] == {"kubernetes.io/os": "linux"}, name
        assert spec["imagePullSecrets"] == [{"name": "registry"}], name
        assert [found["key"] for found in spec["tolerations"]] == ["dedicated"], name
