"""Sizes, headers and names: what a reader can rely on in every file."""

import ast
import re

from tests.tidy import tree

FUNCTION_LINES_MAX = 70
FUNCTION_LINES_OF_NINE_IN_TEN = 30
FILE_LINES_MAX = 500
LINE_LENGTH_MAX = 100
FILE_BYTES_MAX = 1024 * 1024

# A comment for a tool may stand beyond the edge, as ruff sees it too.
PRAGMA = re.compile(r"  # (noqa|type: ignore|fmt:).*$")

# Names that say nothing about what is inside.
EMPTY_NAMES = {"util", "utils", "helper", "helpers", "manager", "data", "info", "common", "misc"}
EMPTY_ENDINGS = ("Manager", "Helper", "Helpers", "Utils", "Data", "Info")

# What may stand at the top of a module of the product. `app.command()(f)` and the like only
# register; everything else would be something that happens at import.
DEFINITIONS = (
    ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Assert, ast.If,
    ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef,
)  # fmt: skip
REGISTRATIONS = ("add_typer", "command()", "callback()")

PYTHON = tree.with_suffix(".py")
PRODUCT = tree.with_suffix(".py", under=tree.PACKAGE)
CODE = tree.with_suffix(".py", ".sql")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: tree.Path) -> list[Function]:
    return [node for node in ast.walk(tree.syntax(path)) if isinstance(node, Function)]


def length(function: Function) -> int:
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


def test_a_function_fits_on_a_page() -> None:
    """No function is longer than 70 lines."""
    long = [
        f"{tree.shown(path)}: {function.name} has {length(function)} lines"
        for path in PYTHON
        for function in functions(path)
        if length(function) > FUNCTION_LINES_MAX
    ]
    assert not long


def test_most_functions_of_the_product_are_small() -> None:
    """Nine in ten functions of the product have at most 30 lines."""
    lengths = sorted(length(function) for path in PRODUCT for function in functions(path))
    assert lengths[len(lengths) * 9 // 10] <= FUNCTION_LINES_OF_NINE_IN_TEN


def test_a_file_is_short() -> None:
    """No file of code is longer than 500 lines."""
    counts = {tree.shown(path): len(tree.text(path).splitlines()) for path in CODE}
    assert not {name: count for name, count in counts.items() if count > FILE_LINES_MAX}


def test_a_line_fits_the_screen() -> None:
    """No line of code is longer than 100 characters, holds a tab or ends in blanks."""
    bad = [
        f"{tree.shown(path)}:{number}"
        for path in CODE
        for number, line in enumerate(tree.text(path).splitlines(), 1)
        if len(PRAGMA.sub("", line)) > LINE_LENGTH_MAX or "\t" in line or line != line.rstrip()
    ]
    assert not bad


def test_a_module_opens_by_saying_what_lives_in_it() -> None:
    """Every module has a docstring, save the empty `__init__` of a folder of tests."""
    silent = [
        tree.shown(path)
        for path in PYTHON
        if not ast.get_docstring(tree.syntax(path))
        and (tree.text(path).strip() or path.is_relative_to(tree.PACKAGE))
    ]
    assert not silent


def test_a_test_states_its_promise() -> None:
    """Every test function has a docstring: the promise it holds."""
    silent = [
        f"{tree.shown(path)}: {function.name}"
        for path in tree.with_suffix(".py", under=tree.ROOT / "tests")
        for function in functions(path)
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]
    assert not silent


def test_names_say_something() -> None:
    """No module, folder or class is called utils, helpers, manager, data, info and the like."""
    empty = [
        tree.shown(path)
        for path in CODE
        if EMPTY_NAMES & {part.split(".")[0] for part in path.relative_to(tree.ROOT).parts}
    ]
    empty += [
        f"{tree.shown(path)}: {node.name}"
        for path in PYTHON
        for node in ast.walk(tree.syntax(path))
        if isinstance(node, ast.ClassDef) and node.name.endswith(EMPTY_ENDINGS)
    ]
    assert not empty


def test_nothing_happens_at_import() -> None:
    """A module of the product defines and asserts; by itself it opens and starts nothing."""
    eager = [
        f"{tree.shown(path)}:{node.lineno}"
        for path in PRODUCT
        for node in tree.syntax(path).body
        if not (isinstance(node, DEFINITIONS) or _is_docstring(node) or _registers(node))
    ]
    assert not eager


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _registers(node: ast.stmt) -> bool:
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        return False
    return ast.unparse(node.value.func).endswith(REGISTRATIONS)


def test_no_file_is_huge() -> None:
    """The repository holds text that people read: no file over 1 MiB."""
    assert not [tree.shown(path) for path in tree.files() if path.stat().st_size > FILE_BYTES_MAX]
