"""``slotwise load`` for people: the knee, the wall, who held the slots, and what would move the wall."""

from __future__ import annotations

from slotwise.formats.terminal import Ink, columns, paragraph, printable
from slotwise.load.compare import Comparison
from slotwise.load.knee import CONFIDENCE_RATIO
from slotwise.load.measures import Step
from slotwise.load.report import LoadReport

WALL_NAMES = {
    "pg_max_connections": "PostgreSQL's last slot (max_connections)",
    "pg_process_table": "PostgreSQL's table of child processes",
    "pg_reserved": "PostgreSQL's usable slots (only the reserve was left)",
    "pg_role_limit": "the role's CONNECTION LIMIT",
    "pg_db_limit": "the database's CONNECTION LIMIT",
    "odoo_pool": "Odoo's own pool (db_maxconn)",
    "pgb_max_client_conn": "PgBouncer's max_client_conn",
    "pgb_query_wait": "PgBouncer's query_wait_timeout",
    "pgb_server_login": "PgBouncer's login to the server",
    "fd_limit": "file descriptors",
    "memory": "memory or processes of the host",
}
_RIGHT = frozenset(range(1, 9))


def load_text(report: LoadReport, *, colour: bool = False, width: int = 100) -> str:
    """The whole report."""
    ink = Ink(colour)
    lines = [ink(f"Load on {printable(report.subject)}", "bold"), ""]
    lines += paragraph(knee_words(report), width, "  ", "  ")
    lines += paragraph(wall_sentence(report), width, "  ", "  ")
    lines += paragraph(headroom_words(report), width, "  ", "  ")
    for one in report.growing:
        peers = "" if one.peers is None else f"; no other {one.role} holds more than {one.peers}"
        words = f"LEAK: {one.role} {one.pid} grew from {one.first} to {one.last} slots{peers}"
        lines += [ink(line, "red") for line in paragraph(words, width, "  ", "  ")]
    if report.goal is not None:
        lines.append(f"  Goal {report.goal}: {'met' if report.goal_met else 'not met'}")
    lines += paragraph(f"Ended: {report.stop.words}", width, "  ", "  ")
    lines += ["", *columns([_HEADS, *(_row(step) for step in report.steps)], _RIGHT)]
    lines += _refusals(report, width) + _pools(report) + _model(report, width) + _remedy(report, width)
    for note in report.notes:
        lines += paragraph(note, width, "  ", "note: ")
    return "\n".join(lines) + "\n"


def knee_words(report: LoadReport) -> str:
    """The knee in one sentence."""
    knee = report.knee
    if knee.users is None:
        return f"Knee: not met{'' if knee.beyond is None else f' up to {knee.beyond} users'} ({knee.why})."
    interval = ""
    if knee.low is not None and knee.high is not None:
        interval = f" ({CONFIDENCE_RATIO:.0%}: {knee.low:.1f} to {knee.high:.1f})"
    most = "" if knee.most_per_second is None else f", ceiling {knee.most_per_second:.1f} requests/s"
    unloaded = "" if knee.unloaded_seconds is None else f", {knee.unloaded_seconds * 1000:.0f} ms unloaded"
    return f"Knee: {knee.users:.1f} users{interval}{most}{unloaded}."


def wall_sentence(report: LoadReport) -> str:
    """The wall and whom it refused, in one sentence."""
    wall = report.wall
    if wall is None:
        return "Wall: none was met."
    name = WALL_NAMES.get(wall.wall, wall.wall)
    return f"Wall: {name} ({wall.wall}), first met at {wall.users} users by {wall.role}: {wall.words}"


def headroom_words(report: LoadReport) -> str:
    """Slots at the knee in one sentence."""
    where = "the knee" if report.knee.users is not None else "the highest load"
    if report.used_at_knee is None or report.usable is None or report.headroom_ratio is None:
        gap = next((step.slots.gap for step in report.steps if step.slots.gap), "not measured")
        return f"Slots at {where}: unknown ({gap})."
    return f"Slots at {where}: {report.used_at_knee} of {report.usable} usable, {report.headroom_ratio:.0%} headroom."


def step_roles(step: Step) -> str:
    """Who held the slots, most first."""
    return ", ".join(f"{count} {role}" for role, count in step.slots.by_role.items())


_HEADS = ("users", "requests/s", "p50 ms", "p95 ms", "p99 ms", "failed", "slots", "wait ms", "pool queue", "held by")


def _row(step: Step) -> tuple[str, ...]:
    latency = step.latency
    queue = max((pool.most_waiting for pool in step.slots.pools), default=None)
    return (
        str(step.users),
        f"{step.throughput_per_second:.1f}",
        *(("-", "-", "-") if latency is None else (_ms(latency.p50), _ms(latency.p95), _ms(latency.p99))),
        str(step.failed),
        "?" if step.slots.used is None else str(step.slots.used),
        "-" if step.slot_wait is None else _ms(step.slot_wait.p95),
        "-" if queue is None else str(queue),
        step_roles(step) or (step.slots.gap or "-"),
    )


def _refusals(report: LoadReport, width: int) -> list[str]:
    lines: list[str] = []
    for step in report.steps:
        for one in step.refused:
            lines += paragraph(
                f"{step.users} users: {one.count} × {one.wall} to {one.role}: {one.words}", width, "      ", "  "
            )
    return ["", "Failed:", *lines] if lines else []


def _pools(report: LoadReport) -> list[str]:
    rows = [
        (str(step.users), pool.database, pool.user, str(pool.most_servers), str(pool.most_waiting),
         f"{pool.longest_wait_seconds:.2f}")
        for step in report.steps
        for pool in step.slots.pools
        if pool.most_waiting or pool.longest_wait_seconds > 0
    ]  # fmt: skip
    if not rows:
        return []
    heads = ("users", "pool", "role", "servers", "clients waiting", "longest wait s")
    return ["", "PgBouncer:", *columns([heads, *rows], frozenset({0, 3, 4, 5}))]


def _model(report: LoadReport, width: int) -> list[str]:
    model = report.model
    lines = ["", "Plan beside measurement:"]
    if model.knee_users is not None:
        lines += paragraph(f"knee: {model.knee_users:.1f} users expected with {model.bottleneck}", width, "  ", "  ")
    if model.gap is not None:
        lines += paragraph(model.gap, width, "  ", "  ")
    if model.roles:
        rows = [(r.role, _count(r.typical), _count(r.peak), _count(r.measured)) for r in model.roles]
        heads = ("slots by role", "plan's typical", "plan's peak", "measured")
        lines += columns([heads, *rows], frozenset({1, 2, 3}))
    return lines


def _remedy(report: LoadReport, width: int) -> list[str]:
    remedy = report.remedy
    if remedy is None:
        return []
    lines = ["", *paragraph(f"To move the wall: {remedy.title}; it {remedy.reason}.", width, "  ", "")]
    rows = [(s.where, f"{s.name} = {s.value}", s.why) for s in remedy.settings]
    return [*lines, *columns(rows)]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f}"


def _count(value: int | None) -> str:
    return "-" if value is None else str(value)


def compare_text(comparison: Comparison, width: int = 100) -> str:
    """Run B beside run A."""

    def figure(value: float | None) -> str:
        return "-" if value is None else f"{value:.4g}"

    rows: list[tuple[str, ...]] = [
        (row.name, figure(row.a), figure(row.b), row.unit, row.change) for row in comparison.rows
    ]
    rows.append(("wall", comparison.wall_a or "none", comparison.wall_b or "none", "", ""))
    lines = [f"A: {printable(comparison.a)}", f"B: {printable(comparison.b)}", ""]
    lines += columns([("", "A", "B", "", "B is"), *rows], frozenset({1, 2}))
    for words in comparison.different:
        lines += paragraph(f"asked differently: {words}", width, "  ", "")
    return "\n".join(lines) + "\n"
