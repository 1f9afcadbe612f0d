import select

import psycopg2
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT


class Listener:
    def __init__(self, dsn):  # clean
        self.conn = psycopg2.connect(dsn)
        self.conn.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
        self.pid = None

    def start(self):
        cur = self.conn.cursor()
        cur.execute("LISTEN jobs")  # expect: SW701
        cur.execute("SELECT pg_backend_pid()")  # expect: SW707
        self.pid = cur.fetchone()[0]

    def loop(self):  # clean
        while True:
            select.select([self.conn], [], [], 60)
            self.conn.poll()
            self.conn.notifies.clear()

    def close(self):  # clean
        self.conn.close()


def run_forever(dsn):
    conn = psycopg2.connect(dsn)  # expect: SW602
    with conn.cursor() as cr:
        cr.execute("listen imbus")  # expect: SW701
        conn.commit()
        while True:
            select.select([conn], [], [], 50)
            conn.poll()
