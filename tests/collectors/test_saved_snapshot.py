from __future__ import annotations

from pathlib import Path

import pytest

from slotwise.collectors.saved_snapshot import read_snapshot
from slotwise.errors import OperatorError
from slotwise.snapshot.json_form import to_json
from tests.build import host


def test_reads_what_slotwise_wrote(tmp_path: Path) -> None:
    file = tmp_path / "case.json"
    file.write_bytes(to_json(host()))
    assert read_snapshot(str(file)) == host()


@pytest.mark.parametrize("name", ["absent.json", ".", "x\0y"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(OperatorError) as caught:
        read_snapshot(str(tmp_path / name))
    assert "cannot read" in caught.value.problem
