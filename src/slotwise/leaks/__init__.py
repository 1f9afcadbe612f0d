"""The source: addon source text in, findings out. One pattern, one file."""

from slotwise.leaks.catalogue import catalogue

__all__ = ["catalogue"]
