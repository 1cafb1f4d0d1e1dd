"""The folder that is served: one folder for each version that was fetched, and `current`.

Version numbers begin again when MLflow's database was removed, or another server is asked. So each
folder knows the run that made it, and what another run made never passes for a version.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

CURRENT = "current"
_RUN_FILE = "run_id"


@dataclass(frozen=True)
class ServedFolder:
    """Of one objective. Whoever changes it holds the objective's registry lock."""

    root: Path

    def live(self) -> str | None:
        """Name of the folder that `current` points to, None without one."""
        link = self.root / CURRENT
        return link.readlink().name if link.is_symlink() else None

    def holds(self, version: str, run_id: str) -> bool:
        """Whether the folder of `version` is there and was made by that MLflow run."""
        note = self.root / version / _RUN_FILE
        return note.exists() and note.read_text() == run_id

    def keep(self, version: str, run_id: str, fill: Callable[[Path], None]) -> Path:
        """The folder of `version`, filled by `fill(folder)` if it is not there yet."""
        target = self.root / version
        if self.holds(version, run_id):
            return target
        # Whoever was killed here before has left a draft, and only one is here at a time.
        draft = self.root / f".{version}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        fill(draft)
        (draft / _RUN_FILE).write_text(run_id)
        self.release(version)
        draft.rename(target)
        return target

    def release(self, version: str) -> None:
        """Free the name of a version for a new one.

        A folder of that name stays, under a name that no version has, and so do links to it.
        """
        taken = self.root / version
        if not taken.exists():
            return
        names = (f"{version}-unregistered{'' if n == 1 else f'-{n}'}" for n in count(1))
        spare = next(self.root / name for name in names if not (self.root / name).exists())
        # A copy, because `current` and `shadow` must lead somewhere at any moment.
        draft = self.root / f".{spare.name}"
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(taken, draft)
        draft.rename(spare)
        for link in self.root.iterdir():
            if link.is_symlink() and link.readlink().name == version:
                self.point_to(spare.name, link.name)
        shutil.rmtree(taken)

    def point_to(self, name: str, link: str = CURRENT) -> None:
        """Swap the link, `current` if no other, in one step."""
        draft = self.root / f".{link}"
        draft.unlink(missing_ok=True)
        draft.symlink_to(name)
        draft.replace(self.root / link)
