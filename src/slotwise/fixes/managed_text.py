"""The commands of managed services: their parameters are set by the service, not by the server."""

from __future__ import annotations

import shlex

from slotwise.fixes.ground import Platform

_STATIC = "pending-reboot"


def managed_commands(platform: Platform, values: dict[str, str], restart: tuple[str, ...]) -> tuple[str, ...]:
    """What to run, with names in capitals for what slotwise cannot know.

    https://docs.aws.amazon.com/cli/latest/reference/rds/modify-db-parameter-group.html,
    https://learn.microsoft.com/cli/azure/postgres/flexible-server/parameter,
    https://cloud.google.com/sql/docs/postgres/flags.
    """
    if platform == "rds":
        return _aws(values, restart, "modify-db-parameter-group --db-parameter-group-name PARAMETER_GROUP", "instance")
    if platform == "aurora":
        group = "modify-db-cluster-parameter-group --db-cluster-parameter-group-name CLUSTER_PARAMETER_GROUP"
        return _aws(values, restart, group, "cluster")
    if platform == "azure":
        made = [
            "az postgres flexible-server parameter set --resource-group RESOURCE_GROUP --server-name SERVER"
            f" --name {name} --value {shlex.quote(value)}"
            for name, value in values.items()
        ]
        if restart:
            made.append("az postgres flexible-server restart --resource-group RESOURCE_GROUP --name SERVER")
        return tuple(made)
    flags = ",".join(f"{name}={value}" for name, value in values.items())
    return (
        "# --database-flags replaces ALL flags: add those that `gcloud sql instances describe INSTANCE` lists",
        f"gcloud sql instances patch INSTANCE --database-flags={shlex.quote(flags)}"
        + ("  # restarts the instance at once, which ends every session" if restart else ""),
    )


def _aws(values: dict[str, str], restart: tuple[str, ...], verb: str, kind: str) -> tuple[str, ...]:
    made = []
    for name, value in values.items():
        method = _STATIC if name in restart else "immediate"
        text = shlex.quote(f"ParameterName={name},ParameterValue={value},ApplyMethod={method}")
        made.append(f"aws rds {verb} --parameters {text}")
    if restart:
        aurora = kind == "cluster"
        reboot = "reboot-db-instance --db-instance-identifier INSTANCE"
        if aurora:
            reboot = "reboot-db-instance --db-instance-identifier WRITER_INSTANCE"
        made.append(f"aws rds {reboot}  # ends every session" + ("; readers one by one after it" if aurora else ""))
    return tuple(made)
