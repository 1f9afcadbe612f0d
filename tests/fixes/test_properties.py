"""Two hundred random files of each kind with odd spacing, includes, duplicates, %, UTF-8 and CRLF: nothing is lost."""

from __future__ import annotations

from configparser import RawConfigParser

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slotwise.fixes.conf_text import settings_of, with_settings
from slotwise.fixes.odoo_conf import edited
from slotwise.fixes.pgbouncer_ini import merged_ini, pool_settings
from tests.fixes.test_pgbouncer_ini import sizing

TWO_HUNDRED = settings(
    max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None
)
ENDINGS = st.sampled_from(["\n", "\r\n"])
NAMES = st.from_regex(r"[a-z][a-z_]{0,11}", fullmatch=True)
VALUE = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs")), max_size=12) | st.sampled_from(
    ["%(x)s", "100%", "a # b", "ünïcode", "x = y", "'quoted'", "False", ""]
)
COMMENTS = st.sampled_from(["# a comment", "; another", "", "   ", "#workers = 99", ";db_maxconn=1", "# café"])


@st.composite
def odoo_conf(draw: st.DrawFn) -> str:
    spaced = st.builds(
        lambda name, before, sign, after, value: f"{name}{before}{sign}{after}{value}",
        NAMES, st.sampled_from(["", " ", "\t"]), st.sampled_from("=:"), st.sampled_from(["", " ", "  "]), VALUE,
    )  # fmt: skip
    wanted = st.sampled_from(["workers = 4", "workers=2", "WORKERS : 7", "db_maxconn =64"])
    lines = draw(st.lists(spaced | COMMENTS | wanted | st.just("addons_path = /a,\n    /b"), max_size=14))
    other = draw(st.lists(spaced | COMMENTS, max_size=4))
    text = "\n".join(["[options]", *lines, *(["[queue_job]", *other] if other else [])])
    return text.replace("\n", draw(ENDINGS)) + draw(st.sampled_from(["", "\n"]))


def parsed(content: bytes) -> dict[str, dict[str, str]]:
    """As odoo/tools/config.py reads it; it lets no duplicate pass, so the last one is taken here."""
    parser = RawConfigParser(strict=False)
    parser.read_string(content.decode())
    return {section: dict(parser.items(section)) for section in parser.sections()}


@TWO_HUNDRED
@given(odoo_conf(), st.integers(0, 99), st.integers(1, 99))
def test_odoo_conf(text: str, workers: int, pool: int) -> None:
    before = text.encode()
    after = edited(before, {"workers": str(workers), "db_maxconn": str(pool)})
    wanted = parsed(before)
    wanted["options"] |= {"workers": str(workers), "db_maxconn": str(pool)}
    assert parsed(after) == wanted
    assert _others(before, ("workers", "db_maxconn")) == _others(after, ("workers", "db_maxconn"))
    assert edited(after, {"workers": str(workers), "db_maxconn": str(pool)}) == after


@st.composite
def postgresql_conf(draw: st.DrawFn) -> str:
    value = st.sampled_from(["100", "'a ''b'' %m'", "128MB", "on", "'/tmp/x'", "'ünïcode'", "-1"])
    line = st.builds(
        lambda indent, name, sign, value, comment: f"{indent}{name}{sign}{value}{comment}",
        st.sampled_from(["", "  ", "\t"]), NAMES, st.sampled_from([" = ", "=", " ", "\t"]), value,
        st.sampled_from(["", "\t# why", " # x = y"]),
    )  # fmt: skip
    special = st.sampled_from(
        [
            "include 'more.conf'",
            "include_dir = 'conf.d'",
            "include_if_exists='x'",
            "max_connections = 100",
            "MAX_CONNECTIONS 9",
        ]
    )
    lines = draw(st.lists(line | COMMENTS.filter(lambda c: not c.startswith(";")) | special, max_size=14))
    return "".join(part + draw(ENDINGS) for part in lines)


@TWO_HUNDRED
@given(postgresql_conf(), st.integers(10, 999))
def test_postgresql_conf(text: str, slots: int) -> None:
    after = with_settings(text, {"max_connections": str(slots)})
    others = [pair for pair in settings_of(text) if pair[0] != "max_connections"]
    assert [pair for pair in settings_of(after) if pair[0] != "max_connections"] == others
    assert [pair for pair in settings_of(after) if pair[0] == "max_connections"] == [("max_connections", str(slots))]
    kept = [line for line in text.splitlines() if "max_connections" not in line.lower()]
    head = [line for line in after.splitlines() if "max_connections" not in line.lower()]
    assert head[-len(kept) :] == kept or not kept
    assert with_settings(after, {"max_connections": str(slots)}) == after


@st.composite
def pgbouncer_ini(draw: st.DrawFn) -> str:
    entry = st.builds(
        lambda name, sign, words: f"{name}{sign}{words}",
        st.sampled_from(["prod", "*", '"my db"', "test_1", "postgres"]),
        st.sampled_from([" = ", "="]),
        st.sampled_from(
            [
                "host=10.0.0.1",
                "host=h port=5433 pool_mode=session",
                "host=h password='it''s %x' dbname=other",
                "pool_size=3",
            ]
        ),
    )
    unknown = st.sampled_from(["logfile = /var/log/x", "listen_port=6432", "admin_users = a, b", "pool_mode = session"])
    entries = draw(st.lists(entry | COMMENTS, max_size=5, unique=True))
    lines = draw(st.lists(unknown | COMMENTS | st.just("%include /etc/x.ini"), max_size=6))
    text = "\n".join(["[databases]", *entries, "[pgbouncer]", *lines, "[users]", "bob = pool_mode=session"])
    return text.replace("\n", draw(ENDINGS)) + draw(st.sampled_from(["", "\n"]))


@TWO_HUNDRED
@given(pgbouncer_ini())
def test_pgbouncer_ini(text: str) -> None:
    size = sizing()
    after = merged_ini(text, size, (1, 18), 1)
    ours = tuple(pool_settings(size, (1, 18), 1))
    kept = [line for line in text.splitlines() if not _is_entry(line) and not line.startswith(ours)]
    assert _in_order(kept, after.splitlines())
    assert ("password='it''s %x'" in text) == ("password='it''s %x'" in after)
    assert merged_ini(after, size, (1, 18), 1) == after


def _others(content: bytes, names: tuple[str, ...]) -> list[str]:
    """Every line but those of ``names``, without its line ending."""
    lines = content.decode().replace("\r\n", "\n").rstrip("\n").split("\n")
    return [line for line in lines if line.split("=")[0].split(":")[0].strip().lower() not in names]


def _is_entry(line: str) -> bool:
    return line.startswith(("prod", "*", '"my db"', "test_1", "postgres"))


def _in_order(wanted: list[str], lines: list[str]) -> bool:
    rest = iter(lines)
    return all(any(line == one for one in rest) for line in wanted)
