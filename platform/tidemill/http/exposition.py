"""The Prometheus text format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def family(name: str, kind: str, text: str, samples: Iterable[str]) -> str:
    """One metric with all its samples, each made by `sample`."""
    lines = [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *(name + rest for rest in samples)]
    return "\n".join(lines) + "\n"


def sample(suffix: str, labels: Mapping[str, str], value: float) -> str:
    """A sample of a family; `suffix` is `_bucket`, `_sum`, `_count` or nothing."""
    if not labels:
        return f"{suffix} {value}"
    pairs = ",".join(f'{key}="{_escape(text)}"' for key, text in labels.items())
    return f"{suffix}{{{pairs}}} {value}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
