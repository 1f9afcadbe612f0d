"""SW109 workers-oversubscribe-cores."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Change, Finding, Fix, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import cite, cite_option
from slotwise.rules.instances import set_option
from slotwise.snapshot.evidence import MissingEvidence, Unavailable
from slotwise.snapshot.odoo import Odoo, OdooInstance
from slotwise.snapshot.processes import Host

WORKERS_PER_CORE = 2
FAR_TOO_MANY = 4
"""HTTP workers a core from which it is no longer a matter of taste: the guide's warning is 20 workers on 4 cores."""


@rule("SW109", Severity.WARNING)
def workers_oversubscribe_cores(odoo: Odoo, machine: Host) -> Iterator[Finding]:
    """There are more HTTP workers than the machine's cores can keep busy; each still holds its connections.

    **Why it matters.** An Odoo request is mostly Python on one core. Workers beyond two a core do not serve more
    requests, they slow each other down, yet each keeps one or two slots per database and some hundred MB. Slots that
    are held by workers who wait for a CPU are the cheapest ones to give back.

    **Evidence.** The `workers` of all instances that run on this machine against 2 a core (the guide's figure; Odoo's
    documentation counts 2 × cores + 1 with the cron workers in it). Up to 4 a core it is only mentioned.

    **Fix.** Lower `workers` to two a core, shared between the instances in proportion; cron workers come on top.

    **When to ignore it.** When requests wait on slow services outside (payment, EDI, IAP) rather than on the CPU, or
    when the workers are shared by tenants that are never busy together.
    """
    here = [i for i in odoo.instances if i.processes]
    if not here:
        remedy = "run doctor on the machine that Odoo runs on"
        raise MissingEvidence(Unavailable("Odoo processes", "no instance is seen running on this machine", remedy))
    workers = {i.id: max(0, i.integer("workers")) for i in here}
    total, bearable = sum(workers.values()), max(2, int(WORKERS_PER_CORE * machine.cores))
    if total <= bearable:
        return
    cron = sum(max(0, i.integer("max_cron_threads")) for i in here)
    yield Finding(
        f"{total} HTTP workers on {machine.cores:g} cores: more than 2 a core ({bearable}),"
        f" and {cron} cron workers beside them",
        (
            *(cite_option(i, "workers") for i in here),
            cite("cores", machine.cores, f"{machine.source} of {machine.name}"),
            cite("guide", bearable, "2 workers a core"),
            cite("Odoo's own limit", int(2 * machine.cores) + 1, "Odoo documentation: 2 × cores + 1, cron included"),
        ),
        Fix(
            f"lower workers to {bearable} in all",
            _fewer(here, workers, bearable),
            "measure first where requests wait on services outside rather than on the CPU",
        ),
        severity=None if total > FAR_TOO_MANY * machine.cores else Severity.INFO,
    )


def _fewer(here: list[OdooInstance], workers: dict[str, int], bearable: int) -> tuple[Change, ...]:
    """Each instance keeps its share, never below one worker: no instance is turned into a threaded one."""
    total = sum(workers.values())
    changes: tuple[Change, ...] = ()
    for instance in here:
        if workers[instance.id] > 0:
            share = max(1, workers[instance.id] * bearable // total)
            changes += set_option(instance, "workers", share)
    return changes
