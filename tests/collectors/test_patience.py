from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from slotwise.collectors.host import look_at_host
from slotwise.collectors.host_files import NO_REGULAR_FILE, read_file, read_tail
from slotwise.collectors.patience import NoAnswer, within
from slotwise.errors import OperatorError
from slotwise.snapshot.evidence import Unavailable
from tests.collectors.fake_host import add_process, write_host


def test_an_answer_a_mistake_and_silence_are_told_apart() -> None:
    assert within(30, lambda: 7) == 7

    def mistaken() -> int:
        raise OperatorError("no such file", "name another")

    with pytest.raises(OperatorError, match="no such file"):
        within(30, mistaken)
    let_go = threading.Event()
    with pytest.raises(NoAnswer):
        within(0.01, let_go.wait)
    let_go.set()


def test_a_pipe_with_the_name_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "odoo.conf"
    os.mkfifo(pipe)
    for found in (read_file(pipe, "odoo.conf"), read_tail(pipe, "odoo.conf", 100)):
        assert isinstance(found, Unavailable) and found.reason == NO_REGULAR_FILE
    directory = read_file(tmp_path, "there")
    assert isinstance(directory, Unavailable) and directory.reason == "it is a directory"


def test_a_file_system_that_does_not_answer_leaves_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_host(tmp_path, {})
    add_process(tmp_path, 70, 1, ["python3", "/srv/odoo/odoo-bin"], inodes=[500], environment={})
    let_go = threading.Event()

    def silent(*_: object, **__: object) -> None:
        let_go.wait()
        raise OperatorError("too late", "for anyone")

    monkeypatch.setattr("slotwise.collectors.host.find_odoo", silent)
    found = look_at_host(root=tmp_path, patience_seconds=0.01)
    let_go.set()
    assert isinstance(found.odoo, Unavailable) and found.odoo.reason == "the file system does not answer"
    assert any(r.name == "Odoo" and r.state == "failed" for r in found.reports)
