"""What the files may not say: hosts in the lock file, folders of one machine, money as floats."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.tidy import tree

# Spelled in pieces, so that this file does not find itself.
FOLDERS = ("home" + r"/\w", "Users" + r"/\w", "root" + "/", "work" + "/")
MACHINE_FOLDER = re.compile(r"(?<![\w.>}])/(?:" + "|".join(FOLDERS) + ")")
HOST = re.compile(r"https?://|--index-url|--extra-index-url|--find-links", re.IGNORECASE)
BINARY = {".png", ".ico", ".woff2"}

# Where money is named, counted or moved. Waits may be floats; amounts never meet one.
MONEY = ("message", "outcome", "reply", "ledger", "authorize", "accounts", "lookups", "receipt")
AMOUNT = re.compile(r"amount|balance|limit|floor|held|available")
# How long something took may be a float in SQL, if its name says that it is seconds.
SQL_FLOAT = re.compile(r"\b(real|float[48]?|double\s+precision|money)\b", re.IGNORECASE)
SECONDS = re.compile(r"\b\w+_s\s+double precision|extract\(.*\)::double precision")

# Moments that standards and the contract name otherwise, and the argument "at this moment".
MOMENTS = {"not_before", "not_after", "at", "now"}
SQL_MOMENT = re.compile(r"^\s*(?:IN\s+|OUT\s+)?(\w+)\s+timestamptz\b", re.MULTILINE)
PYTHON_MOMENT = re.compile(r"datetime(\.datetime)?( \| None)?")

SQL = tree.with_suffix(".sql", under=tree.PACKAGE)


def sql_code(path: tree.Path) -> str:
    """A file without its comments and its words for people."""
    return re.sub(r"--.*|'[^']*'", "", tree.text(path))


LOCKS = [(tree.ROOT / "requirements.lock", "--hash=sha256:")] + [
    (path, '"integrity": "sha512-') for path in tree.files() if path.name == "package-lock.json"
]


@pytest.mark.parametrize(
    ("path", "pin"), LOCKS, ids=[tree.shown(path).replace("/", "-") for path, _ in LOCKS]
)
def test_a_lock_file_names_no_host(path: tree.Path, pin: str) -> None:
    """Dependencies are pinned by version and hash, wherever a machine gets them from."""
    lock = tree.text(path)
    assert not HOST.search(lock)
    assert pin in lock


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    """No file names a folder of one particular machine."""
    found = [
        f"{tree.shown(path)} names {match.group()!r}"
        for path in tree.files()
        if path.suffix not in BINARY and (match := MACHINE_FOLDER.search(tree.text(path)))
    ]
    assert not found


@pytest.mark.parametrize("name", MONEY)
def test_money_is_never_a_float_in_python(name: str) -> None:
    """Modules that handle amounts divide nothing, round nothing and turn nothing into a float."""
    path = tree.PACKAGE / f"{name}.py"
    found = [
        f"{tree.shown(path)}:{node.lineno}"
        for node in ast.walk(tree.syntax(path))
        if _divides(node) or _makes_a_float(node) or _is_a_float_amount(node)
    ]
    assert not found


def _divides(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)


def _makes_a_float(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) in {"float", "round"}


def _is_a_float_amount(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.AnnAssign)
        and AMOUNT.search(ast.unparse(node.target)) is not None
        and "float" in ast.unparse(node.annotation)
    )


def test_money_is_never_a_float_in_sql() -> None:
    """No column, parameter or cast in SQL is of a floating type, save seconds."""
    found = [
        f"{tree.shown(path)} uses {match.group()!r}"
        for path in SQL
        if (match := SQL_FLOAT.search(SECONDS.sub("", sql_code(path))))
    ]
    assert not found


def test_moments_end_in_at() -> None:
    """A column, parameter, variable or field that is a moment says so at its end."""
    found = [*_moments_in_sql(), *_moments_in_python()]
    assert not [
        f"{tree.shown(path)}: {name}"
        for path, name in found
        if not name.endswith("_at") and name.removeprefix("p_").removeprefix("v_") not in MOMENTS
    ]


def _moments_in_sql() -> Iterator[tuple[tree.Path, str]]:
    for path in SQL:
        for name in SQL_MOMENT.findall(sql_code(path)):
            yield path, name


def _moments_in_python() -> Iterator[tuple[tree.Path, str]]:
    for path in tree.with_suffix(".py", under=tree.PACKAGE):
        for node in ast.walk(tree.syntax(path)):
            if _is_a_moment(node):
                name = node.arg if isinstance(node, ast.arg) else ast.unparse(node.target)
                yield path, name.split(".")[-1]


def _is_a_moment(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.AnnAssign | ast.arg)
        and node.annotation is not None
        and PYTHON_MOMENT.fullmatch(ast.unparse(node.annotation)) is not None
    )
