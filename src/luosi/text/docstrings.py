"""The docstrings of Python source, read with `ast` and never imported or run."""

from __future__ import annotations

import ast
import warnings

from luosi.text.streams import Unreadable

_HOLDERS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def docstrings(source: bytes) -> str:
    """All docstrings of a module, cleaned of indentation, in the order they stand in, a blank line between.

    Raises:
        Unreadable: The source is not Python that this interpreter parses.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in other people's source
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Unreadable("not parseable Python", str(error)[:200]) from error
    found: list[str] = []
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, _HOLDERS) and (text := ast.get_docstring(node)):
            found.append(text)
        waiting.extend(reversed([child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr)]))
    return "\n\n".join(found)
