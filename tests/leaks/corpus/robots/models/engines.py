import functools
import logging

import sqlalchemy as sa
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import NullPool

from odoo import api, fields, models, tools

_logger = logging.getLogger(__name__)


class Warehouse(models.Model):
    _inherit = "stock.warehouse"

    wms_url = fields.Char()

    def _wms_stock(self):
        engine = create_engine(self.wms_url)  # expect: SW613
        with engine.connect() as conn:
            return conn.execute(text("SELECT sku, qty FROM stock")).fetchall()

    def _wms_stock_ok(self):  # clean
        engine = create_engine(self.wms_url)
        try:
            with engine.connect() as conn:
                return conn.execute(text("SELECT sku, qty FROM stock")).fetchall()
        finally:
            engine.dispose()

    def _wms_count(self):
        engine = sa.create_engine(self.wms_url, poolclass=NullPool)
        conn = engine.connect()  # expect: SW602
        return conn.execute(text("SELECT count(*) FROM stock")).scalar()

    def _wms_nullpool(self):  # clean
        engine = sa.create_engine(self.wms_url, poolclass=NullPool)
        with engine.connect() as conn:
            return conn.execute(text("SELECT count(*) FROM stock")).scalar()

    @functools.lru_cache(maxsize=None)
    def _engine(self, url):
        return create_engine(url, pool_pre_ping=True)  # expect: SW607

    def _wms_orders(self):
        maker = sessionmaker(bind=self._engine(self.wms_url))
        session = maker()  # expect: SW603
        rows = session.execute(text("SELECT * FROM orders")).all()
        session.close()
        return rows

    def _wms_begin(self):
        eng = create_engine(self.wms_url)  # expect: SW603
        with eng.begin() as c:
            c.execute(text("UPDATE stock SET seen = true"))
        eng.dispose(close=True)

    def _wms_pandas(self):
        import pandas as pd

        frame = pd.read_sql("SELECT * FROM stock", create_engine(self.wms_url))  # expect: SW613
        return frame.to_dict("records")

    def _wms_session_block(self):
        engine = create_engine(self.wms_url)  # expect: SW613
        with Session(engine) as session:
            session.execute(text("SELECT 1"))
            session.commit()
