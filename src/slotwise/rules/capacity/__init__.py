"""Rules about capacity evidence. Dropping a file in registers it."""
