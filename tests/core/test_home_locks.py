"""One process at a time, whatever becomes of the others."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tidemill.errors import TidemillError
from tidemill.home import Home

_HOLDER = """
import sys, time
from pathlib import Path
from tidemill.home import Home
with Home(Path(sys.argv[1])).lock("made"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    """Who waits is told, and goes on as soon as the other is gone."""
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with holder, Home(tmp_path).lock("made", on_wait=lambda: holder.send_signal(signal.SIGKILL)):
        assert holder.wait() == -signal.SIGKILL


def test_a_home_that_cannot_be_written_is_told_in_words(tmp_path: Path) -> None:
    """Whatever is done first there."""
    (tmp_path / "file").touch()
    said = pytest.raises(TidemillError, match="file cannot be written: Not a directory")
    with said as caught, Home(tmp_path / "file").lock("made"):
        pass
    assert "TIDEMILL_HOME is writable" in (caught.value.hint or "")
