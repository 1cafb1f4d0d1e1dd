"""`make bench-ingest`, second part: import of files beside a pandas reader.

    python benchmarks/importing.py                     # writes docs/benchmarks/importing.{json,md}
    python benchmarks/importing.py --rows 1000000      # fewer rows

Protocol: lines of a Segment archive (about 400 bytes each, seeded; one in a hundred is a repeated
delivery, one in a thousand has no name) in one uncompressed file. `tidemill events import` reads
them into an empty log, once for each number of rows: parsed, mapped, checked, deduplicated against
the log, committed to Delta, synced to the disk. The rival does the same mapping in pandas on a file
of its own size: read_json by chunks, the same columns, properties as JSON with sorted keys, times
in UTC, invalid rows dropped, deduplicated by message id, one Parquet file. Wall time is that of the
whole process, imports of packages included; memory is the largest sum of the resident sets of all
processes, twenty times a second. The ratio is one of lines a second; both accept the same events.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

ROOT = Path(__file__).parent.parent
SEED = 7
BLOCK = 100_000
START = np.datetime64("2024-01-01")
DAYS = 90
USERS, PRODUCTS, CATEGORIES = 500_000, 20_000, 40
EVENTS = ("Product Viewed", "Product Added", "Products Searched", "Order Completed")
KNOWN, REPEATED, NAMELESS = 0.7, 0.01, 0.001
PACKAGES = ("tidemill", "orjson", "pyarrow", "duckdb", "deltalake", "pandas")
LINE = (
    '{"anonymousId":"<device 8>-7c1e-4f5a-9b1d-<device 12>","context":{"ip":"10.20.30.40",'
    '"library":{"name":"analytics.js","version":"2.11.1"}},"event":<name 19>,'
    '"messageId":"ajs-next-<message 14>","properties":{"category":"c<category 2>",'
    '"currency":"EUR","price":<price 2>.<cents 2>,"product_id":"sku-<product 5>",'
    '"quantity":<quantity 2>},"receivedAt":"<received 24>","timestamp":"<happened 24>",'
    '"type":"track","userId":<user 10>}\n'
)
"""Every field has a fixed width, so that a hundred thousand lines are one array of bytes."""
FIELD = re.compile(r"<(\w+) (\d+)>")
TEMPLATE = FIELD.sub(lambda field: "0" * int(field[2]), LINE).encode()


@dataclass(frozen=True)
class Run:
    """What one process took."""

    rows: int
    accepted: int
    seconds: float
    cpu_seconds: float
    memory_mb: int

    @property
    def rate(self) -> float:
        """Lines a second."""
        return self.rows / self.seconds


def generate(path: Path, rows: int) -> None:
    """Write `rows` lines."""
    rng = np.random.default_rng(SEED)
    with path.open("wb") as file:
        for first in range(0, rows, BLOCK):
            file.write(lines(rng, first, min(BLOCK, rows - first), rows).tobytes())


def lines(rng: np.random.Generator, first: int, count: int, rows: int) -> NDArray[np.uint8]:
    """The bytes of `count` lines, one line a row."""
    text = np.tile(np.frombuffer(TEMPLATE, np.uint8), (count, 1))
    numbers = np.arange(first, first + count)
    happened = numbers * (DAYS * 86_400_000 // rows) + rng.integers(0, 600_000, count)
    user, nameless = rng.integers(0, USERS, count), rng.random(count) < NAMELESS
    values = {
        "device": user,
        "message": numbers,
        "category": rng.integers(0, CATEGORIES, count),
        "price": rng.integers(10, 99, count),
        "cents": rng.integers(0, 99, count),
        "product": rng.integers(0, PRODUCTS, count),
        "quantity": rng.integers(10, 40, count),
        "name": NAMES[np.where(nameless, 0, rng.integers(1, len(NAMES), count))],
        "happened": instants(happened),
        "received": instants(happened + rng.integers(100, 60_000, count)),
        "user": np.where((rng.random(count) < KNOWN)[:, None], quoted(user), NULL),
    }
    at = 0
    for literal, name, width in FIELD_PLACES:
        at += literal
        value = values[name]
        text[:, at : at + width] = value if value.ndim > 1 else digits(value, width)
        at += width
    repeated = np.flatnonzero(rng.random(count) < REPEATED)
    text[repeated] = text[np.maximum(repeated - 50, 0)]
    return text


def digits(numbers: NDArray[Any], width: int) -> NDArray[np.uint8]:
    """Decimal digits, one number a row."""
    powers = 10 ** np.arange(width - 1, -1, -1)
    return (numbers[:, None] // powers % 10 + ord("0")).astype(np.uint8)


def instants(milliseconds: NDArray[Any]) -> NDArray[np.uint8]:
    """ISO 8601 in UTC, of milliseconds since START."""
    text = np.tile(np.frombuffer(b"0000-00-00T00:00:00.000Z", np.uint8), (len(milliseconds), 1))
    days, rest = np.divmod(milliseconds, 86_400_000)
    text[:, :10] = characters([str(START + day) for day in range(int(days.max()) + 1)])[days]
    for at, width, unit, limit in ((11, 2, 3_600_000, 24), (14, 2, 60_000, 60), (17, 2, 1000, 60)):
        text[:, at : at + width] = digits(rest // unit % limit, width)
    text[:, 20:23] = digits(rest % 1000, 3)
    return text


def quoted(users: NDArray[Any]) -> NDArray[np.uint8]:
    text = np.tile(np.frombuffer(b'"u0000000"', np.uint8), (len(users), 1))
    text[:, 2:9] = digits(users, 7)
    return text


def characters(texts: list[str]) -> NDArray[np.uint8]:
    """Texts of one width, one a row."""
    return np.array([list(text.encode()) for text in texts], np.uint8)


NAMES = characters([f'"{name}"'.ljust(19) for name in ("", *EVENTS)])
NULL = characters(["null".ljust(10)])
FIELD_PLACES = [
    (len(literal), name, int(width))
    for literal, name, width in re.findall(r"([^<]*)<(\w+) (\d+)>", LINE)
]


def import_into(home: Path, path: Path) -> int:
    """The command, as anybody runs it; returns how many events it accepted."""
    command = [sys.executable, "-m", "tidemill.cli", "events", "import", str(path), "--json"]
    environment = {**os.environ, "TIDEMILL_HOME": str(home)}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    return int(json.loads(done.stdout)["accepted"])


def read_with_pandas(path: Path, out: Path) -> int:
    """The same mapping, as a data scientist writes it."""
    import pandas as pd

    chunks = pd.read_json(path, lines=True, chunksize=BLOCK, convert_dates=False, dtype=False)
    parts = []
    for raw in chunks:
        own = raw["properties"]
        whole = [{**facts, "context": c} for facts, c in zip(own, raw["context"], strict=True)]
        events = pd.DataFrame(
            {
                "event_id": raw["messageId"],
                "name": raw["event"].str.strip(),
                "user_id": raw["userId"],
                "anonymous_id": raw["anonymousId"],
                "item_id": own.str.get("product_id"),
                "timestamp": utc(raw["timestamp"]),
                "received_at": utc(raw["receivedAt"]),
                "value": pd.to_numeric(own.str.get("price"), errors="coerce"),
                "properties": [json.dumps(facts, sort_keys=True) for facts in whole],
            }
        )
        somebody = events["user_id"].notna() | events["anonymous_id"].notna()
        parts.append(events[somebody & events["timestamp"].notna() & (events["name"] != "")])
    found = pd.concat(parts).drop_duplicates("event_id")
    found.to_parquet(out)
    return len(found)


def utc(texts: Any) -> Any:
    import pandas as pd

    return pd.to_datetime(texts, utc=True, errors="coerce", format="ISO8601")


def measure(what: str, path: Path, rows: int, scratch: Path) -> Run:
    """Run one of the two in a process of its own and watch it."""
    command = [sys.executable, __file__, "--run", what, str(path), str(scratch)]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    watched, memory = psutil.Process(process.pid), 0
    while process.poll() is None:
        memory = max(memory, resident(watched))
        time.sleep(0.05)
    seconds = time.perf_counter() - started
    output = process.stdout.read() if process.stdout else b""
    assert process.returncode == 0, what
    answer = json.loads(output)
    return Run(rows, answer["accepted"], seconds, answer["cpu"], round(memory / 1e6))


def resident(process: psutil.Process) -> int:
    """Bytes of a process and of all below it; pages they share count for each."""
    total = 0
    for each in (process, *children(process)):
        try:
            total += each.memory_info().rss
        except psutil.Error:
            continue
    return total


def children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def run(what: str, path: Path, scratch: Path) -> None:
    """In a process of its own: do it, and say what it took."""
    out = scratch / what
    accepted = import_into(out, path) if what == "tidemill" else read_with_pandas(path, out)
    times = os.times()
    cpu = times.user + times.system + times.children_user + times.children_system
    print(json.dumps({"accepted": accepted, "cpu": cpu}))


def benchmark(sizes: list[int], rival_rows: int) -> dict[str, Any]:
    """All numbers."""
    runs: dict[str, Any] = {"tidemill": []}
    for what, rows in (("pandas", rival_rows), *(("tidemill", rows) for rows in sizes)):
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "segment.jsonl"
            generate(path, rows)
            print(f"{what}: {rows:,} lines, {path.stat().st_size / 1e9:.2f} GB", file=sys.stderr)
            found = measure(what, path, rows, Path(name))
            if rows == rival_rows:
                expected = runs.setdefault("accepted", found.accepted)
                assert found.accepted == expected, "both must accept the same events"
        if what == "pandas":
            runs["pandas"] = asdict(found) | {"rate": found.rate}
        else:
            runs["tidemill"].append(asdict(found) | {"rate": found.rate})
    return runs | {
        "cores": len(os.sched_getaffinity(0)),
        "versions": {name: version(name) for name in PACKAGES},
    }


def markdown(facts: dict[str, Any]) -> str:
    """The page."""
    rival = facts["pandas"]
    rows = [line("pandas", rival, rival)]
    rows += [line("tidemill events import", run, rival) for run in facts["tidemill"]]
    versions = ", ".join(f"{name} {found}" for name, found in facts["versions"].items())
    return (
        f"| {facts['cores']} cores | lines | lines a second | CPU a line | largest memory "
        "| beside pandas |\n|---|--:|--:|--:|--:|--:|\n" + "\n".join(rows) + "\n\n"
        f"Python {platform.python_version()}, {versions}.\n"
    )


def line(what: str, run: dict[str, Any], rival: dict[str, Any]) -> str:
    cpu = run["cpu_seconds"] / run["rows"] * 1e6
    return (
        f"| {what} | {run['rows']:,} | {run['rate']:,.0f} | {cpu:.1f} µs | {run['memory_mb']:,} MB "
        f"| {run['rate'] / rival['rate']:.1f}x |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 30_000_000])
    parser.add_argument("--rival-rows", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks")
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        run(options.run[0], Path(options.run[1]), Path(options.run[2]))
        return
    facts = benchmark(options.rows, options.rival_rows)
    (options.out / "importing.json").write_text(json.dumps(facts, indent=2) + "\n")
    (options.out / "importing.md").write_text(markdown(facts))
    print(markdown(facts))


if __name__ == "__main__":
    main()
