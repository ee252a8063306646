"""Limits: each name stands once, or the second would silently undo the first."""

import ast
from collections import Counter

from tests.tidy import tree


def test_a_limit_is_named_once() -> None:
    """No two limits share a name."""
    names = [
        target.id
        for node in tree.syntax(tree.PACKAGE / "limits.py").body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    assert not [name for name, count in Counter(names).items() if count > 1]
