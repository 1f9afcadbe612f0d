from __future__ import annotations

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from slotwise.findings import AlterDatabase, AlterRole, SetServerSetting
from slotwise.fixes.sql_text import identifier, literal, parameter, statements

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)


@given(NAMES)
def test_identifiers_are_quoted_as_the_driver_quotes_them(name: str) -> None:
    assert identifier(name) == sql.Identifier(name).as_string(None)


@given(NAMES)
def test_literals_are_quoted_as_the_driver_quotes_them(value: str) -> None:
    assert literal(value).strip() == sql.Literal(value).as_string(None).strip()


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_impossible_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        identifier(name)


@pytest.mark.parametrize("name", ["x; drop", "a b", "", "naïve", "x'"])
def test_only_parameter_names_are_parameters(name: str) -> None:
    with pytest.raises(ValueError, match="configuration parameter"):
        parameter(name)


def test_statements() -> None:
    role = AlterRole('o"d', connection_limit=40, superuser=False, set_name="lock_timeout", set_value="1s", database="p")
    assert statements(role) == (
        'ALTER ROLE "o""d" NOSUPERUSER',
        'ALTER ROLE "o""d" CONNECTION LIMIT 40',
        'ALTER ROLE "o""d" IN DATABASE "p" SET lock_timeout = \'1s\'',
    )
    assert statements(AlterDatabase("p", set_name="idle_session_timeout")) == (
        'ALTER DATABASE "p" RESET idle_session_timeout',
    )
    assert statements(SetServerSetting("max_connections", "200", True)) == ("ALTER SYSTEM SET max_connections = '200'",)
    assert psycopg.__version__ >= "3"
