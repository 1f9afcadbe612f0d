from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slotwise.fixes.conf_text import include_dirs, names_after, setting_line, settings_of, with_settings

CONF = """\
# max_connections = 10
max_connections = 100\t# a comment
shared_buffers 128MB
log_line_prefix = '%m ''x'' '
include_dir = 'conf.d'
work_mem=4MB
"""


def test_lines_are_read_as_postgresql_does() -> None:
    assert settings_of(CONF) == [
        ("max_connections", "100"),
        ("shared_buffers", "128MB"),
        ("log_line_prefix", "%m 'x' "),
        ("include_dir", "conf.d"),
        ("work_mem", "4MB"),
    ]
    assert include_dirs(CONF) == ("conf.d",)


def test_what_stands_after_the_directory_wins() -> None:
    assert names_after(CONF, "conf.d") == {"work_mem"}
    assert names_after(CONF + "include 'more.conf'\n", "conf.d") == {"work_mem", "*"}


def test_the_other_lines_stay() -> None:
    after = with_settings(CONF, {"max_connections": "60", "jit": "off"})
    assert after == CONF.replace("max_connections = 100\t# a comment", "max_connections = '60'") + "jit = 'off'\n"
    assert with_settings(after, {"max_connections": "60", "jit": "off"}) == after


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.text(st.characters(exclude_characters="\n\r\x00", exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=30))
def test_any_value_survives(value: str) -> None:
    assert settings_of(setting_line("a.b", value)) == [("a.b", value)]
