"""The operator may do what it does, and every verb has a reason."""

import re

import pytest

TEMPLATE = "templates/operator/rbac.yaml"


def rules(chart, kind, *options):
    objects = chart.render("default", *options)
    return [rule for found in objects if found["kind"] == kind for rule in found["rules"]]


@pytest.mark.parametrize("kind", ["Role", "ClusterRole"])
def test_nothing_is_granted_by_wildcard(chart, kind):
    """Neither groups, nor resources, nor verbs."""
    assert rules(chart, kind)
    for rule in rules(chart, kind):
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]


def test_in_the_cluster_only_kinds_and_our_runtime_may_be_read(chart):
    """No Secret, no pod, nothing of another namespace."""
    assert rules(chart, "ClusterRole") == [
        {
            "apiGroups": ["apiextensions.k8s.io"],
            "resources": ["customresourcedefinitions"],
            "resourceNames": ["inferenceservices.serving.kserve.io"],
            "verbs": ["get"],
        },
        {
            "apiGroups": ["serving.kserve.io"],
            "resources": ["clusterservingruntimes"],
            "resourceNames": ["tidemill-tidemill"],
            "verbs": ["get"],
        },
    ]


def test_no_right_leads_to_other_rights(chart):
    """Neither Secrets nor roles, nor ways into a running pod."""
    granted = {resource for rule in rules(chart, "Role") for resource in rule["resources"]}
    verbs = {verb for rule in rules(chart, "Role") for verb in rule["verbs"]}
    dangerous = {"secrets", "configmaps", "roles", "rolebindings", "pods/exec", "serviceaccounts"}
    assert not granted & dangerous
    assert not verbs & {"escalate", "bind", "impersonate", "deletecollection"}


def test_children_can_be_made_and_put_right(chart):
    """What server-side apply and watching need."""
    needed = {"get", "list", "watch", "create", "patch"}
    children = {"inferenceservices", "cronjobs"}
    found = [rule for rule in rules(chart, "Role") if children & set(rule["resources"])]
    assert len(found) == 2
    assert all(needed <= set(rule["verbs"]) for rule in found)


def test_only_its_own_lease_can_be_taken(chart):
    """The one that the operator's settings name."""
    (renewing,) = [rule for rule in rules(chart, "Role") if "resourceNames" in rule]
    assert (renewing["resources"], renewing["resourceNames"]) == (["leases"], ["tidemill-operator"])


def test_every_verb_has_its_reason(chart):
    """In the comment above its rule; a rule may point at the one before it."""
    text = (chart.folder / TEMPLATE).read_text()
    blocks = re.findall(r"((?:  # .*\n)+)  - apiGroups:(?:.*\n)*?    verbs: \[(.*)\]", text)
    multi_user = ("--set", "kubeflow.multiUser=true")
    granted = rules(chart, "Role", *multi_user) + rules(chart, "ClusterRole", *multi_user)
    assert len(blocks) == len(granted)
    explained: set[str] = set()
    for comment, verbs in blocks:
        words = set(re.findall(r"\w+", " ".join(re.findall(r"[\w, ]+(?=:)", comment))))
        explained = words | (explained if "same" in comment else set())
        assert set(verbs.split(", ")) <= explained, comment


def test_the_operators_account_is_the_only_subject(chart):
    """Bindings name it and nobody else."""
    bindings = [found for found in chart.render() if found["kind"].endswith("RoleBinding")]
    subjects = [subject for found in bindings for subject in found["subjects"]]
    account = {"kind": "ServiceAccount", "name": "tidemill-operator", "namespace": "tidemill"}
    assert subjects == [account, account]


def test_a_multi_user_kubeflow_is_asked_with_rights_of_its_own(chart):
    """It asks the API server what the operator may do; others need none of it."""
    group = "pipelines.kubeflow.org"
    usual = [rule for rule in rules(chart, "Role") if group in rule["apiGroups"]]
    asked = rules(chart, "Role", "--set", "kubeflow.multiUser=true")
    found = {r for rule in asked if group in rule["apiGroups"] for r in rule["resources"]}
    assert usual == []
    assert found == {"pipelines", "pipelines/versions", "experiments", "runs", "jobs"}
