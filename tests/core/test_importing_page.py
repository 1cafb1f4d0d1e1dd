"""What docs/importing.md shows is what works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tidemill.events import EventLog
from tidemill.importing.files import find_files
from tidemill.importing.formats import EXPORTS, Format, format_of
from tidemill.importing.importer import import_files
from tidemill.importing.mapping import read_mapping
from tidemill.importing.mapping.schema import MappingSpec

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "importing.md").read_text()
SECTIONS = (section.partition("\n") for section in re.split(r"^### ", PAGE, flags=re.M)[1:])
EXAMPLES = {
    title: found[0]
    for title, _, text in SECTIONS
    if (found := re.findall(r"```json\n(.*?)```", text, re.S))
}


@pytest.mark.parametrize(("title", "record"), EXAMPLES.items())
def test_every_record_is_imported(log: EventLog, tmp_path: Path, title: str, record: str) -> None:
    """As what its heading says."""
    (tmp_path / "a.json").write_text(record.removeprefix("json\n"))
    expected = title.lower() if title.lower() in EXPORTS else "native"
    assert format_of(find_files([tmp_path / "a.json"])[0], Format()) == expected
    assert import_files(log, [tmp_path / "a.json"]).accepted == 1


def test_every_export_has_an_example() -> None:
    """The test above looks at all of them."""
    assert {title.lower() for title in EXAMPLES} >= set(EXPORTS)
    assert len(EXAMPLES) == len(EXPORTS) + 1


def test_the_mapping_fits_its_file(log: EventLog, tmp_path: Path) -> None:
    """It says what examples/mappings/orders.yaml says."""
    for language, name in (("yaml", "mapping.yaml"), ("csv", "orders.csv")):
        (block,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)
        (tmp_path / name).write_text(block)
    mapping = read_mapping(tmp_path / "mapping.yaml")
    assert mapping == read_mapping(ROOT / "examples" / "mappings" / "orders.yaml")
    assert import_files(log, [tmp_path / "orders.csv"], Format(mapping=mapping)).accepted == 1


def test_every_key_of_a_mapping_is_explained() -> None:
    """In the table."""
    rows = [row for row in PAGE.splitlines() if row.startswith("| `")]
    explained = " ".join(row.split("|")[1] for row in rows)
    assert [key for key in MappingSpec.model_fields if f"`{key}`" not in explained] == []
