from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.capacity.wall_words import WALLS
from slotwise.findings import EndSession, Manual, Severity
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.postgres import Role, Roles
from slotwise.snapshot.refusals import Refusal, Refusals
from slotwise.walls.kinds import Wall
from tests.build import FIRST_HTTP, NOW, backend, findings, host, mended, verdict

SLUG = "connections-refused"
SLOT_WALLS = ("pg_reserved", "pg_max_connections")


def _refused(*walls: str, ago: float = 30, used: int = 20, **more: object) -> Snapshot:
    held = [(FIRST_HTTP + n % 4, backend(1000 + n, idle_for=10 + n)) for n in range(used)]
    snapshot = host(held, settings_={"max_connections": "23"})
    seen = tuple(Refusal(w, f"FATAL: words of {w}", "odoo.log", 3, NOW - ago, **more) for w in walls)  # type: ignore[arg-type]
    return structs.replace(snapshot, refusals=Refusals(seen, ("odoo.log",)))


def test_silent_when_someone_looked_and_saw_none() -> None:
    assert findings(host(), SLUG) == ()
    assert findings(_refused("network", "other_not_connection"), SLUG) == ()


def test_every_wall_that_refuses_has_words() -> None:
    assert set(WALLS) == {wall.value for wall in Wall if wall.refuses}


def test_speaks_in_plain_words_and_says_whom_to_end_first_and_why() -> None:
    (finding,) = findings(_refused("pg_reserved"), SLUG)
    assert "only reserved slots are left" in finding.message and "refused 3 times" in finding.message
    assert "FATAL: words of pg_reserved" in finding.message
    assert finding.fix is not None and "end pid 1019 first" in finding.fix.summary
    assert "given back to Odoo's pool" in finding.fix.summary
    first, end, *_ = finding.fix.changes
    assert isinstance(first, Manual) and "sudo -u postgres psql -h /var/run/postgresql -p 5432" in first.text
    assert end == EndSession(
        1019, NOW - 300, "idle and given back to Odoo's pool, which opens a new one when it needs it"
    )


def test_opposite_remedies_are_never_mixed() -> None:
    pool, slots = findings(_refused("odoo_pool", "pg_max_connections"), SLUG)
    assert pool.fix is not None and not [c for c in pool.fix.changes if isinstance(c, EndSession)]
    assert "db_maxconn" in pool.fix.summary and "max_connections changes nothing" in (pool.fix.risk or "")
    assert slots.fix is not None and "db_maxconn" not in slots.fix.summary
    assert "nobody gets in, not even a superuser" in str(slots.fix.changes)
    for words in WALLS.values():
        assert "raise max_connections" not in words.cure


def test_a_role_limit_ends_a_session_of_that_role_only() -> None:
    snapshot = _refused("pg_role_limit", user="guest", used=4)
    guest = (FIRST_HTTP, backend(7, user="guest", idle_for=1))
    held = [guest, *((FIRST_HTTP, backend(1000 + n, idle_for=500)) for n in range(4))]
    snapshot = structs.replace(host(held), refusals=snapshot.refusals, roles=Roles((Role("guest", False, 1, True),)))
    (finding,) = findings(snapshot, SLUG)
    assert finding.fix is not None
    assert [c.pid for c in finding.fix.changes if isinstance(c, EndSession)] == [7]


def test_age_and_room_lower_the_voice() -> None:
    severities = [findings(_refused("pg_reserved", ago=a), SLUG)[0].severity for a in (30, 7200, 200_000)]
    assert severities == [Severity.CRITICAL, Severity.WARNING, Severity.INFO]
    (over,) = findings(_refused("pg_reserved", used=5), SLUG)
    assert over.severity is Severity.WARNING and "room again" in over.message
    assert over.fix is not None and not [c for c in over.fix.changes if isinstance(c, EndSession)]


def test_slotwises_own_attempt_counts_as_now() -> None:
    refusal = Refusal("pg_max_connections", "FATAL: sorry", "connection attempt to /run", 1, None)
    snapshot = structs.replace(_refused(), refusals=Refusals((refusal,), ("connection attempt",)))
    (finding,) = findings(snapshot, SLUG)
    assert finding.severity is Severity.CRITICAL and "just now" in finding.message


@given(st.sampled_from(SLOT_WALLS), st.integers(19, 40))
def test_its_own_fix_silences_the_alarm(wall: str, used: int) -> None:
    """What was refused stays refused: the finding remains, but no longer as something to act on at once."""
    snapshot = _refused(wall, used=used)
    assert findings(snapshot, SLUG)[0].severity is Severity.CRITICAL
    assert all(f.severity is Severity.WARNING for f in findings(mended(snapshot, SLUG), SLUG))


def test_unknown_where_nobody_looked_and_less_said_without_sessions() -> None:
    gap = Unavailable("refusals", "not collected", "give --log FILE")
    assert verdict(structs.replace(host(), refusals=gap), SLUG).state == "unknown"
    blind = structs.replace(_refused("pg_reserved"), activity=gap)
    (finding,) = findings(blind, SLUG)
    assert finding.fix is not None and not [c for c in finding.fix.changes if isinstance(c, EndSession)]
