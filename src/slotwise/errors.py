"""The two kinds of failure a user can meet, and the exit codes that tell them apart (docs/cli.md)."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Process exit codes. They are a public contract for pipelines and monitoring."""

    HEALTHY = 0
    FINDINGS = 1
    USAGE = 2
    UNKNOWN = 3
    BUG = 70
    INTERRUPTED = 130


class OperatorError(Exception):
    """A mistake that the operator can mend: shown as exactly two lines, exit code 2.

    ``problem`` says what is wrong and names the file, field or option; ``remedy`` says what to do about it.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy
