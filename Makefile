.PHONY: demo test bench matrix docs lint types contracts setup clean

setup:
	@tools/setup.sh dev

demo:  ## rehearse an incident on an embedded PostgreSQL
	@tools/setup.sh demo
	@.venv/bin/slotwise demo

test: setup lint types contracts  ## every check and every test
	.venv/bin/python -m pytest

lint:
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types:
	.venv/bin/mypy

contracts:
	.venv/bin/lint-imports

bench:  ## each figure beside the peer, in one run
	@tools/setup.sh bench
	.venv/bin/python -m bench

matrix: setup  ## fix, apply, verify, doctor: every sick start on every PostgreSQL and PgBouncer (ten minutes)
	.venv/bin/python -m bench fix

docs: setup  ## regenerate docs/rules, docs/cli.md and the README blocks
	.venv/bin/python tools/rule_pages.py
	.venv/bin/python tools/cli_pages.py
	.venv/bin/python tools/readme_blocks.py

clean:
	rm -rf .venv .mypy_cache .ruff_cache .import_linter_cache
