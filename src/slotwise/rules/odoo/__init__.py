"""Rules about Odoo evidence. Dropping a file in registers it."""
