"""Turns that are being answered, by their battle: one at a time, whatever page asked; a page that was reloaded finds its own again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

from luosi.serve.battles import Answer, Battle, Side
from luosi.serve.duel import Duel, Shown

_running: dict[int, Running] = {}


def running(battle: Battle | None) -> Running | None:
    """The turn of this battle that is being answered, if there is one."""
    return _running.get(battle.id) if battle else None


class Running:
    """One turn, and the pages that watch it; it begins at once and stops when none is left.

    Args:
        battle: Its battle, of which no other turn is being answered.
        keep: Stores the answers, whoever still watches, and gives the battle with them.
    """

    def __init__(self, battle: Battle, duel: Duel, keep: Callable[[dict[Side, Answer]], Awaitable[Battle]]) -> None:
        assert running(battle) is None, "pages look before they ask"
        self._battle, self._duel, self._keep = battle, duel, keep
        self._pages: dict[object, Callable[[Shown], None]] = {}
        self._shown: Shown = {}
        _running[battle.id] = self
        self._task = asyncio.create_task(self._run())

    async def watch(self, page: object, show: Callable[[Shown], None]) -> Battle:
        """Show this page what both say; the battle when both have ended. Raises Unreadable: the answers could not be kept."""
        self._pages[page] = show
        show(self._shown)
        return cast(Battle, await asyncio.shield(self._task))

    def leave(self, page: object) -> None:
        """The page is gone for good."""
        if self._pages.pop(page, None) and not self._pages:
            self.stop()

    def stop(self) -> None:
        """End both sides, wherever they are."""
        self._duel.stop()

    async def _run(self) -> Battle:
        try:
            return await self._keep(await self._duel.run(self._show))
        finally:
            del _running[self._battle.id]

    def _show(self, shown: Shown) -> None:
        self._shown = shown
        for show in self._pages.values():
            show(shown)
