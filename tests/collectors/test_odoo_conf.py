from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwise.collectors.odoo_conf import parse_odoo_conf
from slotwise.errors import OperatorError


def test_only_the_section_options_counts() -> None:
    conf = parse_odoo_conf(
        b"[queue_job]\nchannels = root:4\n\n[options]\n; two\nworkers = 2\nDB_Name=prod\n", "odoo.conf"
    )
    assert [(e.name, e.value, e.line) for e in conf.entries] == [("workers", "2", 6), ("db_name", "prod", 7)]
    assert [(e.section, e.name, e.line) for e in conf.elsewhere] == [("queue_job", "channels", 2)]
    assert conf.where(conf.entries[0]) == "odoo.conf:6"


def test_defaults_of_configparser_are_inherited_as_in_odoo() -> None:
    conf = parse_odoo_conf(b"[DEFAULT]\nworkers = 3\n[options]\n", "odoo.conf")
    assert [(e.name, e.value, e.line) for e in conf.entries] == [("workers", "3", 2)]


def test_a_value_goes_on_in_indented_lines() -> None:
    conf = parse_odoo_conf(b"[options]\naddons_path = /a,\n    /b\nworkers = 1\n", "odoo.conf")
    assert [(e.value, e.line) for e in conf.entries] == [("/a,\n/b", 2), ("1", 4)]


def test_without_the_section_nothing_is_read() -> None:
    conf = parse_odoo_conf(b"[odoo]\nworkers = 4\n", "odoo.conf")
    assert conf.entries == () and not conf.has_section


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"workers = 4\n", "odoo.conf:1 stands before any section"),
        (b"\xef\xbb\xbf[options]\n", "odoo.conf:1"),
        (b"[options]\nworkers = 1\nworkers = 2\n", "odoo.conf:3 sets workers a second time"),
        (b"[options]\n[options]\n", "odoo.conf:2 opens section [options] a second time"),
        (b"[options]\nworkers\n", "odoo.conf:2 is neither"),
        (b"[options]\ndb_name = \xe9\n", "odoo.conf:2 is not UTF-8"),
    ],
)
def test_what_stops_odoo_is_named_with_its_line(content: bytes, words: str) -> None:
    with pytest.raises(OperatorError) as refused:
        parse_odoo_conf(content, "odoo.conf")
    assert words in refused.value.problem and refused.value.remedy


def test_no_message_repeats_a_password() -> None:
    with pytest.raises(OperatorError) as refused:
        parse_odoo_conf(b"[options]\ndb_password hunter2\n", "odoo.conf")
    assert "hunter2" not in refused.value.problem + refused.value.remedy


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_content_is_parsed_or_refused(content: bytes) -> None:
    for full in (content, b"[options]\n" + content):
        try:
            conf = parse_odoo_conf(full, "odoo.conf")
        except OperatorError as refused:
            assert refused.problem.startswith("odoo.conf")
        else:
            assert all(e.line is None or e.line >= 1 for e in conf.entries)
