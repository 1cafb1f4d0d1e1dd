"""`tidemill predict` answers like the server, and both commands refuse in words."""

import json

import pyarrow.parquet as pq
import pytest

from tidemill.predictions import read_predictions


def test_predict_prints_scores_and_logs_them(home, kit):
    """The same score as the server's, and a record of it."""
    run = kit.run_cli(home, "predict", kit.OBJECTIVE, "u1", "nobody", "--json")
    known, unknown = json.loads(run.stdout)
    assert known["score"] == pytest.approx(kit.expected_score(kit.vector_of(1)), abs=1e-6)
    assert (unknown["score"], unknown["cold_start"]) == (0.04, True)
    (record,) = read_predictions(home.predictions(kit.OBJECTIVE))
    assert list(record.users) == ["u1", "nobody"]


def test_predict_prints_a_readable_table(home, kit):
    """User, score, grade; strangers are marked."""
    run = kit.run_cli(home, "predict", kit.OBJECTIVE, "u1", "nobody")
    assert "0.3430" in run.stdout
    assert "yes" in next(line for line in run.stdout.splitlines() if "nobody" in line)


def test_predict_all_writes_everybody(home, kit):
    """One row a stored user, graded in the shares the bundle asks for."""
    out = home.root / "scores.parquet"
    run = kit.run_cli(home, "predict", kit.OBJECTIVE, "--all", "--out", str(out))
    assert run.returncode == 0, run.stderr
    table = pq.read_table(out)
    assert sorted(table["user_id"].to_pylist()) == sorted(f"u{n}" for n in range(kit.USERS))
    assert table.column_names[:3] == ["user_id", "score", "grade"]
    assert set(table["grade"].to_pylist()) == set("ABCD")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["predict", "coupon-redemptions", "u1"], "did you mean 'coupon-redemption'?"),
        (["predict", "coupon-redemption"], "name users, or give --all"),
        (["predict", "coupon-redemption", "u1", "--all"], "name users, or give --all"),
        (["predict", "coupon-redemption", "--all"], "--out"),
        (["predict", "coupon-redemption", "--all", "--out", "scores.csv"], "'scores.parquet'"),
        (["predict", "coupon-redemption", "--all", "--out", "scores"], "'scores.parquet'"),
        (["predict", "coupon-redemption", ""], "0 bytes"),
        (["serve", "unknown-thing"], "objective 'unknown-thing' has no live model"),
        (["serve", "--model-dir", "."], "--model-name"),
        (["serve", "--model-dir", ".", "--model-name", "m"], "no model bundle"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(home, kit, arguments, words):
    """The message or its hint names the fix."""
    result = kit.invoke(home, *arguments)
    assert words in f"{result.message} {result.hint}"


def test_a_taken_port_is_refused(server, home, kit):
    """Before anything is served, REST and gRPC alike."""
    for option, port in (("--port", server.port), ("--grpc-port", server.grpc_port)):
        free = {"--port": str(kit.free_port()), "--grpc-port": str(kit.free_port())}
        flags = [word for pair in {**free, option: str(port)}.items() for word in pair]
        run = kit.run_cli(home, "serve", *flags)
        assert run.returncode == 1
        assert "cannot listen" in run.stderr


def test_an_empty_home_has_nothing_to_serve(tmp_path, kit):
    """The hint says how to get a model."""
    error = kit.invoke(kit.Home(tmp_path), "serve")
    assert "nothing to serve" in error.message
    assert "tidemill train" in error.hint
