"""Files for servers that an orchestrator writes: CloudNativePG, Patroni, Docker Compose, Kubernetes."""

from __future__ import annotations

import json

from slotwise.fixes.ground import Platform
from slotwise.fixes.remedy import GeneratedFile

_PATRONI = "postgresql.parameters"


_PLACES = frozenset({"data_directory", "config_file", "hba_file", "ident_file", "external_pid_file"})
"""Settings that an image's own start script puts on the command line."""


def orchestrated_files(
    platform: Platform, values: dict[str, str], given: dict[str, str] | None = None
) -> tuple[tuple[GeneratedFile, ...], tuple[str, ...]]:
    """Files and commands that set ``values`` in the world of ``platform``.

    ``given`` are the settings that the server's command line has now: in Compose and Kubernetes a new list of arguments
    replaces the whole old one (compose-spec, "Merge"; args is an atomic list in the API of Kubernetes), so they are
    said again.
    """
    if platform == "patroni":
        edits = (f"patronictl edit-config --force --set {_shell(f'{_PATRONI}.{n}={v}')}" for n, v in values.items())
        return (), (*edits, "patronictl restart CLUSTER --pending  # ends the sessions of each member in turn")
    if platform == "cloudnativepg":
        text = (
            "# A merge patch, not a whole Cluster: `kubectl apply` of it would take away what it does not name.\n"
            "# The operator restarts the instances one by one, standbys first.\n"
            "apiVersion: postgresql.cnpg.io/v1\nkind: Cluster\nmetadata:\n  name: CLUSTER\nspec:\n"
            "  postgresql:\n    parameters:\n" + _yaml(values, 6)
        )
        patch = "kubectl patch cluster.postgresql.cnpg.io CLUSTER --type merge --patch-file cloudnativepg-cluster.yaml"
        return (GeneratedFile("cloudnativepg-cluster.yaml", text),), (patch,)
    said = {**{name: value for name, value in (given or {}).items() if name not in _PLACES}, **values}
    arguments = [part for name, value in said.items() for part in ("-c", f"{name}={value}")]
    if platform == "compose":
        text = (
            "# docker compose -f docker-compose.yml -f compose.slotwise.yml up -d  (recreates the container)\n"
            "# command replaces the one of docker-compose.yml: compare them.\n"
            f"services:\n  db:\n    command: {json.dumps(['postgres', *arguments])}\n"
        )
        return (GeneratedFile("compose.slotwise.yml", text),), (
            "docker compose -f docker-compose.yml -f compose.slotwise.yml up -d db  # ends every session",
        )
    text = (
        "# kubectl patch statefulset POSTGRES --patch-file postgres-arguments.yaml\n"
        "# args replaces the whole list of the container: compare them.\n"
        "spec:\n  template:\n    spec:\n      containers:\n"
        f"        - name: postgres\n          args: {json.dumps(arguments)}\n"
    )
    return (GeneratedFile("postgres-arguments.yaml", text),), (
        "kubectl patch statefulset POSTGRES --patch-file postgres-arguments.yaml  # restarts it",
    )


def _yaml(values: dict[str, str], indent: int) -> str:
    return "".join(f"{' ' * indent}{name}: {json.dumps(value)}\n" for name, value in values.items())


def _shell(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
