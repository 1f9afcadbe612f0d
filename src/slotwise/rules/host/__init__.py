"""Rules about host evidence. Dropping a file in registers it."""
