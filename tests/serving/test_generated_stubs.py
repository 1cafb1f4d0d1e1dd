"""The committed gRPC stubs are what the committed .proto generates."""

import subprocess
import sys
from pathlib import Path

import tidemill_serving

PACKAGE = Path(tidemill_serving.__file__).parent


def test_stubs_are_up_to_date(tmp_path):
    """Regenerate with this command when the .proto changes."""
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I", str(PACKAGE.parent)]
    outputs = [f"--python_out={tmp_path}", f"--grpc_python_out={tmp_path}"]
    subprocess.run([*command, *outputs, "tidemill_serving/open_inference.proto"], check=True)
    for name in ("open_inference_pb2.py", "open_inference_pb2_grpc.py"):
        assert (tmp_path / "tidemill_serving" / name).read_text() == (PACKAGE / name).read_text()
