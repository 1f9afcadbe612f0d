"""The checks: evidence in, findings out. One rule, one file."""
