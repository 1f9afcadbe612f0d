from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slotwise.collectors.pgbouncer_ini import PgBouncerIni, parse_pgbouncer_ini, words

INI = '''
;; comment
# another
[databases]
postgres = host=10.0.0.5 port=5433 pool_mode=session pool_size=12
"odd ""name""" = dbname='it\'\'s' password='geheim' auth_query='select 1'
%include more.ini
[pgbouncer]
listen_port = 6432
Pool_Mode = transaction
'''
MORE = "* = host=/run/postgresql port=5432 pool_mode=statement\n"


def parsed(text: str = INI, **files: str) -> PgBouncerIni:
    return parse_pgbouncer_ini(text, lambda name: files.get(name.replace(".", "_")))


def test_databases_settings_and_includes_are_read() -> None:
    ini = parsed(more_ini=MORE)
    assert ini.databases["postgres"] == {"host": "10.0.0.5", "port": "5433", "pool_mode": "session", "pool_size": "12"}
    assert ini.settings == {"listen_port": "6432", "pool_mode": "transaction"}
    assert (ini.wildcard, ini.wildcard_pool_mode, ini.complete) == (True, "statement", True)


def test_passwords_are_left_out() -> None:
    assert parsed().databases['odd "name"'] == {"dbname": "it's"}
    assert "geheim" not in repr(parsed())


def test_a_wildcard_may_stand_in_a_file_that_cannot_be_read() -> None:
    assert parsed().wildcard is None
    assert parsed("[databases]\na = host=x\n").wildcard is False


def test_files_that_include_each_other_end() -> None:
    assert parsed("%include a.ini", a_ini="%include a.ini").complete is False


def test_an_included_file_may_change_the_section() -> None:
    assert parsed("[databases]\n%include s.ini\nx = 1", s_ini="[pgbouncer]\n").settings == {"x": "1"}


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    parse_pgbouncer_ini(text, lambda _: text)
    words(text)
