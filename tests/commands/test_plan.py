"""The use case ``plan``: flags, fleet files, what-ifs, old and new, and errors that name the field."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slotwise.capacity.headroom import Fit
from slotwise.capacity.report import PlanReport
from slotwise.collectors.saved_snapshot import read_snapshot
from slotwise.commands.plan import PlanRequest, exit_code, managed_catalogue, plan
from slotwise.commands.plan_fields import FIELDS
from slotwise.commands.plan_fleet import parse_fleet
from slotwise.errors import ExitCode, OperatorError
from slotwise.formats.plan_json import plan_document

GUIDE_EXAMPLE = {"workers": "8", "max_cron_threads": "2"}

FLEET = """
servers:
  main: {max_connections: 400, ram: 64GB, cores: 16, other: 6, postgres_version: 16}
  copy: {max_connections: 300}
hosts:
  web:
    odoo_version: 18
    workers: 8
    databases: [prod, archive]
    server: main
    replica: copy
    hosts: 3
  jobs: {like: web, workers: 2, max_cron_threads: 4, hosts: 1}
workload: {transactions_per_second: 50, transaction_seconds: 0.2}
headroom: 0.25
"""


def planned(**request: object) -> PlanReport:
    return plan(PlanRequest(**request))  # type: ignore[arg-type]


def fleet_file(tmp_path: Path, text: str, name: str = "fleet.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_guides_example() -> None:
    report = planned(changes=GUIDE_EXAMPLE)
    first = report.servers[0]
    assert first.demand.guide == 60
    assert (first.demand.steady, first.demand.typical, first.demand.ceiling) == (14, 30, 704)
    assert "60" in first.guide_says
    assert "30 fewer" in first.guide_says
    assert first.usable == 97


def test_what_is_not_said_is_named_as_an_assumption() -> None:
    said = " ".join(planned(changes=GUIDE_EXAMPLE).assumptions)
    for option in ("--odoo-version", "--max-connections", "--websockets", "--other", "--transaction-seconds"):
        assert option in said
    told = {**GUIDE_EXAMPLE, "odoo_version": "19", "max_connections": "200", "websockets": "40", "other": "5"}
    said = " ".join(planned(changes=told).assumptions)
    for option in ("--odoo-version", "--max-connections", "--websockets", "--other"):
        assert option not in said


def test_three_alternatives_with_their_cost_the_best_first() -> None:
    first = planned(changes={**GUIDE_EXAMPLE, "databases": "20", "ram": "16GB"}).servers[0]
    assert first.verdict is Fit.DOES_NOT_FIT
    assert {one.name for one in first.alternatives} >= {"fit-the-pools", "raise-max-connections", "add-pgbouncer"}
    assert first.recommended.verdict is Fit.FITS
    assert all(one.restart and one.risk and one.reason and one.ram_bytes > 0 for one in first.alternatives)


def test_pgbouncer_plans_with_one() -> None:
    first = planned(changes={**GUIDE_EXAMPLE, "databases": "20"}, pgbouncer=True).servers[0]
    assert "pgbouncer session pool" in first.demand.by_role
    assert first.verdict is Fit.FITS


def test_a_replica_is_a_server_of_its_own() -> None:
    report = planned(changes={**GUIDE_EXAMPLE, "odoo_version": "19"}, replica="separate")
    assert {one.server.name for one in report.servers} == {"primary", "primary-replica"}
    same = planned(changes=GUIDE_EXAMPLE, replica="same")
    assert same.servers[0].demand.ceiling == 2 * 704


def test_what_if() -> None:
    report = planned(changes=GUIDE_EXAMPLE, what_ifs=("workers=16", "version=19", "max_connections=300,other=10"))
    assert [one.demand.by_role["http_worker"].typical for one in report.what_ifs] == [32, 16, 16]
    assert report.what_ifs[2].usable == 297
    assert report.what_ifs[2].demand.typical == 40


def test_a_fleet_of_three_formats(tmp_path: Path) -> None:
    report = planned(fleet=fleet_file(tmp_path, FLEET))
    by_name = {one.server.name: one for one in report.servers}
    assert set(by_name) == {"main", "copy"}
    web, jobs = by_name["main"].hosts
    assert (web.count, web.workers, jobs.workers, jobs.max_cron_threads, jobs.databases) == (
        3, 8, 2, 4, ("prod", "archive"),
    )  # fmt: skip
    toml = """
headroom = 0.25
[servers.main]
max_connections = 400
ram = "64GB"
[hosts.web]
odoo_version = 18
workers = 8
databases = ["prod", "archive"]
"""
    by_toml = planned(fleet=fleet_file(tmp_path, toml, "fleet.toml"))
    described = {"servers": {"main": {"max_connections": 400, "ram": "64GB"}}, "headroom": 0.25}
    described["hosts"] = {"web": {"odoo_version": 18, "workers": 8, "databases": ["prod", "archive"]}}
    by_json = planned(fleet=fleet_file(tmp_path, json.dumps(described), "fleet.json"))
    assert by_toml.servers == by_json.servers
    assert by_toml.servers[0].demand.by_database["prod"].typical > 0


def test_flags_change_a_fleet(tmp_path: Path) -> None:
    report = planned(fleet=fleet_file(tmp_path, FLEET), changes={"max_connections": "900"})
    assert all(one.server.max_connections == 900 for one in report.servers)


def test_from_old_to_new(tmp_path: Path) -> None:
    old = fleet_file(
        tmp_path, "servers: {a: {max_connections: 100}}\nhosts: {h: {odoo_version: 17, workers: 8}}", "o.yml"
    )
    new = fleet_file(
        tmp_path, "servers: {a: {max_connections: 100}}\nhosts: {h: {odoo_version: 19, workers: 40}}", "n.yml"
    )
    report = planned(old=old, new=new)
    change = report.transitions[0]
    assert (change.before.typical, change.after.typical) == (30, 94)
    assert {row.version for row in change.versions} == {18, 19}
    assert {one.role for one in change.changes} == {"http_worker", "cron_worker", "gevent"}
    assert any("SIGHUP" in one.name for one in change.moments)
    assert exit_code(report) is ExitCode.HEALTHY
    rolling = planned(old=old, new=new, rolling=True)
    assert exit_code(rolling) is ExitCode.FINDINGS
    bigger = fleet_file(
        tmp_path, "servers: {a: {max_connections: 100}}\nhosts: {h: {odoo_version: 19, workers: 50}}", "b.yml"
    )
    assert exit_code(planned(old=old, new=bigger)) is ExitCode.FINDINGS


def test_every_managed_row_resolves() -> None:
    catalogue = managed_catalogue()
    assert len(catalogue.classes) == 194
    for row in catalogue.classes:
        assert catalogue.find(row.name) == row
        assert row.confidence in ("high", "medium", "low", "none")
        assert row.source


def test_a_managed_class_brings_its_cap_and_confidence() -> None:
    first = planned(changes={**GUIDE_EXAMPLE, "managed": "aws-rds:db.m6g.large"}).servers[0]
    assert first.server.managed == "aws-rds-postgresql:db.m6g.large"
    bound = next(one for one in first.bounds if one.name.startswith("managed "))
    assert "confidence" in bound.source
    assert first.usable is not None
    assert first.usable == (first.server.max_connections or 0) - 5


def test_a_class_without_a_published_cap_is_unknown() -> None:
    report = planned(changes={**GUIDE_EXAMPLE, "managed": "scaleway:any"})
    assert report.servers[0].verdict is Fit.UNKNOWN
    assert exit_code(report) is ExitCode.UNKNOWN


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"workers": "-1"}, "--workers"),
        ({"workers": "many"}, "--workers"),
        ({"max_cron_threads": "1.5"}, "--max-cron-threads"),
        ({"databases": "1000000000"}, "--databases"),
        ({"databases": "-3"}, "--databases"),
        ({"ram": "0"}, "--ram"),
        ({"ram": "0GB"}, "--ram"),
        ({"ram": "16"}, "--ram"),
        ({"cores": "0"}, "--cores"),
        ({"odoo_version": "16"}, "--odoo-version"),
        ({"traffic": "heavy"}, "--traffic"),
        ({"headroom": "1.5"}, "--headroom"),
        ({"transaction_seconds": "nan"}, "--transaction-seconds"),
        ({"max_connections": "0"}, "--max-connections"),
        ({"managed": "aws-rds"}, "--managed"),
        ({"managed": "aws-rds:db.m6g.lrge"}, "db.m6g.large"),
        ({"managed": "amazon:x"}, "aws-rds-postgresql"),
    ],
)
def test_nonsense_names_its_field(changes: dict[str, str], field: str) -> None:
    with pytest.raises(OperatorError) as caught:
        planned(changes=changes)
    assert field in caught.value.problem + caught.value.remedy
    assert "\n" not in caught.value.problem + caught.value.remedy


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hosts: {a: {like: b}, b: {like: a}}", "circle"),
        ("hosts: {a: {like: a}}", "circle"),
        ("hosts: {a: {workrs: 3}}", "did you mean workers"),
        ("hosts: {a: {workers: -3}}", "hosts.a.workers"),
        ("hosts: {a: {workers: true}}", "hosts.a.workers"),
        ("hosts: {a: {server: mian}}\nservers: {main: {}}", "did you mean main"),
        ("servers: {one: {}, two: {}}\nhosts: {a: {workers: 3}}", "hosts.a.server is missing"),
        ("hosts: {a: {databases: [x, 3]}}", "hosts.a.databases"),
        ("host: {a: {workers: 3}}", "did you mean hosts"),
        ("servers: {main: {}}", "hosts is missing"),
        ("servers: {main: {max_conections: 3}}\nhosts: {a: {}}", "did you mean max_connections"),
        ("servers: {main: {pgbouncer: {default_pool_sise: 3}}}\nhosts: {a: {}}", "did you mean default_pool_size"),
        ("hosts: &h {a: *h}", "hosts.a"),
        ("hosts: [1, 2]", "hosts"),
        ("hosts: {a: {workers: 3", "not valid YAML"),
        ("", "holds no fields"),
        ("workload: {transaction_second: 3}\nhosts: {a: {}}", "did you mean transaction_seconds"),
    ],
)
def test_a_wrong_fleet_file_names_its_field(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(OperatorError) as caught:
        planned(fleet=fleet_file(tmp_path, text))
    assert words in caught.value.problem + " " + caught.value.remedy
    assert "\n" not in caught.value.problem + caught.value.remedy


def test_wrong_files_and_pairs(tmp_path: Path) -> None:
    for request in (
        {"fleet": tmp_path / "none.yaml"},
        {"snapshot": tmp_path / "none.json"},
        {"fleet": fleet_file(tmp_path, "a = [", "f.toml")},
        {"fleet": fleet_file(tmp_path, '{"hosts": ', "f.json")},
        {"old": fleet_file(tmp_path, FLEET)},
        {"fleet": fleet_file(tmp_path, FLEET), "snapshot": fleet_file(tmp_path, FLEET)},
        {"what_ifs": ("workers",)},
        {"what_ifs": ("wrkers=3",)},
    ):
        with pytest.raises(OperatorError):
            planned(**request)


def test_a_fleet_of_a_thousand_hosts_is_one_plan(tmp_path: Path) -> None:
    names = [f"db{i}" for i in range(1000)]
    hosts = {f"h{i}": {"workers": 4, "databases": names} for i in range(1000)}
    document = {"servers": {"main": {"max_connections": 5000, "ram": "256GB"}}, "hosts": hosts}
    report = planned(fleet=fleet_file(tmp_path, json.dumps(document), "big.json"))
    assert report.servers[0].demand.guide == 36 * 1000
    assert report.servers[0].verdict is Fit.DOES_NOT_FIT


def test_a_pipeline_may_stop_at_tight() -> None:
    tight = planned(changes={"workers": "8", "max_cron_threads": "2", "databases": "3", "max_connections": "100"})
    assert tight.verdict is Fit.TIGHT
    assert exit_code(tight) is ExitCode.HEALTHY
    assert exit_code(tight, fail_on_tight=True) is ExitCode.FINDINGS
    roomy = planned(changes={"workers": "2", "max_connections": "1000"})
    assert exit_code(roomy, fail_on_tight=True) is ExitCode.HEALTHY


def test_the_command_line_prints_the_plan_and_the_exit_code() -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "slotwise", "plan", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    done = run("--workers", "8", "--max-cron-threads", "2", "--format", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["demand"]["guide"] == 60
    assert run("--workers", "80").returncode == 1
    wrong = run("--workers", "-1")
    assert (wrong.returncode, wrong.stdout, len(wrong.stderr.strip().splitlines())) == (2, "", 2)


def test_time_is_not_spent_on_nonsense() -> None:
    started = time.process_time()
    planned(changes={"workers": "10000", "databases": "100000", "hosts": "10000", "max_connections": "262143"})
    assert time.process_time() - started < 60  # a runaway loop would never end


EVIDENCE = Path(__file__).parents[1] / "evidence"


def conf_file(tmp_path: Path, text: str, name: str) -> Path:
    return fleet_file(tmp_path, f"# odoo\n[options]\n{text}\n", name)


def test_two_odoo_confs_of_two_versions(tmp_path: Path) -> None:
    old = conf_file(tmp_path, "workers = 8\ndb_maxconn = 32", "old.conf")
    new = conf_file(tmp_path, "workers = 40\ndb_name = prod", "new.conf")
    changes = {"max_connections": "90"}
    report = planned(old=old, new=new, old_version="17", new_version="19", changes=changes)
    change = report.transitions[0]
    assert (change.before.typical, change.before.ceiling) == (30, 10 * 32 + 32)
    assert change.after.typical == 94
    assert {row.version for row in change.versions} == {18, 19}
    assert exit_code(report) is ExitCode.FINDINGS
    roomy = planned(old=old, new=new, old_version="17", new_version="19", changes={"max_connections": "400"})
    assert exit_code(roomy) is ExitCode.HEALTHY
    assert not any("--max-connections" in one for one in roomy.assumptions)


def test_flags_that_hold_for_both_configurations(tmp_path: Path) -> None:
    old, new = conf_file(tmp_path, "workers = 4", "old.conf"), conf_file(tmp_path, "workers = 4", "new.conf")
    report = planned(old=old, new=new, changes={"databases": "3", "odoo_version": "18"})
    change = report.transitions[0]
    assert change.before.typical == change.after.typical == 4 * 6 + 8 + 6


def test_an_odoo_conf_that_odoo_refuses(tmp_path: Path) -> None:
    with pytest.raises(OperatorError) as caught:
        planned(fleet=conf_file(tmp_path, "workers = four", "odoo.conf"))
    assert "workers" in caught.value.problem
    with pytest.raises(OperatorError):
        planned(
            old=conf_file(tmp_path, "workers = 4", "a.conf"), new=conf_file(tmp_path, "", "b.conf"), old_version="9"
        )


@pytest.mark.parametrize("path", sorted(EVIDENCE.glob("*.json")), ids=lambda path: path.stem)
def test_every_recording_can_be_planned(path: Path) -> None:
    recorded = json.loads(path.read_text(encoding="utf-8"))["topology"]
    report = planned(snapshot=path)
    first = report.servers[0]
    host = first.hosts[0]
    assert host.odoo_version == int(path.name[:2])
    assert (host.workers, host.max_cron_threads) == (recorded["workers"], recorded["max_cron_threads"])
    assert first.usable == (first.server.max_connections or 0) - 3
    assert (first.server.pgbouncer is not None) == ("pgbouncer" in recorded)
    assert first.recommended.verdict is Fit.FITS
    if "saturated" in path.name:
        assert first.verdict is Fit.DOES_NOT_FIT
        assert first.recommended.name != "fit-the-pools"
    elif "4db" not in path.name:
        assert first.verdict in (Fit.FITS, Fit.TIGHT)


def test_a_measurement_raises_the_model_and_lowers_it_on_request() -> None:
    path = EVIDENCE / "18-prefork-4db-after-load.json"
    kept = planned(snapshot=path)
    row = next(one for one in kept.calibrations if "HTTP" in one.what)
    assert (row.model, row.measured, row.taken) == (2.0, 1.0, False)
    assert kept.servers[0].demand.by_role["http_worker"].typical == 4 * 4 * 2
    lowered = planned(snapshot=path, calibrate=True)
    assert lowered.servers[0].demand.by_role["http_worker"].typical == 4 * 4 * 1
    assert any("measured on" in term.source for term in lowered.servers[0].demand.terms)
    leaking = planned(snapshot=EVIDENCE / "18-leaking-addon.json")
    assert next(one for one in leaking.calibrations if "HTTP" in one.what).taken


def test_pgbouncer_measures_the_transaction() -> None:
    report = planned(snapshot=EVIDENCE / "18-pgbouncer-postgres-in-session.json")
    row = next(one for one in report.calibrations if one.unit == "seconds")
    assert row.taken
    assert 0.001 < row.measured < 0.1
    pools = report.servers[0].server.pgbouncer
    assert pools is not None
    assert (pools.default_pool_size, pools.postgres_pool_size) == (25, 20)


def test_listening_through_a_transaction_pool_is_said() -> None:
    report = planned(snapshot=EVIDENCE / "18-pgbouncer-transaction-everything.json")
    assert any("LISTEN is lost" in one for one in report.assumptions)
    quiet = planned(snapshot=EVIDENCE / "18-pgbouncer-postgres-in-session.json")
    assert not any("LISTEN is lost" in one for one in quiet.assumptions)


def test_a_live_host_is_planned_like_its_snapshot() -> None:
    path = EVIDENCE / "18-prefork-1db-busy.json"
    live = planned(look=lambda: read_snapshot(str(path)), changes={"other": "4"})
    saved = planned(snapshot=path, changes={"other": "4"})
    assert live.servers[0].demand == saved.servers[0].demand
    assert live.servers[0].demand.by_role["other"].typical == 4


def test_the_howtos_fleet_is_one(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "howto" / "plan.md").read_text(encoding="utf-8")
    fleet = text.partition("<!-- fleet -->\n```yaml\n")[2].partition("```")[0]
    report = planned(fleet=fleet_file(tmp_path, fleet))
    assert {one.server.name for one in report.servers} == {"main", "copy"}
    assert sum(host.count for host in report.servers[0].hosts) == 4


_TEXTS = (
    st.text(max_size=12)
    | st.integers(-5, 10**7).map(str)
    | st.sampled_from(["16GB", "0GB", "true", "nan", "inf", "1e3"])
)


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(st.sampled_from([field.name for field in FIELDS]), _TEXTS, max_size=4), st.booleans())
def test_any_flags_give_a_plan_or_a_mistake(changes: dict[str, str], pooled: bool) -> None:
    try:
        report = planned(changes=changes, pgbouncer=pooled)
    except OperatorError as error:
        assert "\n" not in error.problem.strip()
        return
    document = json.dumps(plan_document(report, "0"), allow_nan=False)
    assert json.loads(document)["schema"] == "slotwise.plan/1"
    for one in report.servers:
        wanted = one.demand
        assert wanted.steady <= wanted.typical <= wanted.peak <= wanted.ceiling


@settings(deadline=None, max_examples=150)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "hosts",
                        "servers",
                        "workload",
                        "headroom",
                        "like",
                        "workers",
                        "databases",
                        "server",
                        "replica",
                        "pgbouncer",
                        "a",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_document_is_a_fleet_or_a_mistake(document: object) -> None:
    try:
        parse_fleet(json.dumps(document).encode(), "fleet.json", managed_catalogue())
    except OperatorError as error:
        assert error.problem
