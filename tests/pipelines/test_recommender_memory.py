"""Trainings that would not fit into memory are refused before they start."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidemill.errors import NotReadyError
from tidemill_pipelines.recommending.memory import check_memory, free_memory


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A root with 8 GB left."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 16000000 kB\nMemAvailable: 8000000 kB\n")
    (tmp_path / "sys/fs/cgroup/memory").mkdir(parents=True)
    return tmp_path


def test_without_a_container_the_machine_says_what_is_free(machine: Path) -> None:
    """`max` is no limit."""
    (machine / "sys/fs/cgroup/memory.max").write_text("max\n")
    assert free_memory(machine) == 8_192_000_000


def test_a_container_has_what_its_limit_leaves(machine: Path) -> None:
    """Its cache of files can be given up and is not counted as used."""
    group = machine / "sys/fs/cgroup"
    (group / "memory.max").write_text("4000000000\n")
    (group / "memory.current").write_text("3000000000\n")
    (group / "memory.stat").write_text("anon 1000000000\ninactive_file 2000000000\n")
    assert free_memory(machine) == 3_000_000_000


def test_control_groups_of_the_first_version_are_read_too(machine: Path) -> None:
    """They have other names."""
    group = machine / "sys/fs/cgroup/memory"
    (group / "memory.limit_in_bytes").write_text("2000000000\n")
    (group / "memory.usage_in_bytes").write_text("500000000\n")
    assert free_memory(machine) == 1_500_000_000


def test_too_large_a_training_is_refused_with_the_reason() -> None:
    """A billion items fit nowhere."""
    with pytest.raises(NotReadyError, match=r"1,000,000,000 items takes about .* GB are free"):
        check_memory(1_000, 10_000, 1_000_000_000)
