"""Documentation that can rot is generated or executed."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tidemill.cli.main import build_app
from tidemill.cli.reference import render_reference as render_commands
from tidemill.objective import load_objective
from tidemill.objective.reference import render_reference as render_objective

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(
    r"^    tidemill ([a-z -]+?)(?= [a-z./-]*[./]|  |\s+#| coupon|$)", README, re.M
)


def test_the_objective_page_is_the_schema() -> None:
    """`make docs` was run after the last change of the schema."""
    assert (ROOT / "docs" / "objectives.md").read_text() == render_objective()


def test_the_command_page_is_the_cli() -> None:
    """`make docs` was run after the last change of a command."""
    assert (ROOT / "docs" / "cli.md").read_text() == render_commands()


def test_the_objective_in_the_readme_is_valid(tmp_path: Path) -> None:
    """What a newcomer copies loads without an error."""
    (block,) = re.findall(r"```yaml\n(.*?)```", README, re.S)
    (tmp_path / "objective.yaml").write_text(block)
    assert load_objective(tmp_path / "objective.yaml").name == "coupon-redemption"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_in_the_readme_exists(command: str) -> None:
    """A newcomer who types it gets the command's help, not an error."""
    result = CliRunner().invoke(build_app(), [*command.split(), "--help"])
    assert result.exit_code == 0, result.output


def test_the_readme_names_commands() -> None:
    """The test above looks at something."""
    assert len(COMMANDS) >= 6


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md", "docs/monitoring.md"])
def test_links_lead_somewhere(page: str) -> None:
    """Every relative link of a page points at a file."""
    text = (ROOT / page).read_text()
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []
