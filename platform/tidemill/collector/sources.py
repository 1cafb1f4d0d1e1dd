"""Who may send events: sources and their write keys.

On one machine a file holds the SHA-256 of each key. On a cluster the keys are files of a folder,
where a Secret is mounted. Either may change while the collector runs.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import orjson

from tidemill.errors import TidemillError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_KEY_BYTES = 16
_TAKEN_NAMES = frozenset(("import", "retry"))
"""Channels of the event log that are not sources."""


class SourceError(TidemillError):
    """A source cannot be added, removed or read."""


class SourceFile:
    """Name to SHA-256 of the key, in a JSON file that only its owner may read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, bytes]:
        """Digest by name, empty when there is no file. Raises SourceError."""
        try:
            stored = orjson.loads(self._path.read_bytes())
            return {name: bytes.fromhex(digest) for name, digest in stored.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise SourceError(
                f"{self._path} cannot be read: {error}",
                hint="it holds {name: SHA-256 in hex}; without it, sources can be added afresh",
            ) from error

    def add(self, name: str) -> str:
        """The new key of a new source, which is stored nowhere. Raises SourceError."""
        if not _NAME.fullmatch(name):
            raise SourceError(
                f"'{name}' cannot be the name of a source",
                hint="use up to 63 letters, digits, dots, dashes and underscores",
            )
        _require_free(name)
        sources = self.read()
        if name in sources:
            raise SourceError(
                f"there is a source '{name}' already", hint=f"tidemill sources remove {name}"
            )
        key = secrets.token_hex(_KEY_BYTES)
        self._write({**sources, name: _digest(key)})
        return key

    def remove(self, name: str) -> None:
        """Its key is good for nothing from now on. Raises SourceError."""
        sources = self.read()
        if name not in sources:
            known = ", ".join(sorted(sources)) or "none"
            raise SourceError(f"there is no source '{name}'", hint=f"there are: {known}")
        self._write({other: digest for other, digest in sources.items() if other != name})

    def stamp(self) -> object:
        """Changes when the file does."""
        return _stamp(self._path)

    def _write(self, sources: Mapping[str, bytes]) -> None:
        stored = {name: digest.hex() for name, digest in sources.items()}
        fresh = self._path.with_suffix(f".{os.getpid()}")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(orjson.dumps(stored, option=orjson.OPT_INDENT_2))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)


class SourceFolder:
    """A file for each source: its name is the source's, its content the key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self) -> dict[str, bytes]:
        """Digest by name. Raises SourceError."""
        with self._explained():
            keys = {path.name: path.read_text().strip() for path in self._files()}
        for name in keys:
            _require_free(name)
        return {name: _digest(key) for name, key in keys.items() if key}

    def stamp(self) -> object:
        """Changes when a file does. Raises SourceError: a folder that is gone is not empty."""
        with self._explained():
            return [(path.name, _stamp(path)) for path in self._files()]

    def _files(self) -> list[Path]:
        # Kubernetes keeps the real files in folders whose names start with a dot.
        names = (path for path in self._folder.iterdir() if not path.name.startswith("."))
        return sorted(path for path in names if path.is_file())

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(
                f"write keys in {self._folder} cannot be read: {error}",
                hint="the folder holds a file for each source, with its key as text",
            ) from error


class KeyRing:
    """The write keys of now. `source_of` may be called from any thread."""

    def __init__(self, store: SourceFile | SourceFolder) -> None:
        """Raises SourceError when the keys cannot be read."""
        self._store = store
        self._stamp = store.stamp()
        self._sources = list(store.read().items())

    @property
    def is_empty(self) -> bool:
        return not self._sources

    def refresh(self) -> bool:
        """Take up what has changed, and say whether anything has. Raises SourceError, and stays."""
        stamp = self._store.stamp()
        if stamp == self._stamp:
            return False
        self._sources = list(self._store.read().items())
        self._stamp = stamp
        return True

    def source_of(self, keys: Iterable[str]) -> str | None:
        """The one source that all of `keys` belong to; None when there is no such source."""
        found = {self._owner(key) for key in keys}
        return found.pop() if len(found) == 1 else None

    def _owner(self, key: str) -> str | None:
        """Looks at every source whichever it is, so that time tells nothing."""
        shown, owner = _digest(key), None
        for name, digest in self._sources:
            if hmac.compare_digest(shown, digest):
                owner = name
        return owner


def _require_free(name: str) -> None:
    if name in _TAKEN_NAMES:
        raise SourceError(
            f"'{name}' cannot be the name of a source: receipts use it for other events",
            hint="choose another name",
        )


def _digest(key: str) -> bytes:
    return sha256(key.encode(errors="surrogatepass")).digest()


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
