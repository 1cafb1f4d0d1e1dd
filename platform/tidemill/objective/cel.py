"""Rules for the API server, in CEL, the expression language of CustomResourceDefinitions.

A rule stands beside the Python check whose twin it is. The API server refuses a definition whose
rules could take too long, and it counts an unbounded text as endless: every text, list and map a
rule reads needs a bound, and the keys of a map, which cannot have one, may be compared and
measured but never searched. Functions: those of Kubernetes 1.29.
"""

from __future__ import annotations

from typing import Any

RULES_KEYWORD = "x-kubernetes-validations"


def rules(*rules_and_messages: tuple[str, str]) -> dict[str, Any]:
    """JSON schema that refuses, with the message, a value `self` for which a rule is false."""
    return {RULES_KEYWORD: [{"rule": rule, "message": text} for rule, text in rules_and_messages]}
