"""The CronJob that judges the event log."""


def job(chart, *arguments):
    spec = chart.one("CronJob", "quality", *arguments)["spec"]
    return spec, spec["jobTemplate"]["spec"]["template"]["spec"]


def test_the_log_is_judged_as_of_now(chart):
    """A log that nobody fills any more must not look fine."""
    _, pod = job(chart)
    (container,) = pod["containers"]
    assert container["args"][:3] == ["quality", "--at", "now"]
    assert {"name": "home", "mountPath": "/tidemill"} in container["volumeMounts"]


def test_its_verdict_is_the_termination_message(chart):
    """And a verdict is no failure, which Kubernetes would repeat."""
    _, pod = job(chart)
    assert pod["containers"][0]["args"][3:] == ["--termination-log", "/dev/termination-log"]


def test_it_runs_in_the_image_of_the_monitors(chart):
    """Which holds the command."""
    _, pod = job(chart, "default", "--set", "monitoring.image.tag=9.9.9")
    assert pod["containers"][0]["image"].endswith("/monitoring:9.9.9")


def test_schedule_and_resources_are_values(chart):
    """In UTC, whatever the nodes think."""
    spec, pod = job(
        chart, "default", "--set", "quality.schedule=1 2 * * *,quality.resources.limits.memory=9Gi"
    )
    assert (spec["schedule"], spec["timeZone"]) == ("1 2 * * *", "Etc/UTC")
    assert pod["containers"][0]["resources"]["limits"]["memory"] == "9Gi"


def test_it_talks_to_nobody(chart):
    """All it needs is on the shared volume."""
    policy = chart.one("NetworkPolicy", "quality")["spec"]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert not {"ingress", "egress"} & set(policy)


def test_it_can_be_turned_off(chart):
    """Nothing of it is left."""
    left = chart.render("default", "--set", "quality.enabled=false")
    assert not [found for found in left if found["metadata"]["name"] == "tidemill-quality"]
