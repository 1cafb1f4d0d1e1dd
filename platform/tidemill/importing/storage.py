"""Opening and listing files, on this machine and on S3."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast
from urllib.parse import urlsplit

import pyarrow.fs

from tidemill.errors import EventLogError

SCHEME = "s3://"
_CREDENTIALS = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or AWS_PROFILE), AWS_REGION if the bucket is "
    "not in us-east-1, and AWS_ENDPOINT_URL for a store that is not Amazon's"
)


class Stored(NamedTuple):
    """A file as a listing shows it."""

    location: str
    """Absolute path or `s3://` URL."""
    size: int
    """Bytes."""
    modified: int
    """Nanoseconds since 1970."""


@contextmanager
def open_stored(location: str) -> Iterator[BinaryIO]:
    """A seekable file at a path or `s3://` URL. Raises OSError."""
    if not location.startswith(SCHEME):
        with Path(location).open("rb") as file:
            yield file
        return
    system, path = _system_of(location)
    with system.open_input_file(path) as remote:
        yield cast(BinaryIO, remote)


def list_bucket(url: str) -> list[Stored]:
    """The object at `url`, or all below it, by name. Raises EventLogError with what to set."""
    try:
        system, path = _system_of(url)
        found = system.get_file_info(path.rstrip("/"))
        if found.type == pyarrow.fs.FileType.File and not path.endswith("/"):
            return [_stored(found)]
        below = pyarrow.fs.FileSelector(path.rstrip("/"), recursive=True, allow_not_found=True)
        infos = system.get_file_info(below)
        if not infos:
            _require_bucket(system, path.split("/", 1)[0])
    except OSError as error:
        raise EventLogError(f"{url} cannot be listed: {error}", hint=_CREDENTIALS) from error
    return [_stored(info) for info in sorted(infos, key=lambda info: info.path) if info.is_file]


def stored_file(path: Path) -> Stored:
    """A file of this machine."""
    status = path.stat()
    return Stored(str(path), status.st_size, status.st_mtime_ns)


def _require_bucket(system: pyarrow.fs.S3FileSystem, bucket: str) -> None:
    if system.get_file_info(bucket).type == pyarrow.fs.FileType.NotFound:
        raise FileNotFoundError(f"there is no bucket '{bucket}'")


def _stored(info: pyarrow.fs.FileInfo) -> Stored:
    return Stored(SCHEME + info.path, info.size, info.mtime_ns or 0)


def _system_of(url: str) -> tuple[pyarrow.fs.S3FileSystem, str]:
    path = url.removeprefix(SCHEME)
    return _connect(path.split("/", 1)[0]), path


@cache
def _connect(bucket: str) -> pyarrow.fs.S3FileSystem:
    """Credentials come from where every client of S3 looks for them."""
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if not endpoint:
        region = region or pyarrow.fs.resolve_s3_region(bucket)
        return pyarrow.fs.S3FileSystem(region=region)
    address = urlsplit(endpoint)
    return pyarrow.fs.S3FileSystem(
        region=region or "us-east-1",
        endpoint_override=address.netloc + address.path,
        scheme=address.scheme,
    )
