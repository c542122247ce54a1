"""Luosi: your text, your questions and a budget in; the cheapest route to a model that answers them out, served, proved and billed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from luosi.api import Workspace

__all__ = ["Workspace"]


def __getattr__(name: str) -> object:
    """Import `Workspace` on first use: a child process of one room need not load them all."""
    if name == "Workspace":
        from luosi.api import Workspace

        return Workspace
    raise AttributeError(f"module luosi has no attribute {name!r}")
