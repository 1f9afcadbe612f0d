"""``python -m bench [--publish] [NAME...]`` runs the benches of this folder, all of them without a name.

``--publish`` writes each table to ``bench/results``, for the README: only on a machine that does nothing else.
"""

from __future__ import annotations

import pkgutil
import sys
from importlib import import_module

import bench
from bench._table import publish


def run(arguments: list[str]) -> int:
    """1 where a bench misses a target, 2 for a name that is none."""
    names = [a for a in arguments if a != "--publish"]
    there = sorted(m.name for m in pkgutil.iter_modules(bench.__path__) if not m.name.startswith("_"))
    unknown = [name for name in names if name not in there]
    if unknown:
        print(f"error: no bench is called {unknown[0]}", file=sys.stderr)
        print(f"  do: choose from {', '.join(there)}", file=sys.stderr)
        return 2
    missed = False
    for name in names or there:
        print(f"== {name}", flush=True)
        table = import_module(f"bench.{name}").main()
        missed = missed or table.missed
        if "--publish" in arguments:
            publish(name, table)
    return int(missed)


if __name__ == "__main__":
    raise SystemExit(run(sys.argv[1:]))
