"""How many connections the memory bears: by measured private memory, and by the guide's rule beside it."""

from __future__ import annotations

from slotwise.capacity.deployment import PostgresServer

MIB = 1024 * 1024
GIB = 1024 * MIB

FRESH_BACKEND_BYTES = int(1.1 * MIB)
"""Private memory of an idle backend that has touched no table. Measured, PostgreSQL 12-18 (docs/model.md, Memory)."""

BYTES_PER_TABLE = 26 * 1024
"""Private memory that each distinct table adds to a backend's caches, kept until it ends. Measured, ibid."""

ASSUMED_TABLES_TOUCHED = 350
"""Tables that a pooled Odoo session has seen, when nobody measured. An assumption: about 10 MB a connection, the
guide's figure; small databases stay near 3 MB, large ones reach 17 MB."""

LISTEN_BACKEND_BYTES = MIB
"""Private memory of a LISTEN session. Measured, ibid."""

SHARED_MEMORY_PER_SLOT_BYTES = 48 * 1024
"""Shared memory that each max_connections slot costs at max_locks_per_transaction = 64 (PostgreSQL 15-18, measured)."""

PAGE_TABLE_BYTES_PER_SHARED_GIB = 2 * MIB
"""Page tables of a backend for each GiB of shared_buffers that it touched: 8 bytes per 4 KiB page. In neither RSS nor
PSS. With huge pages 512 times less."""

TOUCHED_SHARE = 0.25
"""Share of shared_buffers that one backend touches in its life. An assumption."""

USABLE_RAM_SHARE = 0.8
"""Share of RAM that sessions, buffers and sorts may fill together; the rest is the kernel's and the page cache's."""

SHARED_BUFFERS_SHARE = 0.25
"""https://www.postgresql.org/docs/current/runtime-config-resource.html: 25 % of RAM is a reasonable start."""

SORTS_PER_STATEMENT = 3
"""work_mem areas that one active statement uses at once, an upper guess of ordinary Odoo statements (2 to 3)."""

DEFAULT_WORK_MEM_BYTES = 4 * MIB
"""PostgreSQL's default work_mem."""

ODOO_WORKER_BYTES = 325 * MIB
"""Mean of an Odoo worker: 80 % light at 150 MB and 20 % heavy at 1 GB (Odoo documentation, System configuration)."""

GUIDE_BYTES_PER_CONNECTION = 10 * MIB


def shared_buffers_bytes(server: PostgresServer) -> int | None:
    """What is configured, else a quarter of the RAM; None when neither is known."""
    if server.shared_buffers_bytes is not None:
        return server.shared_buffers_bytes
    return None if server.ram_bytes is None else int(server.ram_bytes * SHARED_BUFFERS_SHARE)


def bytes_per_connection(server: PostgresServer) -> int:
    """Memory that one pooled Odoo connection adds: private, page tables and its share of shared memory."""
    tables = ASSUMED_TABLES_TOUCHED if server.tables_touched is None else server.tables_touched
    page_tables = (shared_buffers_bytes(server) or 0) / GIB * PAGE_TABLE_BYTES_PER_SHARED_GIB * TOUCHED_SHARE
    if server.huge_pages:
        page_tables /= 512
    return int(FRESH_BACKEND_BYTES + tables * BYTES_PER_TABLE + page_tables + SHARED_MEMORY_PER_SLOT_BYTES)


def sorting_bytes(server: PostgresServer, active: int) -> int:
    """Memory for the sorts and hashes of ``active`` statements at once."""
    work_mem = DEFAULT_WORK_MEM_BYTES if server.work_mem_bytes is None else server.work_mem_bytes
    return active * work_mem * SORTS_PER_STATEMENT


def most_connections(server: PostgresServer, active: int, odoo_bytes: int = 0) -> int | None:
    """Connections that the RAM bears beside shared_buffers, sorts and Odoo on the same machine. None: RAM unknown."""
    buffers = shared_buffers_bytes(server)
    if server.ram_bytes is None or buffers is None:
        return None
    left = server.ram_bytes * USABLE_RAM_SHARE - buffers - sorting_bytes(server, active) - odoo_bytes
    return max(0, int(left // bytes_per_connection(server)))


def guide_most_connections(ram_bytes: int) -> int:
    """The guide's table: 16 GB bear 200, 64 GB bear 500, straight lines between and beyond, never above 1000."""
    gib = ram_bytes / GIB
    if gib <= 16:
        return int(200 * gib / 16)
    return min(1000, int(200 + (gib - 16) * 300 / 48))
