"""A bundle that cannot serve is refused at load, with the reason."""

import onnx
import pytest

from tidemill.bundle import MODEL_FILE
from tidemill.errors import BundleError
from tidemill_serving.model import load_model


def test_a_missing_file_is_named(tmp_path):
    """The path is in the message."""
    with pytest.raises(BundleError, match=MODEL_FILE):
        load_model(tmp_path, "m")


def test_onnx_of_somebody_else_is_refused(tmp_path, kit):
    """Without our metadata nobody knows what its columns mean."""
    path = kit.write_bundle(tmp_path) / MODEL_FILE
    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.save(model, path)
    with pytest.raises(BundleError, match=r"no 'tidemill\.bundle' metadata"):
        load_model(tmp_path, "m")


def test_a_model_that_answers_nan_is_refused(tmp_path, kit):
    """The warm-up run asks for finite scores."""
    kit.write_bundle(tmp_path, bias=float("nan"))
    with pytest.raises(BundleError, match="nan"):
        load_model(tmp_path, "m")


def test_features_that_do_not_fit_the_graph_are_refused(tmp_path, kit):
    """Metadata of four columns over a graph of three."""
    kit.write_bundle(tmp_path, features=(*kit.FEATURES, "one_more"))
    with pytest.raises(BundleError, match="cannot score 4 features"):
        load_model(tmp_path, "m")


def test_equal_files_have_equal_versions(tmp_path, kit):
    """Without a promoted version the content names the model."""
    same = [load_model(kit.write_bundle(tmp_path / name), "m").version for name in "ab"]
    other = load_model(kit.write_bundle(tmp_path / "c", bias=1.0), "m").version
    assert same[0] == same[1] != other
