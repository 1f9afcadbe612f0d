"""The probes of a path, one file each: a file that is dropped in here is found and run by its name.

A probe module has ``NEED`` (slotwise.fixes.path_checks.Need) and ``probe(path) -> Observation``. It opens what it needs
from the path and closes it, leaves nothing behind, and reads no application data. What it does not catch of
PathRefused, NoAnswer, NoRoom, OutOfTime and StatementRefused becomes *unknown* or *broken* in
slotwise.collectors.path_run.
"""
