#!/bin/sh
# Makes .venv with slotwise in it. Usage: tools/setup.sh EXTRA (demo, dev, bench). Idempotent; repeats only when pyproject.toml changed.
set -eu
cd "$(dirname "$0")/.."
extra=${1:-dev}
stamp=.venv/.slotwise-$extra
python=${PYTHON:-python3}
say() { printf '%s\n' "$*" >&2; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else say "error: need root to run: $*"; say "  do: run that command as root, then this again"; exit 2; fi; }

command -v "$python" >/dev/null || { as_root apt-get update -q >&2; as_root apt-get install -y -q python3 python3-venv >&2; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { say "error: Python 3.10 or newer is needed, $python is $("$python" -V)"; say "  do: PYTHON=python3.12 make ..."; exit 2; }

if [ "$extra" = dev ] || [ "$extra" = bench ]; then
  missing=
  [ -x /usr/lib/postgresql/15/bin/postgres ] || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$missing postgresql"
  command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ] || missing="$missing pgbouncer"
  # The plan page and the web page are tested as a browser shows them.
  command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing="$missing chromium"
  if [ -n "$missing" ]; then
    say "installing$missing (apt)"
    as_root apt-get update -q >&2
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive as_root apt-get install -y -q --no-install-recommends $missing >&2
  fi
fi

if [ ! -x .venv/bin/python ]; then
  "$python" -m venv .venv 2>/dev/null || {
    rm -rf .venv
    as_root apt-get update -q >&2
    as_root apt-get install -y -q python3-venv >&2
    "$python" -m venv .venv
  }
fi
if [ ! -f "$stamp" ] || [ pyproject.toml -nt "$stamp" ]; then
  say "setting up .venv ($extra)"
  .venv/bin/python -m pip install -q --disable-pip-version-check -e ".[$extra]" >&2
  touch "$stamp"
fi

# Pages are tested with axe-core (MPL-2.0), which this package carries; the driver that it would install is not needed.
if [ "$extra" = dev ] && ! ls .venv/lib/python3*/site-packages/axe_playwright_python/axe.min.js >/dev/null 2>&1; then
  .venv/bin/python -m pip install -q --disable-pip-version-check --no-deps "axe-playwright-python>=0.1.8" >&2
fi

# What `slotwise alerts` writes is tested with promtool and amtool; they are taken out of Debian's packages, so that no
# server is installed.
tool_of() {
  [ ! -x ".venv/bin/$1" ] && ! command -v "$1" >/dev/null || return 0
  say "fetching $1 (apt)"
  fetched=$(mktemp -d)
  chmod 755 "$fetched"
  (cd "$fetched" && { apt-get download -q "$2" >&2 || { as_root apt-get update -q >&2 && apt-get download -q "$2" >&2; }; })
  dpkg-deb --fsys-tarfile "$fetched/$2"_*.deb | tar -x -O "./usr/bin/$1" > ".venv/bin/$1.new"
  chmod 755 ".venv/bin/$1.new" && mv ".venv/bin/$1.new" ".venv/bin/$1"
  rm -rf "$fetched"
}
if [ "$extra" = dev ]; then
  tool_of promtool prometheus
  tool_of amtool prometheus-alertmanager
fi

# The tests run against the newest PgBouncer too; it stays in .venv and nothing of the system is changed.
if { [ "$extra" = dev ] || [ "$extra" = bench ]; } && ! ls .venv/pgbouncer/*/pgbouncer >/dev/null 2>&1; then
  say "fetching the newest PgBouncer (apt)"
  .venv/bin/python tools/newest_pgbouncer.py .venv/pgbouncer >&2
fi
