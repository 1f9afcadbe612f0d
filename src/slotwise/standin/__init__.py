"""The double: processes that take connections exactly as Odoo does."""
