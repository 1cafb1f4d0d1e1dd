"""A whole batch in a process of its own, while pushes go on.

It is the ordinary command: its memory is free again afterwards, and running short of it kills the
batch and not the follower.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from datetime import datetime
from time import monotonic

from tidemill.errors import OnlineStoreError
from tidemill.home import Home

_COMMAND = ("-m", "tidemill.cli", "features", "materialize", "--at", "now", "--json")
_LEAST_REST_SECONDS = 10.0
_REST_SHARE = 4.0
"""A batch may take a fifth of the time."""


class Background:
    """One batch at a time, with a rest after each."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None
        # A file and no pipe: nobody reads while the batch runs, and a full pipe would stop it.
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as this does
        self._started = 0.0
        self._rest_until = 0.0

    @property
    def is_running(self) -> bool:
        return self._process is not None

    @property
    def is_ready(self) -> bool:
        """Whether a batch may be started: none is running, and the last one is long enough ago."""
        return self._process is None and monotonic() >= self._rest_until

    def rest(self, seconds: float) -> None:
        """Be ready no sooner than in so many seconds."""
        self._rest_until = monotonic() + seconds

    def start(self) -> None:
        """Start a batch; only when ready."""
        self._started = monotonic()
        self._said.seek(0)
        self._said.truncate()
        self._process = subprocess.Popen(
            [sys.executable, *_COMMAND],
            stdout=subprocess.PIPE,
            stderr=self._said,
            env={**os.environ, "TIDEMILL_HOME": str(self._home.root)},
        )

    def collect(self) -> datetime | None:
        """The cutoff of a batch that has ended since; None when none has.

        Raises OnlineStoreError for one that failed.
        """
        if self._process is None or self._process.poll() is None:
            return None
        (output, _), code = self._process.communicate(), self._process.returncode
        self._process = None
        took = monotonic() - self._started
        self.rest(max(_LEAST_REST_SECONDS, _REST_SHARE * took))
        if code or not output.strip():
            self._said.seek(0)
            said = self._said.read()
            raise OnlineStoreError(
                f"computing everybody's features ended with exit code {code}: "
                f"{said.decode(errors='replace').strip()}",
                hint="it is tried again after a while",
            )
        return datetime.fromisoformat(json.loads(output)["cutoff"])

    def stop(self) -> None:
        """End a running batch; the store keeps what it had."""
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()
            self._process = None
