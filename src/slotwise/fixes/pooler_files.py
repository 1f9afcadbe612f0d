"""A PgBouncer for worlds that an orchestrator runs: Docker Compose, Kubernetes, CloudNativePG."""

from __future__ import annotations

from slotwise.capacity.pooling import PoolSizing
from slotwise.fixes.pgbouncer_ini import pool_settings
from slotwise.fixes.remedy import GeneratedFile

IMAGE = "PGBOUNCER_IMAGE"
"""The operator's own choice: slotwise recommends no image."""


def compose_service(ini: str, sizing: PoolSizing) -> tuple[GeneratedFile, ...]:
    """A service, its file, and where the secret goes."""
    text = (
        "# docker compose -f docker-compose.yml -f compose.pgbouncer.yml up -d\n"
        "services:\n  pgbouncer:\n"
        f"    image: {IMAGE}\n"
        "    # entrypoint, not command: images have start scripts that write a file of their own\n"
        '    entrypoint: ["pgbouncer", "/etc/pgbouncer/pgbouncer.ini"]\n'
        "    restart: unless-stopped\n    stop_grace_period: 60s\n"
        "    ulimits:\n      nofile: " + str(_files(sizing)) + "\n"
        "    volumes:\n      - ./pgbouncer.ini:/etc/pgbouncer/pgbouncer.ini:ro\n"
        "      - ./userlist.txt:/etc/pgbouncer/userlist.txt:ro\n"
        "  # odoo: set HOST=pgbouncer and PORT=6432 (db_host and db_port)\n"
    )
    return GeneratedFile("compose.pgbouncer.yml", text), GeneratedFile("pgbouncer.ini", ini)


def kubernetes_deployment(ini: str) -> tuple[GeneratedFile, ...]:
    """ConfigMap, Deployment and Service. One replica: the caps hold per process, so two would double them."""
    body = "".join(f"    {line}\n" if line else "\n" for line in ini.splitlines())
    text = (
        "# kubectl create secret generic odoo-pgbouncer-users --from-file=userlist.txt\n"
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: odoo-pgbouncer\ndata:\n  pgbouncer.ini: |\n"
        + body
        + "---\n"
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: odoo-pgbouncer\nspec:\n"
        "  replicas: 1 # all caps hold per process\n"
        "  selector:\n    matchLabels: {app: odoo-pgbouncer}\n  template:\n    metadata:\n"
        "      labels: {app: odoo-pgbouncer}\n    spec:\n      terminationGracePeriodSeconds: 60\n      containers:\n"
        f"        - name: pgbouncer\n          image: {IMAGE}\n"
        "          command: [pgbouncer, /etc/pgbouncer/pgbouncer.ini]\n"
        "          ports:\n            - containerPort: 6432\n"
        "          readinessProbe:\n            tcpSocket: {port: 6432}\n"
        "          volumeMounts:\n            - {name: config, mountPath: /etc/pgbouncer}\n"
        "      volumes:\n        - name: config\n          projected:\n            sources:\n"
        "              - configMap: {name: odoo-pgbouncer}\n              - secret: {name: odoo-pgbouncer-users}\n"
        "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: odoo-pgbouncer\nspec:\n"
        "  selector: {app: odoo-pgbouncer}\n  ports:\n    - {port: 6432, targetPort: 6432}\n"
    )
    return (GeneratedFile("pgbouncer-deployment.yaml", text),)


def cloudnativepg_pooler(sizing: PoolSizing, users: int) -> tuple[GeneratedFile, ...]:
    """A Pooler, with what it cannot do: it has one entry for all databases, so ``postgres`` gets no session mode.

    https://cloudnative-pg.io/documentation/current/connection_pooling/ lists the parameters that it takes.
    """
    taken = (
        "max_client_conn",
        "default_pool_size",
        "min_pool_size",
        "reserve_pool_size",
        "reserve_pool_timeout",
        "max_db_connections",
        "max_user_connections",
        "server_reset_query",
        "server_reset_query_always",
        "server_idle_timeout",
        "server_lifetime",
        "server_login_retry",
        "query_wait_timeout",
        "client_idle_timeout",
        "idle_transaction_timeout",
        "query_timeout",
    )
    settings = pool_settings(sizing, (1, 18), users)
    lines = "".join(f'      {name}: "{settings[name]}"\n' for name in taken if name in settings)
    text = (
        "# A Pooler has one mode for all databases. In transaction mode LISTEN on postgres is lost: live chat\n"
        "# and cron triggers stop. Give the bus and cron a direct connection to the Cluster's own service (OCA\n"
        "# bus_alt_connection), or take pgbouncer-deployment.yaml instead, which keeps postgres in session mode.\n"
        "apiVersion: postgresql.cnpg.io/v1\nkind: Pooler\nmetadata:\n  name: odoo-pooler\nspec:\n"
        "  cluster:\n    name: CLUSTER\n  instances: 1 # all caps hold per instance\n  type: rw\n  pgbouncer:\n"
        "    poolMode: transaction\n    parameters:\n" + lines
    )
    return (GeneratedFile("cloudnativepg-pooler.yaml", text),)


def _files(sizing: PoolSizing) -> int:
    from slotwise.fixes.pgbouncer_ini import open_files_needed

    return open_files_needed(sizing)
