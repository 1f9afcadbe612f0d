"""``python -m bench [NAME...]`` runs the benches of this folder, all of them without a name."""

from __future__ import annotations

import pkgutil
import sys
from importlib import import_module

import bench


def run(names: list[str]) -> int:
    there = sorted(m.name for m in pkgutil.iter_modules(bench.__path__) if not m.name.startswith("_"))
    unknown = [name for name in names if name not in there]
    if unknown:
        print(f"error: no bench is called {unknown[0]}", file=sys.stderr)
        print(f"  do: choose from {', '.join(there)}", file=sys.stderr)
        return 2
    for name in names or there:
        print(f"== {name}", flush=True)
        import_module(f"bench.{name}").main()
    return 0


if __name__ == "__main__":
    raise SystemExit(run(sys.argv[1:]))
