"""The inside of every stand-in process: takes orders from a pipe, answers when their effect is there."""

from __future__ import annotations

import os
import select
from collections import Counter

import msgspec

from slotwise.standin import messages, statements
from slotwise.standin.connection import OperationalError, ServerConnection, StatementError
from slotwise.standin.flows import REQUESTS, Flow, poll_jobs, scheduled_action, statements_for, websocket_cursor
from slotwise.standin.messages import Answer, Order, StandinRole
from slotwise.standin.pool import PoolFull
from slotwise.standin.runtime import Cursor, Runtime

_MOST_BYTES = 1 << 16


class Lines:
    """Splits what arrives on a file descriptor into lines."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._rest = b""

    def read(self) -> list[bytes] | None:
        """The lines that are complete now; None at the end of the stream. Blocks when nothing has arrived."""
        chunk = os.read(self.fd, _MOST_BYTES)
        if not chunk:
            return None
        *complete, self._rest = (self._rest + chunk).split(b"\n")
        return complete


def write_line(fd: int, line: bytes) -> None:
    """Write a whole line. Raises BrokenPipeError when nobody is left to read it."""
    left = line + b"\n"
    while left:
        left = left[os.write(fd, left) :]


class StandinProcess:
    """One process: what it holds, and the loop that serves its orders and its notifications until the pipe ends."""

    def __init__(self, runtime: Runtime, role: StandinRole, orders_fd: int, reports_fd: int) -> None:
        self.runtime = runtime
        self._role: StandinRole = role
        self._orders = Lines(orders_fd)
        self._reports_fd = reports_fd
        self._held: dict[int, list[Flow]] = {}
        self._held_count = 0
        self._listening: dict[str, list[ServerConnection]] = {"cron_trigger": [], "imbus": [], "queue_job": []}
        self._forgotten: list[Cursor | ServerConnection] = []
        self._websockets: Counter[str] = Counter()
        self._notifications: Counter[str] = Counter()

    def listen(self, channel: str) -> None:
        """LISTEN as cron workers and the bus do: a borrowed connection to ``postgres`` that is never given back.

        On a server in recovery nothing is listened to, but the connection is held all the same.
        """
        cursor = self.runtime.cursor("postgres")
        if channel == "cron_trigger":
            recovering = cursor.execute(statements.IN_RECOVERY) == [("t",)]
            if not recovering:
                cursor.execute(statements.LISTEN_CRON)
        else:
            cursor.execute(statements.LISTEN_BUS)
        cursor.commit()
        self._forgotten.append(cursor)
        self._listening[channel].append(cursor.connection)

    def listen_for_queue_jobs(self, databases: list[str]) -> None:
        """A session for each database, outside the pool (OCA queue_job, jobrunner/runner.py ``Database``)."""
        for database in databases:
            connection = ServerConnection(self.runtime.connection_parameters(database))
            connection.autocommit = True
            connection.execute("LISTEN queue_job")
            # The runner then reads the jobs through a cursor WITH HOLD; its CLOSE is what the server shows afterwards.
            connection.execute('DECLARE "select_jobs" CURSOR WITH HOLD FOR SELECT 1')
            connection.execute('CLOSE "select_jobs"')
            self._listening["queue_job"].append(connection)

    def hold_shell(self, database: str) -> None:
        """``odoo-bin shell``: 17 and 18 leave the prompt inside a transaction, 19 rolls back first."""
        cursor = self.runtime.registry(database).cursor()
        cursor.execute(statements_for(self.runtime).read)
        if self.runtime.version >= 19:
            cursor.rollback()
        self._forgotten.append(cursor)

    def report(self, report: messages.Report) -> None:
        """Tell the parent."""
        write_line(self._reports_fd, messages.to_line(os.getpid(), report))

    def run(self) -> None:
        """Serve until the pipe of orders ends."""
        self.report(messages.Alive(self._role))
        decoder = msgspec.json.Decoder(Order)
        while True:
            sockets = {connection.fileno(): name for name, held in self._listening.items() for connection in held}
            ready, _, _ = select.select([self._orders.fd, *sockets], [], [])
            for fd in ready:
                if fd != self._orders.fd:
                    self._take_notifications(sockets[fd])
                    continue
                lines = self._orders.read()
                if lines is None:
                    return
                for line in lines:
                    self.report(self.obey(decoder.decode(messages.split_line(line)[1])))

    def obey(self, order: Order) -> Answer:
        """Do what an order says."""
        try:
            return self._obey(order.number, order.command)
        except OperationalError as error:
            self.runtime.log.request_failed(self.runtime.version, str(error))
            return Answer(number=order.number, error=str(error), error_kind="refused")
        except PoolFull as error:
            self.runtime.log.pool_full(str(error))
            return Answer(number=order.number, error=str(error), error_kind="pool_full")
        except StatementError as error:
            return Answer(number=order.number, error=str(error), error_kind="statement")

    def _obey(self, number: int, command: messages.Command) -> Answer:
        runtime = self.runtime
        held: int | None = None
        condition: messages.Condition | None = None
        match command:
            case messages.Begin(kind, database, options):
                held = self._hold([REQUESTS[kind](runtime, database, options)])
            case messages.BeginAction(database, running):
                held = self._hold([scheduled_action(runtime, database, running)])
            case messages.BeginDelivery(database):
                held = self._deliver(database)
            case messages.End(ended):
                for flow in self._held.pop(ended, []):
                    for _ in flow:
                        pass
            case messages.Poll():
                poll_jobs(runtime)
            case messages.OpenWebsocket(database):
                self._open_websocket(database)
            case messages.Leak(database, cursors, raw):
                self._leak(database, cursors, raw)
            case messages.LoadRegistry(database):
                runtime.registry(database)
            case messages.PutClockForward(seconds):
                runtime.seconds_ahead += seconds
            case messages.Ask():
                condition = self._condition()
        return Answer(number=number, held=held, condition=condition)

    def _hold(self, flows: list[Flow]) -> int | None:
        """Run each flow to its ``yield``. If one fails, the others are undone and the error is raised."""
        begun: list[Flow] = []
        try:
            for flow in flows:
                if _began(flow):
                    begun.append(flow)
        except (OperationalError, PoolFull, StatementError):
            for flow in begun:
                flow.close()
            raise
        if not begun:
            return None
        self._held_count += 1
        self._held[self._held_count] = begun
        return self._held_count

    def _deliver(self, database: str) -> int | None:
        """A cursor for each websocket, as far as the pool goes: the others try again later (bus/websocket.py)."""
        begun = []
        for _ in range(self._websockets[database]):
            flow = websocket_cursor(self.runtime, database)
            try:
                next(flow)
            except PoolFull:
                break
            begun.append(flow)
        self._held_count += 1
        self._held[self._held_count] = begun
        return self._held_count

    def _open_websocket(self, database: str) -> None:
        for _ in websocket_cursor(self.runtime, database):
            pass
        if not self._listening["imbus"]:
            self.listen("imbus")
        self._websockets[database] += 1

    def _leak(self, database: str, cursors: int, raw: int) -> None:
        texts = statements_for(self.runtime)
        for _ in range(cursors):
            cursor = self.runtime.registry(database).cursor()
            self._forgotten.append(cursor)
            cursor.execute(texts.read)
        for _ in range(raw):
            connection = self.runtime.raw_connection(database)
            self._forgotten.append(connection)
            connection.execute(texts.raw)

    def _take_notifications(self, channel: str) -> None:
        """Read what has arrived.

        When the server has ended the session, a cron worker ends too and is replaced; a cron thread (17, 18) and the
        bus just hear nothing any more (odoo/service/server.py 18.0:474, 1246-1255; bus.py sleeps 50 s first).
        """
        for connection in self._listening[channel].copy():
            try:
                arrived = connection.notifications()
            except OperationalError:
                self._listening[channel].remove(connection)
                if self._role == "cron_worker":
                    raise
                continue
            self._notifications.update(arrived)
            if arrived and channel == "cron_trigger":
                self._poll_after_trigger()

    def _poll_after_trigger(self) -> None:
        try:
            poll_jobs(self.runtime)
        except (OperationalError, PoolFull, StatementError) as error:
            self.runtime.log.line("WARNING", None, "odoo.addons.base.models.ir_cron", f"Exception in cron: \n{error}\n")

    def _condition(self) -> messages.Condition:
        runtime = self.runtime
        return messages.Condition(
            pool_used=runtime.pool.used,
            pool_count=runtime.pool.count,
            read_only_count=runtime.read_only_pool.count,
            held=len(self._held),
            websockets=sum(self._websockets.values()),
            notifications=dict(self._notifications),
        )


def _began(flow: Flow) -> bool:
    """Run a flow to its ``yield``; False when it ended instead."""
    for _ in flow:
        return True
    return False
