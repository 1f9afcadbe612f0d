"""Names of callables that everybody knows, and what they do with a connection that they are given."""

from __future__ import annotations

THREADS = frozenset({"Thread", "Timer", "Process", "submit", "start_new_thread", "apply_async", "run_in_executor"})
ENTERING = frozenset({"enter_context", "enter_async_context", "enterContext", "enterClassContext", "push"})
DERIVING = frozenset({"Environment", "with_env", "with_cr", "env"})
CONTAINING = frozenset({"append", "add", "insert", "appendleft", "put", "extend", "update", "setdefault"})
# Methods and functions that give what a container holds.
CONTENTS = frozenset({"values", "items", "pop", "popitem", "popleft", "pop_all"})
SAME_CONTENTS = frozenset({"list", "tuple", "set", "reversed", "sorted", "iter", "enumerate", "zip", "dict", "filter"})
REGISTERING = frozenset({"add", "append", "register", "addCleanup", "addClassCleanup", "callback", "addfinalizer"})
# Functions whose result, once awaited, is that of what they are given; and those that call it in a thread first
# (with its place among the arguments).
SAME_RESULT = frozenset({"wait_for", "shield", "ensure_future", "create_task"})
AWAITED_IN_THREAD = {"run_in_executor": 1, "to_thread": 0, "sync_to_async": 0}
INNER_NAMES = frozenset({"cr", "_cr", "env", "conn", "_conn", "connection", "_connection", "cursor", "raw"})
# Calls that do not fail in practice: a report about them would be right in theory and noise on a desk.
CALM = frozenset(
    "append add extend debug info warning error exception critical log print len isinstance hasattr str bool list "  # noqa: SIM905
    "dict set tuple format join strip Environment rollback set_isolation_level set_session set_client_encoding Thread "
    "Timer super time now suppress nullcontext ExitStack AsyncExitStack perf_counter monotonic closing callback "
    "addCleanup addClassCleanup keys items values range enumerate zip clear env with_env with_context sudo getLogger "
    "mute_logger enter_context enter_async_context enterContext enterClassContext push gather wait_for shield "
    "ensure_future create_task close closeall dispose terminate putconn release disconnect __enter__ __aenter__ "
    "sessionmaker scoped_session".split()
)
REQUEST_CURSORS = frozenset({"self.env.cr", "self._cr", "request.env.cr", "request.cr"})
