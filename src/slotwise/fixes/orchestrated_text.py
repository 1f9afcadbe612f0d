"""Files for servers that an orchestrator writes: CloudNativePG, Patroni, Docker Compose, Kubernetes."""

from __future__ import annotations

import json

from slotwise.fixes.ground import Platform
from slotwise.fixes.remedy import GeneratedFile

_PATRONI = "postgresql.parameters"


def orchestrated_files(platform: Platform, values: dict[str, str]) -> tuple[tuple[GeneratedFile, ...], tuple[str, ...]]:
    """Files and commands that set ``values`` in the world of ``platform``."""
    if platform == "patroni":
        edits = (f"patronictl edit-config --force --set {_shell(f'{_PATRONI}.{n}={v}')}" for n, v in values.items())
        return (), (*edits, "patronictl restart CLUSTER --pending  # ends the sessions of each member in turn")
    if platform == "cloudnativepg":
        text = (
            "# Merge into your Cluster: the operator restarts the instances one by one, standbys first.\n"
            "apiVersion: postgresql.cnpg.io/v1\nkind: Cluster\nmetadata:\n  name: CLUSTER\nspec:\n"
            "  postgresql:\n    parameters:\n" + _yaml(values, 6)
        )
        return (GeneratedFile("cloudnativepg-cluster.yaml", text),), ("kubectl apply -f cloudnativepg-cluster.yaml",)
    arguments = [part for name, value in values.items() for part in ("-c", f"{name}={value}")]
    if platform == "compose":
        text = (
            "# docker compose -f docker-compose.yml -f compose.slotwise.yml up -d  (recreates the container)\n"
            f"services:\n  db:\n    command: {json.dumps(['postgres', *arguments])}\n"
        )
        return (GeneratedFile("compose.slotwise.yml", text),), ("docker compose up -d db  # ends every session",)
    text = (
        "# kubectl patch statefulset POSTGRES --patch-file postgres-arguments.yaml\n"
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
