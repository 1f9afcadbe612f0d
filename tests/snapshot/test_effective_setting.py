from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwise.snapshot.effective_setting import effective_duration, milliseconds, server_wide
from slotwise.snapshot.evidence import MissingEvidence
from slotwise.snapshot.postgres import Override, Overrides, Setting, Settings

NAME = "statement_timeout"


def _settings(value: str = "100", source: str = "configuration file") -> Settings:
    return Settings((Setting(NAME, value, "ms", source),))


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [("0", "ms", 0), ("300", "ms", 300), ("60", "s", 60_000), ("5min", "ms", 300_000), ("1.5 h", "ms", 5_400_000),
     ("'15min'", "ms", 900_000), ("1d", None, 86_400_000), ("250us", "ms", 0.25), ("-1", "ms", -1),
     ("on", "ms", None), ("5 minutes", "ms", None), ("", "ms", None)],
)  # fmt: skip
def test_durations_as_postgresql_writes_them(text: str, unit: str | None, expected: float | None) -> None:
    assert milliseconds(text, unit) == expected


@given(st.permutations(["all", "database", "role", "role in database"]), st.integers(1, 4))
def test_the_most_specific_override_wins_whatever_the_order(order: list[str], kept: int) -> None:
    made = {
        "all": Override(None, None, NAME, "1"),
        "database": Override(None, "prod", NAME, "2"),
        "role": Override("odoo", None, NAME, "3"),
        "role in database": Override("odoo", "prod", NAME, "4"),
    }
    chosen = [made[name] for name in order[:kept]]
    value = effective_duration(_settings(), Overrides(tuple(chosen)), NAME, "odoo", "prod")
    assert value is not None and value.text == max(o.value for o in chosen) and not value.server_wide


def test_overrides_of_others_leave_the_server_wide_value() -> None:
    others = Overrides((Override("bi", None, NAME, "1"), Override(None, "test", NAME, "2")))
    value = effective_duration(_settings(), others, NAME, "odoo", "prod")
    assert value is not None and value.server_wide and value.milliseconds == 100


def test_a_parameter_that_the_version_lacks_is_none_and_nonsense_is_a_gap() -> None:
    assert effective_duration(Settings(()), Overrides(()), NAME, "odoo", "prod") is None
    with pytest.raises(MissingEvidence):
        effective_duration(_settings("soon"), Overrides(()), NAME, "odoo", "prod")
    with pytest.raises(MissingEvidence):
        effective_duration(_settings(), Overrides((Override("odoo", None, NAME, "soon"),)), NAME, "odoo", "prod")


def test_slotwises_own_value_is_not_everybodys() -> None:
    with pytest.raises(MissingEvidence):
        server_wide(_settings(source="user"), NAME)
    assert server_wide(_settings(source="session"), NAME) is not None
    reaches = Overrides((Override("doctor", None, NAME, "1"),))
    with pytest.raises(MissingEvidence):
        effective_duration(_settings(source="session"), reaches, NAME, "odoo", "prod")
