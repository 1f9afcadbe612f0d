from __future__ import annotations

import json

from slotwise.fixes.remedy import FixPlan, GeneratedFile, Refused, ReloadPostgres, Remedy, RunSql, WriteFile
from slotwise.formats.fix_json import fix_json, output_files, shown_files
from slotwise.formats.fix_text import diff_text, fix_text

CONF = WriteFile(
    "/etc/odoo.conf",
    b"[options]\ndb_password = geheim\nworkers = 4\n",
    b"[options]\ndb_password = geheim\nworkers = 8\n",
)
USERS = WriteFile("/etc/pgbouncer/userlist.txt", None, b'"odoo" "SCRAM-SHA-256$x"\n', secret=True)
SQL = RunSql("ALTER ROLE odoo CONNECTION LIMIT 5", "ALTER ROLE odoo CONNECTION LIMIT -1", "SELECT 1", "-1", "5")
HIDDEN = RunSql("CREATE ROLE x PASSWORD 'SCRAM-SHA-256$y'", "DROP ROLE x", "SELECT 1", None, "1", secret=True)
PLAN = FixPlan(
    remedies=(
        Remedy(
            target="here",
            title="things",
            reasons=("too few slots",),
            risks=("a restart",),
            rules=("SW101",),
            activation="restart",
            stops="every session",
            steps=(CONF, USERS, SQL, HIDDEN, ReloadPostgres({})),
            files=(GeneratedFile("cluster.yaml", "kind: Cluster\n"),),
            commands=("kubectl apply -f cluster.yaml",),
        ),
    ),
    refused=(Refused("max_connections 100 → 5", "20 are open", "lower the pools first"),),
    notes=("restart Odoo",),
)


def test_no_secret_is_ever_shown() -> None:
    shown = [fix_text(PLAN), diff_text(PLAN), fix_json(PLAN).decode(), *(f.text for f in shown_files(PLAN))]
    for text in shown:
        assert "geheim" not in text and "SCRAM-SHA-256" not in text


def test_everything_that_decides_is_said() -> None:
    text = fix_text(PLAN)
    for words in (
        "SW101", "too few slots", "a restart", "every session", "-workers = 4", "+workers = 8",
        "ALTER ROLE odoo CONNECTION LIMIT 5;", "-- back: ALTER ROLE odoo CONNECTION LIMIT -1;", "kind: Cluster",
        "20 are open", "lower the pools first", "restart Odoo",
    ):  # fmt: skip
        assert words in text


def test_output_has_the_whole_files() -> None:
    files = {f.name: f.text for f in output_files(PLAN)}
    assert files["etc/odoo.conf"] == "[options]\ndb_password = geheim\nworkers = 8\n"
    assert files["cluster.yaml"] == "kind: Cluster\n"
    assert files["statements.sql"].splitlines() == [f"{SQL.do};", f"{HIDDEN.do};", "SELECT pg_reload_conf();"]
    assert files["commands.sh"] == "kubectl apply -f cluster.yaml\n"


def test_json_for_programs() -> None:
    document = json.loads(fix_json(PLAN))
    assert document["schema"] == "slotwise.fix/1"
    (remedy,) = document["remedies"]
    assert [step["step"] for step in remedy["steps"]] == [
        "write-file", "write-file", "run-sql", "run-sql", "reload-postgres",
    ]  # fmt: skip
    assert remedy["steps"][0]["diff"].endswith("-workers = 4\n+workers = 8\n")
    assert document["refused"][0]["instead"] == "lower the pools first"


def test_an_empty_plan_says_so() -> None:
    assert "Nothing to change here." in fix_text(FixPlan(remedies=()))


def test_a_line_of_a_file_does_not_steer_the_terminal() -> None:
    step = WriteFile("/etc/odoo.conf", b"a = \x1b[31mred\n", b"b = 1\n")
    plan = FixPlan(remedies=(Remedy(target="t", title="t", reasons=(), steps=(step,)),))
    assert "\x1b" not in fix_text(plan)
