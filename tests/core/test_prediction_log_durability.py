"""The prediction log gives back what was acknowledged, and only that."""

import dataclasses
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from tidemill.predictions import PredictionLog, Predictions, hash_features, read_predictions


def record(name, users=("u1", None), vectors=((1.5, np.nan), (np.inf, -0.0))):
    count = len(users)
    return Predictions(
        prediction_id=name,
        requested_at=1_700_000_000_000_001,
        objective="churn",
        model_version="3",
        feature_hash=hash_features(["a", "b"]),
        users=list(users),
        cutoffs=np.arange(count, dtype=np.int64) * 10**15,
        cold_start=np.arange(count) % 2 == 1,
        scores=np.linspace(0.1, 0.3, count),
        grades=["A", "D"][:count],
        vectors=np.array(vectors, dtype=np.float32).reshape(count, 2),
        experiment="churn-1",
        arms=["control", None][:count],
        arm_probabilities=[0.05, None][:count],
        serves=["champion", None][:count],
    )


def append(folder, *names, **options):
    log = PredictionLog(folder, **options)
    for name in names:
        log.append(record(name))
    log.close()


def ids(folder):
    return [found.prediction_id for found in read_predictions(folder)]


@pytest.fixture
def segment(tmp_path):
    """The file that holds a, b and c."""
    append(tmp_path, "a", "b", "c")
    return next(tmp_path.iterdir())


def test_a_record_comes_back_as_it_was(tmp_path):
    """Every field, and every bit of the vectors."""
    append(tmp_path, "a")
    (found,) = read_predictions(tmp_path)
    assert found.vectors.tobytes() == record("a").vectors.tobytes()
    for field in dataclasses.fields(Predictions):
        expected = getattr(record("a"), field.name)
        np.testing.assert_array_equal(getattr(found, field.name), expected, strict=True)


def test_an_empty_request_is_a_record_too(tmp_path):
    """No rows, but it was asked."""
    log = PredictionLog(tmp_path)
    log.append(record("none", users=(), vectors=()))
    assert [len(found.users) for found in read_predictions(tmp_path)] == [0]


def test_nothing_was_predicted_yet(tmp_path):
    """A missing folder is an empty log."""
    assert ids(tmp_path / "none") == []


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_torn_tail_loses_only_itself(segment, cut):
    """What a crash cut off was never acknowledged."""
    os.truncate(segment, segment.stat().st_size - cut)
    assert ids(segment.parent) == ["a", "b"]


def test_a_damaged_record_ends_its_segment_only(segment):
    """What follows it cannot be trusted; other segments can."""
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    append(segment.parent, "d")
    assert ids(segment.parent) == ["a", "d"]


def test_noise_after_the_last_record_is_ignored(segment):
    """A length field of four gigabytes among it."""
    with segment.open("ab") as file:
        file.write(b"TMP1" + b"\xff" * 50)
    assert ids(segment.parent) == ["a", "b", "c"]


def test_a_full_segment_starts_the_next(tmp_path):
    """Records stay in order over the files."""
    names = [f"{number:03}" for number in range(30)]
    append(tmp_path, *names, segment_bytes=1000)
    assert len(list(tmp_path.iterdir())) > 3
    assert ids(tmp_path) == names


def test_writers_share_a_folder(tmp_path):
    """Two threads, a segment each, nothing lost and nothing mixed."""
    names = [[f"{writer}{number}" for number in range(50)] for writer in "xy"]
    threads = [threading.Thread(target=append, args=(tmp_path, *part)) for part in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ids(tmp_path)) == sorted(names[0] + names[1])
    assert len(list(tmp_path.iterdir())) == 2


def test_a_reader_sees_what_was_acknowledged_so_far(tmp_path):
    """Without the writer closing anything."""
    log = PredictionLog(tmp_path)
    for count, name in enumerate("abc", start=1):
        log.append(record(name))
        assert len(ids(tmp_path)) == count


_FULL_DISK = """
import importlib, resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
here, folder = importlib.import_module(sys.argv[2]), Path(sys.argv[3])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log, refused = here.PredictionLog(folder), 0
log.append(here.record("before"))
for room in (next(folder.iterdir()).stat().st_size + 20, 0, 20):
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    try:
        log.append(here.record("refused"))
    except OSError:
        refused += 1
resource.setrlimit(resource.RLIMIT_FSIZE, (10**9, resource.RLIM_INFINITY))
log.append(here.record("after"))
print(refused, here.ids(folder))
"""


def test_a_full_disk_refuses_and_recovers(tmp_path):
    """A record that cannot be kept is an error, never half a record that hides later ones."""
    here = Path(__file__)
    arguments = [sys.executable, "-c", _FULL_DISK, str(here.parent), here.stem, str(tmp_path)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout == "3 ['before', 'after']\n"
