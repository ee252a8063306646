"""SQL files: one function a file with a full header, definer functions with a fixed search path."""

import re

import pytest

from tests.tidy import tree

HEADER_WORDS = ("purpose", "parameters", "returns", "locks", "tables")
CREATES = re.compile(r"^\s*CREATE\s+(?:OR\s+REPLACE\s+)?FUNCTION\s+([\w.]+)", re.I | re.M)
TAKES_NOTHING = re.compile(r"FUNCTION\s+[\w.]+\s*\(\s*(OUT\b[^)]*)?\)", re.I)
RETURNS_TRIGGER = re.compile(r"FUNCTION\s+[\w.]+\(\)\s+RETURNS\s+trigger\b", re.I)
STATEMENT = re.compile(
    r"\b(SELECT\s.+\sFROM\s|INSERT\s+INTO\s|UPDATE\s+[\w.]+\s+SET\s|DELETE\s+FROM\s)"
)

FILES = tree.with_suffix(".sql", under=tree.PACKAGE)  # of the ledger, and of services
FUNCTIONS = [path for path in FILES if path.parent.name == "functions"]
ELSEWHERE = [path for path in FILES if path not in FUNCTIONS]


def header(path: tree.Path) -> str:
    """The comment a file opens with, in lower case."""
    lines = tree.text(path).splitlines()
    end = next((n for n, line in enumerate(lines) if not line.startswith("--")), len(lines))
    return "\n".join(lines[:end]).lower()


def test_there_are_functions() -> None:
    """The rules below are about something."""
    assert FUNCTIONS


@pytest.mark.parametrize("word", HEADER_WORDS)
def test_a_function_file_says_what_it_does(word: str) -> None:
    """Every header names purpose, parameters if there are any, returns, locks and tables."""
    silent = [
        tree.shown(path)
        for path in FUNCTIONS
        if not re.search(rf"^--\s*{word}\b", header(path), re.MULTILINE)
        and not (word == "parameters" and TAKES_NOTHING.search(tree.text(path)))
    ]
    assert not silent


def test_a_file_holds_one_function_and_bears_its_name() -> None:
    """A reader finds a function by the name of its file."""
    for path in FUNCTIONS:
        names = {name.split(".")[-1] for name in CREATES.findall(tree.text(path))}
        assert names == {path.stem}, f"{tree.shown(path)} creates {sorted(names)}"


def test_a_definer_function_fixes_its_search_path() -> None:
    """Whoever calls a function that runs as its owner cannot put a table of his own in its way."""
    for path in FUNCTIONS:
        code = tree.text(path).upper()
        fixed = len(re.findall(r"SET\s+SEARCH_PATH", code))
        assert fixed >= code.count("SECURITY DEFINER"), tree.shown(path)


def test_functions_lie_in_their_folder_only() -> None:
    """Schema and migrations make tables; of functions only those that their triggers need."""
    for path in ELSEWHERE:
        made, needed = (rule.findall(tree.text(path)) for rule in (CREATES, RETURNS_TRIGGER))
        assert len(made) == len(needed), f"{tree.shown(path)} creates {made}"


def test_no_statement_stands_in_python() -> None:
    """Statements live in .sql files; only what finds out whether there is a ledger cannot."""
    found = [
        f"{tree.shown(path)}:{number}: {line.strip()}"
        for path in tree.with_suffix(".py", under=tree.PACKAGE)
        if path.name != "migrate.py"
        for number, line in enumerate(tree.text(path).splitlines(), 1)
        if STATEMENT.search(line)
    ]
    assert not found
