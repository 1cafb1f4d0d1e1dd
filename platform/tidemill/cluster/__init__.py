"""A Kubernetes cluster, seen from the command line and from the operator."""

from tidemill.cluster.api import KubernetesApi
from tidemill.cluster.resources import KINDS, Resource

__all__ = ["KINDS", "KubernetesApi", "Resource"]
