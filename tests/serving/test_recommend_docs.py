"""What docs/serving.md tells a reader to type works, and gives what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import recommender_kit

PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
SNIPPETS = re.findall(r"```(sh|python)\n(.*?)```", PAGE, re.S)
NAME = "product-recommendation"


@pytest.fixture
def home(tmp_path):
    """The page's objective, user and brands over the tiny bundle."""
    home = recommender_kit.Home(tmp_path / "home")
    recommender_kit.fill_histories(home)
    brands = ("National", "Private")
    recommender_kit.fill_catalogue(home, NAME, brands=brands)
    recommender_kit.promote(home, "1", NAME, count=20)
    return home


def run(language, snippet, home, server):
    for documented, port in (("8080", server.port), ("8081", server.grpc_port)):
        snippet = snippet.replace(f"localhost:{documented}", f"127.0.0.1:{port}")
    command = ["bash", "-c", snippet] if language == "sh" else [sys.executable, "-c", snippet]
    environment = {**os.environ, "TIDEMILL_HOME": str(home.root)}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=True
    ).stdout


def test_snippets_run_one_after_the_other(start_server, home):
    """Two curls, a client of the protocol, and the log of all three."""
    server = start_server()
    said = [run(language, snippet, home, server) for language, snippet in SNIPPETS]
    v1, v2, client, log = said
    assert v1.count('"item_id"') == 2 * 3
    assert '"shape":[2,3]' in v2
    assert "b'i1' b'i3' b'i5'" in client
    assert len(log.splitlines()) == 2 + 2 + 1


def test_the_page_describes_every_input_parameter_and_output():
    """By the names that the server takes and gives."""
    from tidemill_serving.recommendation_query import PARAMETERS
    from tidemill_serving.recommendation_tensors import ITEMS_INPUT, OUTPUTS

    for name in (*PARAMETERS, ITEMS_INPUT, *OUTPUTS):
        assert f"| `{name}` |" in PAGE
