"""The terminal face: arguments and exit codes. No decisions."""
