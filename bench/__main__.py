"""``python -m bench [--publish] [--minutes N] [NAME...]`` runs the benches of this folder, all of them without a name.

A bench that has ``ONLY_BY_NAME`` takes long and runs only where it is named; ``--minutes`` is for the soak.
``--publish`` writes each table to ``bench/results``, for the README: only on a machine that does nothing else.
"""

from __future__ import annotations

import pkgutil
import sys
from importlib import import_module

import bench
from bench import soak
from bench._table import publish


def run(arguments: list[str]) -> int:
    """1 where a bench misses a target, 2 for a name that is none."""
    names = [a for a in arguments if a != "--publish"]
    if "--minutes" in names:
        at = names.index("--minutes")
        soak.minutes = float(names[at + 1])
        del names[at : at + 2]
    there = sorted(m.name for m in pkgutil.iter_modules(bench.__path__) if not m.name.startswith("_"))
    unknown = [name for name in names if name not in there]
    if unknown:
        print(f"error: no bench is called {unknown[0]}", file=sys.stderr)
        print(f"  do: choose from {', '.join(there)}", file=sys.stderr)
        return 2
    missed = False
    for name in names or there:
        module = import_module(f"bench.{name}")
        if not names and getattr(module, "ONLY_BY_NAME", False):
            continue
        print(f"== {name}", flush=True)
        table = module.main()
        missed = missed or table.missed
        if "--publish" in arguments:
            publish(name, table)
    return int(missed)


if __name__ == "__main__":
    raise SystemExit(run(sys.argv[1:]))
