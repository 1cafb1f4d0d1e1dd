"""A step that lost its run does nothing more, however the run was ended."""

import subprocess
import sys

import pytest

RUN = """
import subprocess, sys, time
from pathlib import Path
from tidemill_pipelines.orphans import taking_steps_along
with taking_steps_along(Path(sys.argv[1])):
    for _ in range(2):
        subprocess.Popen(["sh", "-c", f"{sys.executable} -c '{sys.argv[2]}'; true"])
    time.sleep(60)
"""
STEP = """
import time
from tidemill_pipelines.orphans import end_with_the_run
end_with_the_run()
print("started", flush=True)
time.sleep(60)
print("went on", flush=True)
"""


@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_steps_end_when_the_run_is_killed(tmp_path, end):
    """All of them, though a shell stands between; what they print tells when they have ended."""
    command = [sys.executable, "-c", RUN, str(tmp_path / "lock"), STEP]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert [run.stdout.readline() for _ in range(2)] == ["started\n"] * 2
    getattr(run, end)()
    # The pipe closes when the last process that could write into it is gone.
    assert run.communicate(timeout=20)[0] == ""


def test_a_step_that_comes_after_the_run_ends_at_once(tmp_path):
    """The run was killed while the step was being started."""
    environment = {"TIDEMILL_RUN_LOCK": str(tmp_path / "lock")}
    step = subprocess.run([sys.executable, "-c", STEP], env=environment, timeout=20, check=False)
    assert step.returncode == -9


def test_a_step_without_a_run_goes_on():
    """Pods of a cluster have nothing to end with."""
    quick = STEP.replace("60", "0.2")
    step = subprocess.run([sys.executable, "-c", quick], capture_output=True, env={}, check=True)
    assert step.stdout == b"started\nwent on\n"
