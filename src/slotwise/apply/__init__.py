"""The hand: backup, write, reload, verify, roll back, journal."""
