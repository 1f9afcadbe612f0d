"""slotwise: how many PostgreSQL connection slots an Odoo installation needs, who holds them, and what to change."""

__version__ = "0.1.0"
