"""Which files hold events, and what kind each is."""

from __future__ import annotations

import glob
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tidemill.errors import EventLogError
from tidemill.importing.storage import SCHEME, Stored, list_bucket, open_stored, stored_file

Kind = Literal["csv", "json", "parquet"]
_KINDS: dict[str, Kind] = {
    ".csv": "csv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".parquet": "parquet",
}
_ZIP = ".zip"
_SUPPORTED = (
    "CSV (.csv) and JSON lines (.jsonl, .ndjson, .json), both also .gz, Parquet (.parquet), "
    "archives of JSON lines that just end in .gz, and .zip of CSV and JSON lines"
)
_ZIPPED = 8
"""How much larger zipped text about is when it is unzipped."""
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class EventFile:
    """A file of events, or a member of a zipped archive."""

    location: str
    """Absolute path or `s3://` URL."""
    size: int
    """Bytes as stored; of a member, its compressed bytes."""
    modified: int
    """Nanoseconds since 1970."""
    kind: Kind
    gzipped: bool
    member: str | None = None

    def __str__(self) -> str:
        return self.location if self.member is None else f"{self.location}/{self.member}"

    @property
    def name(self) -> str:
        return str(self).rsplit("/", 1)[-1]

    @property
    def text_size(self) -> int:
        """About how many bytes it has when it is unzipped."""
        is_zipped = self.gzipped or self.member is not None or self.kind == "parquet"
        return self.size * (_ZIPPED if is_zipped else 1)


def find_files(paths: Iterable[Path | str]) -> list[EventFile]:
    """The files at paths, patterns and `s3://` URLs, each once, in the order of `paths`.

    Of a folder and of a pattern, all supported ones in alphabetical order. Raises EventLogError
    for one that is missing, of another kind, or without event files.
    """
    found: dict[str, EventFile] = {}
    for path in paths:
        text = str(path)
        for file in _on_s3(text) if is_on_s3(text) else _on_disk(text):
            _require_utf8(str(file))
            found.setdefault(str(file), file)
    return list(found.values())


def _require_utf8(name: str) -> None:
    """Dead letters say where they come from, and Delta keeps UTF-8 only."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        shown = name.encode(errors="replace").decode()
        raise EventLogError(
            f"the name of {shown} is not UTF-8", hint="rename the file or the folder"
        ) from error


def is_on_s3(text: str) -> bool:
    """Whether this is an `s3://` URL."""
    return text.startswith(SCHEME)


def _on_disk(text: str) -> list[EventFile]:
    path = Path(text)
    if path.is_dir():
        return _searched(text, (each for each in sorted(path.rglob("*")) if each.is_file()))
    if path.exists():
        return _named(stored_file(path.absolute()))
    if not _WILD.search(text):
        raise EventLogError(
            f"there is no file or folder {text}", hint="check the path, or where you are"
        )
    matching = (Path(each) for each in sorted(glob.glob(text, recursive=True)))
    return _searched(text, (each for each in matching if each.is_file()))


def _searched(text: str, paths: Iterable[Path]) -> list[EventFile]:
    return _supported(text, (stored_file(path.absolute()) for path in paths))


def _on_s3(url: str) -> list[EventFile]:
    wild = _WILD.search(url)
    if wild is None:
        stored = list_bucket(url)
        is_one = [each.location for each in stored] == [url]
        return _named(stored[0]) if is_one else _supported(url, stored)
    listed = list_bucket(url[: wild.start()].rpartition("/")[0] + "/")
    pattern = _pattern(url)
    return _supported(url, (each for each in listed if pattern.fullmatch(each.location)))


def _pattern(text: str) -> re.Pattern[str]:
    """As the shell reads it: `*` and `?` stop at a slash, `**/` does not."""
    words = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*|\?|\[[^]]+\])", text)
    return re.compile(
        "".join(words.get(p, p if p.startswith("[") else re.escape(p)) for p in parts)
    )


def _supported(searched: str, stored: Iterable[Stored]) -> list[EventFile]:
    files = [file for each in stored for file in _files_in(each)]
    if not files:
        raise EventLogError(f"no event files below {searched}", hint=f"supported: {_SUPPORTED}")
    return files


def _named(stored: Stored) -> list[EventFile]:
    files = list(_files_in(stored))
    if not files:
        raise EventLogError(
            f"{stored.location} is not a kind of file that can be imported",
            hint=f"supported: {_SUPPORTED}",
        )
    return files


def _files_in(stored: Stored) -> Iterator[EventFile]:
    if stored.location.lower().endswith(_ZIP):
        yield from _members(stored)
        return
    kind = _kind(stored.location)
    if kind is not None:
        yield EventFile(*stored, *kind)


def _members(stored: Stored) -> Iterator[EventFile]:
    try:
        with open_stored(stored.location) as file, zipfile.ZipFile(file) as archive:
            members = sorted(archive.infolist(), key=lambda member: member.filename)
    except (OSError, zipfile.BadZipFile) as error:
        raise EventLogError(
            f"{stored.location} cannot be unzipped: {error}", hint="download or copy it again"
        ) from error
    for member in members:
        kind = _kind(member.filename)
        if kind is not None and kind[0] != "parquet":
            location, _, modified = stored
            yield EventFile(location, member.compress_size, modified, *kind, member=member.filename)


def _kind(name: str) -> tuple[Kind, bool] | None:
    """The kind and whether it is gzipped; None for a file that holds no events."""
    lowered = name.lower().rsplit("/", 1)[-1]
    if lowered.startswith("._"):  # what macOS adds to an archive
        return None
    plain = lowered.removesuffix(".gz")
    gzipped = plain != lowered
    kind = next((kind for suffix, kind in _KINDS.items() if plain.endswith(suffix)), None)
    if gzipped and kind is None and not plain.endswith(".tar"):
        kind = "json"
    return None if kind is None or (gzipped and kind == "parquet") else (kind, gzipped)
