"""The seeded corpus: each marked line is found, and nothing else."""

import ast
from pathlib import Path

import pytest

from slotwise.leaks.catalogue import catalogue
from tests.leaks import corpus_marks as corpus


@pytest.mark.parametrize("addon", corpus.addons(), ids=lambda path: path.name)
def test_every_seeded_line_is_found_and_no_other(addon: Path) -> None:
    result = corpus.scanned(addon)
    reported = {(leak.path, leak.line, leak.pattern_id) for leak in result.leaks if not leak.possible}
    expected = corpus.expected(addon)
    assert sorted(expected - reported) == [], "missed"
    assert sorted(reported - expected) == [], "false alarms"
    assert result.not_judged == ()


def test_the_corpus_is_as_big_as_promised() -> None:
    wanted, _, _ = corpus.score()
    assert sum(wanted.values()) >= 150
    assert sum(corpus.clean_count(addon) for addon in corpus.addons()) >= 150


def test_every_pattern_has_seeded_lines() -> None:
    wanted, _, _ = corpus.score()
    assert {pattern.id for pattern in catalogue()} <= set(wanted)


def test_a_function_marked_as_clean_holds_no_expectation() -> None:
    for addon in corpus.addons():
        marks = {(path, line) for path, line, _ in corpus.expected(addon)}
        for source in corpus.sources(addon):
            lines = source.data.decode().split("\n")
            for node in ast.walk(ast.parse(source.data)):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and "# clean" in lines[node.lineno - 1]:
                    inside = {(source.path, n) for n in range(node.lineno, (node.end_lineno or 0) + 1)}
                    assert not inside & marks, f"{source.path}:{node.lineno}"
