"""Probabilities, values, lists and segments: what is the same for all of them."""

import json

import experiment_kit as trial
import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest
import recommender_kit
from onnx import TensorProto, helper, numpy_helper, parser

from tidemill.bundle import METADATA_KEY, MODEL_FILE
from tidemill.lifetime_value.bundle import MORE_OUTPUTS, ValueFacts
from tidemill.predictions import read_predictions
from tidemill.segmentation.bundle import Segment, SegmentationMetadata

SEGMENTS = tuple(
    Segment(id=name, name=f"kind {name}", share=0.5, users=150, jaccard=0.9)
    for name in ("S1", "S2")
)


def save(folder, model, properties):
    helper.set_model_props(model, properties)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(folder / MODEL_FILE))


def write_values(folder, kit):
    """The logistic's score once more under each further name."""
    kit.write_bundle(folder)
    model = onnx.load(str(folder / MODEL_FILE))
    for name in MORE_OUTPUTS:
        model.graph.node.append(helper.make_node("Identity", ["score"], [name]))
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch"]))
    facts = ValueFacts(
        model="m", coverage=0.8, judged_days=28, unknown_purchases=1, unknown_interval=(0, 1)
    )
    save(folder, model, kit.metadata(value=facts).to_properties())


def write_segments(folder, kit):
    """Everybody is in the first segment, at the distance of their first feature."""
    graph = parser.parse_graph("""segments (float[n, 3] features)
      => (int64[n] segment, float[n] distance, float[n] confidence) {
      days = Gather <axis = 1> (features, first)
      is_nan = IsNaN (days)
      distance = Where (is_nan, zero, days)
      filled = Mul (distance, zero)
      segment = Cast <to = 7> (filled)
      confidence = Identity (filled)
    }""")
    graph.initializer.extend(
        [
            numpy_helper.from_array(np.array(0), "first"),
            numpy_helper.from_array(np.array(0, np.float32), "zero"),
        ]
    )
    text = kit.metadata().to_properties()[METADATA_KEY]
    shared = {
        name: value
        for name, value in json.loads(text).items()
        if name in SegmentationMetadata.model_fields and name not in ("kind", "format")
    }
    about = SegmentationMetadata(**shared, segments=SEGMENTS, next_number=3)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    model.ir_version = 10
    save(folder, model, about.to_properties())


@pytest.fixture(params=["score", "value", "segment", "list"])
def any_home(request, kit, tmp_path):
    """A home with one live model, of each kind, and its name."""
    if request.param == "list":
        return recommender_kit.prepare_home(tmp_path / "home"), recommender_kit.NAME
    return home_of(request.param, kit, tmp_path / "home"), kit.OBJECTIVE


def home_of(kind, kit, root):
    write = {"score": lambda folder, kit: kit.write_bundle(folder)}
    write |= {"value": write_values, "segment": write_segments}
    home = kit.Home(root)
    kit.fill_store(home)
    write[kind](home.served(kit.OBJECTIVE) / "1", kit)
    kit.point_current(home, "1")
    return home


def test_everybody_is_written_whatever_is_answered(any_home, kit):
    """`--all --out`: a file with at least one row a user."""
    home, name = any_home
    out = home.root / "all.parquet"
    run = kit.run_cli(home, "predict", name, "--all", "--out", str(out))
    assert run.returncode == 0, run.stderr
    table = pq.read_table(out)
    assert {"user_id", "model_version", "cold_start", "prediction_id"} <= set(table.column_names)
    assert set(table["model_version"].to_pylist()) == {"1"}


def test_nobody_is_asked_when_the_file_cannot_be_written(home, kit):
    """No answer is on the log that nobody received."""
    (home.root / "folder.parquet").mkdir()
    long_name = f"{'x' * 300}.parquet"
    for place, words in {
        "none/x.parquet": "there is no folder",
        "folder.parquet": "is a folder",
        long_name: "cannot be written: File name too long",
    }.items():
        error = kit.invoke(home, "predict", kit.OBJECTIVE, "--all", "--out", str(home.root / place))
        assert words in error.message
    assert not list(read_predictions(home.predictions(kit.OBJECTIVE)))


def test_of_a_stranger_no_distance_is_said(kit, tmp_path):
    """Zero would be right at the centre."""
    home = home_of("segment", kit, tmp_path / "home")
    run = kit.run_cli(home, "predict", kit.OBJECTIVE, "u1", "nobody", "--json")
    known, stranger = json.loads(run.stdout)
    assert (known["segment"], known["distance"]) == ("S1", 1.0)
    assert [stranger[each] for each in ("segment", "distance", "confidence")] == [None] * 3
    assert "distance" in kit.run_cli(home, "predict", kit.OBJECTIVE, "u1", "nobody").stdout


def test_an_arm_that_is_given_nothing_has_no_value(kit, tmp_path):
    """Empty in the terminal, null in the file."""
    home = home_of("value", kit, tmp_path / "home")
    experiment = trial.start(home, kit.OBJECTIVE, None, arms=[
        {"name": "live", "share": "50%", "serve": "champion"},
        {"name": "bare", "share": "50%", "serve": "nothing"},
    ])  # fmt: skip
    bare, live = (trial.user_in(experiment, arm) for arm in ("bare", "live"))
    lines = kit.run_cli(home, "predict", kit.OBJECTIVE, bare, live).stdout.splitlines()
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines]
    shown = {row[0]: row[1:] for row in cells if row}
    assert shown[bare] == [""] * 6 + ["bare"]
    assert all(shown[live][:5])
    out = home.root / "all.parquet"
    kit.run_cli(home, "predict", kit.OBJECTIVE, "--all", "--out", str(out))
    rows = {row["user_id"]: row for row in pq.read_table(out).to_pylist()}
    assert {rows[bare][name] for name in ("score", "grade", *MORE_OUTPUTS)} == {None}
    assert None not in {rows[live][name] for name in ("score", "grade", *MORE_OUTPUTS)}


def test_parameters_that_would_change_nothing_are_refused(server, kit):
    """V1 and V2; what clients of the protocol add by themselves is passed over."""
    v1 = {"instances": ["u1"], "parameters": {"k": 3}}
    for answer in (
        server.request("POST", f"/v1/models/{kit.OBJECTIVE}:predict", json.dumps(v1)),
        server.infer(kit.users_request("u1", parameters={"k": 3})),
    ):
        assert answer.status == 400
        assert "unknown name 'k'; send none" in answer.json["error"]
    assert server.infer(kit.users_request("u1", parameters={"priority": 1})).status == 200


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"instances": ["u1"', "body: not JSON at line 1, column 20; send a JSON object"),
        (b'{"a": "\xff"}', "body: not JSON, byte 8 is not UTF-8; send a JSON object"),
    ],
)
def test_broken_json_is_refused_with_its_place(server, kit, body, words):
    """And without the parser's own words."""
    answer = server.request("POST", f"/v1/models/{kit.OBJECTIVE}:predict", body)
    assert (answer.status, answer.json["error"]) == (400, words)


def test_a_refused_training_leads_to_its_reason(home, kit):
    """Not to a name that looks alike."""
    (home.runs / "coupon-redemptions" / "1" / "training" / "register").mkdir(parents=True)
    error = kit.invoke(home, "predict", "coupon-redemptions", "u1")
    assert "`tidemill models coupon-redemptions` says why" in error.hint
