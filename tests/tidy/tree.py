"""What the tidy tests look at: the files of the project as they lie on disk, read once."""

import ast
import functools
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "switch"
SQL = PACKAGE / "sql"

# What the other commands make; none of it belongs to the project.
MADE = {"build", "dist", "node_modules", "__pycache__"}
HIDDEN_AND_OURS = {".ci", ".gitignore"}


@functools.cache
def files() -> tuple[Path, ...]:
    """Every file of the project, without what set-up, tests and editors leave behind."""
    return tuple(sorted(_walk(ROOT)))


def _walk(folder: Path) -> Iterator[Path]:
    for entry in os.scandir(folder):
        if not _is_ours(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))
        elif entry.is_file():
            yield Path(entry.path)


def _is_ours(name: str) -> bool:
    if name.startswith("."):
        return name in HIDDEN_AND_OURS
    return name not in MADE and not name.endswith(".egg-info")


def with_suffix(*suffixes: str, under: Path = ROOT) -> list[Path]:
    return [path for path in files() if path.suffix in suffixes and path.is_relative_to(under)]


def shown(path: Path) -> str:
    """A path the way a failure names it."""
    return path.relative_to(ROOT).as_posix()


@functools.cache
def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@functools.cache
def syntax(path: Path) -> ast.Module:
    return ast.parse(text(path), filename=str(path))


def module_name(path: Path) -> str:
    """`switch/services/codes/rules.py` is `switch.services.codes.rules`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> set[str]:
    """The dotted names a file imports, at any depth, relative ones resolved."""
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    names: set[str] = set()
    for node in ast.walk(syntax(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names.update(f"{base}.{alias.name}" for alias in node.names)
    return names
