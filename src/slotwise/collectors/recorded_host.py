"""The operating-system half of a recording: its fields, processes, sockets and memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from slotwise.collectors.memory_maps import parse_smaps_rollup
from slotwise.collectors.process_facts import ProcessFacts
from slotwise.collectors.recording_rows import epoch, integer, text
from slotwise.collectors.tcp_sockets import addresses_in_use, listening, parse_proc_net_tcp
from slotwise.collectors.unix_sockets import parse_proc_net_unix, parse_ss_unix
from slotwise.errors import OperatorError
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.processes import Memory, Sockets, TcpSocket

Row = Mapping[str, object]


class RecordedHost:
    """Reads the fields of one recording. A field of another shape raises OperatorError that names file and field."""

    def __init__(self, document: Mapping[str, object], name: str) -> None:
        self._document = document
        self._name = name
        self._facts = self._process_facts()
        self._tcp = self._tcp_sockets()
        self._unix_listening = parse_proc_net_unix(self._text("proc_net_unix") or "")
        self._version = self._odoo_version()

    def _wrong(self, key: str, wanted: str) -> OperatorError:
        problem = f"{self._name}: field {key} is not {wanted}"
        return OperatorError(problem, "record the host again; the file was edited or is damaged")

    def _rows(self, key: str) -> Sequence[Row] | None:
        value = self._document.get(key)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            raise self._wrong(key, "a list of rows")
        return value

    def _text(self, key: str) -> str | None:
        value = self._document.get(key)
        if value is not None and not isinstance(value, str):
            raise self._wrong(key, "a text")
        return value

    def _gap(self, key: str) -> Unavailable:
        return Unavailable(key, f"not in the recording {self._name}", f"record the host again with {key}")

    def _odoo_version(self) -> str | None:
        value = self._document.get("odoo_version")
        shown = str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""
        return (shown if "." in shown else f"{shown}.0") if shown else None

    def _process_facts(self) -> tuple[ProcessFacts, ...] | None:
        rows = self._rows("processes")
        if rows is None:
            return None
        return tuple(facts for row in rows if (facts := self._facts_of(row)) is not None)

    def _facts_of(self, row: Row) -> ProcessFacts | None:
        pid = integer(row, "pid")
        if pid is None:
            return None
        arguments = row.get("cmdline")
        given = arguments.split() if isinstance(arguments, str) else arguments if isinstance(arguments, list) else []
        environment = row.get("environ")
        names = environment if isinstance(environment, dict) else None
        return ProcessFacts(
            pid=pid,
            ppid=integer(row, "ppid") or 0,
            arguments=tuple(str(a) for a in given),
            command=_status_name(text(row, "status") or "") or text(row, "name") or "",
            user=text(row, "username"),
            started_at=epoch(row, "create_time"),
            inodes=_inodes(row.get("sockets")),
            container=row.get("container") is True,
            cwd=text(row, "cwd"),
            environment={str(k): str(v) for k, v in names.items()} if names is not None else None,
        )

    def _tcp_sockets(self) -> tuple[TcpSocket, ...] | None:
        texts = [self._text("proc_net_tcp"), self._text("proc_net_tcp6")]
        if all(t is None for t in texts):
            return None
        return tuple(s for t in texts if t for s in parse_proc_net_tcp(t, "little"))

    def _sockets(self) -> Sockets | Unavailable:
        unix = self._text("ss_unix")
        if self._tcp is None and unix is None:
            return self._gap("proc_net_tcp")
        tcp = self._tcp or ()
        return Sockets(
            tcp=tcp,
            unix=parse_ss_unix(unix or ""),
            unix_peers=unix is not None,
            local_addresses=addresses_in_use(tcp),
            source=f"proc_net_tcp and ss_unix of {self._name}",
        )

    def _memory(self) -> Memory | Unavailable:
        rows = self._rows("processes")
        if rows is None:
            return self._gap("processes")
        found = [
            parse_smaps_rollup(pid, rollup)
            for row in rows
            if (pid := integer(row, "pid")) is not None and (rollup := text(row, "smaps_rollup"))
        ]
        known = tuple(m for m in found if m is not None)
        return Memory(known, f"smaps_rollup of {self._name}") if known else self._gap("smaps_rollup")

    def _ports(self) -> dict[int, int]:
        return listening(self._tcp or ())

    def _host(self) -> str:
        host = self._document.get("host")
        return host if isinstance(host, str) and host else "recorded host"


def _status_name(status: str) -> str:
    """The kernel's name of a process, from the text of /proc/PID/status."""
    first = status.split("\n", 1)[0]
    return first.partition(":")[2].strip() if first.startswith("Name:") else ""


def _inodes(sockets: object) -> tuple[int, ...] | None:
    """Inodes from `socket:[123]` links or plain numbers; None where the recorder could not read them."""
    if not isinstance(sockets, list):
        return None
    texts = (str(s).removeprefix("socket:[").removesuffix("]") for s in sockets)
    return tuple(int(t) for t in texts if t.isdecimal())
