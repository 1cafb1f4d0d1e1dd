"""`tidemill predict` for objectives that choose items."""

import json

import pyarrow.parquet as pq
import pytest
import recommender_kit
from recommender_kit import NAME, USERS, fill_catalogue, history_of, logits_of, ranking

from tidemill.recommendation.shown import read_shown
from tidemill_serving.batch import predict_all, write_parquet

U3 = ranking(logits_of(history_of(3)), "i4")[:5]


@pytest.fixture
def home(tmp_path):
    return recommender_kit.prepare_home(tmp_path / "home")


def test_predict_prints_a_readable_table(home, kit):
    """A row for each item: user, position, item, score; strangers are marked."""
    run = kit.run_cli(home, "predict", NAME, "u3", "nobody")
    assert run.returncode == 0, run.stderr
    rows = [line.split("│")[1:-1] for line in run.stdout.splitlines() if "│" in line]
    cells = [[cell.strip() for cell in row] for row in rows]
    assert [row[:3] for row in cells[:5]] == [["u3", str(n + 1), U3[n]] for n in range(5)]
    assert cells[0][3:] == ["0.9995", ""]
    assert cells[5] == ["nobody", "1", "i0", "0.5000", "yes"]


def test_predict_prints_json_and_logs(home, kit):
    """The same objects as V1."""
    run = kit.run_cli(home, "predict", NAME, "u3", "nobody", "--json")
    known, unknown = json.loads(run.stdout)
    assert [one["item_id"] for one in known["items"]] == U3
    assert (unknown["cold_start"], unknown["fallback"]) == (True, "popular")
    (record,) = read_shown(home.predictions(NAME))
    assert record.items[0] == U3


def test_what_looks_like_markup_is_shown_as_it_is(home, kit):
    """Ids are anybody's."""
    assert "[/bold]" in kit.run_cli(home, "predict", NAME, "[/bold]").stdout


def test_somebody_without_anything_to_offer_is_shown(home, kit):
    """Rather than left out of the table."""
    fill_catalogue(home, ends=dict.fromkeys(recommender_kit.ITEMS, recommender_kit.PAST))
    assert "nothing to offer" in kit.run_cli(home, "predict", NAME, "u3").stdout


def test_predict_all_writes_everybody(home, kit):
    """One row an item, by position."""
    out = home.root / "lists.parquet"
    run = kit.run_cli(home, "predict", NAME, "--all", "--out", str(out))
    assert run.returncode == 0, run.stderr
    assert f"wrote {USERS * 5} rows" in run.stderr
    table = pq.read_table(out)
    assert ", ".join(f"{field.name} {field.type}" for field in table.schema) == (
        "user_id string, position int32, item_id string, score float, probability float, "
        "model_version string, arm string, cold_start bool, prediction_id string"
    )
    mine = [row for row in table.to_pylist() if row["user_id"] == "u3"]
    assert [row["item_id"] for row in mine] == U3
    assert [row["position"] for row in mine] == [1, 2, 3, 4, 5]
    assert len(set(table["user_id"].to_pylist())) == USERS


def test_answers_are_written_as_they_come(home, kit, monkeypatch):
    """One batch in memory at a time, and a file that appears once whole."""
    monkeypatch.setattr("tidemill_serving.batch._BATCH_ROWS", 7)
    out = home.root / "lists.parquet"
    waiting = []

    def batches():
        for answer in predict_all(recommender_kit.open_recommender(home), quiet()):
            waiting.append(answer)
            assert not out.exists()
            yield waiting.pop()

    assert write_parquet(batches(), out) == USERS * 5
    assert pq.ParquetFile(out).num_row_groups == -(-USERS // 7)
    assert [path.name for path in home.root.glob("*lists.parquet*")] == ["lists.parquet"]


def test_an_interrupted_file_leaves_nothing_behind(home):
    """And what stood there before stays."""
    out = home.root / "lists.parquet"
    out.write_text("before")

    def broken():
        yield next(predict_all(recommender_kit.open_recommender(home), quiet()))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_parquet(broken(), out)
    assert out.read_text() == "before"
    assert [path.name for path in home.root.glob("*lists.parquet*")] == ["lists.parquet"]


def quiet():
    from rich.progress import Progress

    return Progress(disable=True)


def test_an_empty_store_is_refused_in_words(tmp_path, kit):
    """The hint says how to fill it."""
    home = kit.Home(tmp_path / "home")
    fill_catalogue(home)
    recommender_kit.promote(home, "1")
    error = kit.invoke(home, "predict", NAME, "--all", "--out", str(home.root / "x.parquet"))
    assert "tidemill features materialize" in error.hint
