"""The fastest way to lay a training run out over its devices: every configuration is looked at, in arrays, and the best that fit are kept.

Made from an architecture, a chip and what is asked (a field that is None is open). The optimum is that of an exhaustive search: memory is
computed for every configuration, time for those that fit, except where the same configuration with less recomputation fits too and is
therefore at least as fast. Knows no correction by published runs and no money.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from luosi.estimate.architecture import Architecture
from luosi.estimate.chips import Chip
from luosi.estimate.training.layouts import Asked, Layout, layouts, micro_batches, shardings, virtual_stages
from luosi.estimate.training.memory import bytes_per_device
from luosi.estimate.training.physics import DEFAULT, Constants, Runs, step_time

CHUNK = 8192
"""Configurations that are computed at once: their arrays stay in the processor's cache."""
USABLE = 0.96
"""Share of a device's memory that a run may plan to fill: what drivers and fragmentation leave."""
RECOMPUTE = (0, 1, 2)
COLUMNS = ("tp", "pp", "dp", "cp", "ep", "micro_batch", "virtual_stages", "zero")


@dataclass(frozen=True)
class Configuration:
    """One way to lay the run out, its uncorrected step time and its memory."""

    tp: int
    pp: int
    dp: int
    cp: int
    ep: int
    micro_batch: int
    virtual_stages: int
    zero: int
    recompute: int
    seconds: float
    """Of one step; inf where it was not computed because it does not fit."""
    memory_bytes: float
    """Of the fullest device."""

    def runs(self, asked: Asked) -> Runs:
        """As the closed forms take it, one configuration long."""
        settings = {name: getattr(self, name) for name in (*COLUMNS, "recompute")}
        return replace(_common(asked), **settings)


@dataclass(frozen=True)
class Found:
    """What the search saw."""

    best: tuple[Configuration, ...]
    """The fastest that fit, fastest first, at most one for each (tp, pp, cp, ep)."""
    nearest: Configuration
    """The one that needs the least memory, whether it fits or not."""
    looked_at: int
    fitting: int


def search(arch: Architecture, chip: Chip, asked: Asked, *, constants: Constants = DEFAULT, keep: int = 5) -> Found:
    """Look at every configuration.

    Args:
        constants: Of the closed forms; those that were fitted to published runs are `predict.fitted().constants`.
        keep: So many of the best.

    Raises:
        UsageError: The fields that are given exclude one another; the message says which product does not divide what.
    """
    room = usable_bytes(chip)
    levels = RECOMPUTE if asked.recompute is None else (asked.recompute,)
    best: dict[tuple[int, ...], Configuration] = {}
    nearest: Configuration | None = None
    looked_at = fitting = 0
    for table in tables(arch, asked):
        run = runs_of(asked, table)
        memory = np.stack([bytes_per_device(arch, chip, replace(run, recompute=level)).total for level in levels])
        looked_at += memory.size
        fits = memory <= room
        fitting += int(fits.sum())
        least = np.unravel_index(int(memory.argmin()), memory.shape)
        if nearest is None or memory[least] < nearest.memory_bytes:
            nearest = _configuration(table[:, least[1]], levels[int(least[0])], float("inf"), float(memory[least]))
        some = fits.any(axis=0)
        if not some.any():
            continue
        table, first, memory = table[:, some], fits.argmax(axis=0)[some], memory[:, some]
        recompute = np.asarray(levels, dtype=np.float64)[first]
        seconds = step_time(arch, chip, replace(runs_of(asked, table), recompute=recompute), constants).total
        _take(best, table, first, recompute, seconds, memory, keep)
    assert nearest is not None, "layouts() refuses an empty space"
    order = sorted(best.values(), key=lambda one: one.seconds)
    return Found(tuple(order[:keep]), nearest, looked_at, fitting)


def usable_bytes(chip: Chip) -> float:
    """Of a device's memory, what a run may plan to fill."""
    return chip.memory_gb * 1e9 * USABLE


def _take(
    best: dict[tuple[int, ...], Configuration],
    table: NDArray[np.int64],
    level: NDArray[np.int64],
    recompute: NDArray[np.float64],
    seconds: NDArray[np.float64],
    memory: NDArray[np.float64],
    keep: int,
) -> None:
    """Keep the fastest of each layout that is faster than the `keep`-th so far."""
    bar = sorted(one.seconds for one in best.values())[keep - 1] if len(best) >= keep else np.inf
    order = np.argsort(seconds, kind="stable")
    seen: set[tuple[int, ...]] = set()
    for place in order:
        if seconds[place] >= bar or len(seen) == keep:
            break
        column = table[:, place]
        layout = (int(column[0]), int(column[1]), int(column[3]), int(column[4]))
        if layout in seen:
            continue
        seen.add(layout)
        if layout not in best or seconds[place] < best[layout].seconds:
            best[layout] = _configuration(
                column, int(recompute[place]), float(seconds[place]), float(memory[level[place], place])
            )


def _configuration(column: NDArray[np.int64], recompute: int, seconds: float, memory: float) -> Configuration:
    settings = dict(zip(COLUMNS, (int(value) for value in column), strict=True))
    return Configuration(**settings, recompute=recompute, seconds=seconds, memory_bytes=memory)


def _common(asked: Asked) -> Runs:
    return Runs(
        devices=asked.devices,
        precision=asked.precision,
        sequence=asked.sequence,
        global_batch=asked.global_batch,
        causal=asked.causal,
        lora=asked.lora,
    )


def runs_of(asked: Asked, table: NDArray[np.int64]) -> Runs:
    """A table of configurations as the closed forms take it, without recomputation."""
    return replace(_common(asked), **dict(zip(COLUMNS, table.astype(np.float64), strict=True)))


def tables(arch: Architecture, asked: Asked) -> Iterator[NDArray[np.int64]]:
    """All configurations but for recomputation, as columns in the order of COLUMNS, about CHUNK at a time."""

    @cache
    def options(dp: int, pp: int) -> NDArray[np.int64]:
        """(3, k) micro-batches, virtual stages and sharding."""
        settings = micro_batches(asked, dp), virtual_stages(arch, asked, pp), shardings(asked, pp)
        grid = np.meshgrid(*settings, indexing="ij")
        return np.stack([one.ravel() for one in grid])

    waiting: list[tuple[Layout, NDArray[np.int64]]] = []
    held = 0
    for layout in layouts(arch, asked):
        rest = options(layout.dp, layout.pp)
        waiting.append((layout, rest))
        held += rest.shape[1]
        if held >= CHUNK:
            yield _joined(waiting)
            waiting, held = [], 0
    if waiting:
        yield _joined(waiting)


def _joined(waiting: list[tuple[Layout, NDArray[np.int64]]]) -> NDArray[np.int64]:
    heads = np.array([layout for layout, _ in waiting]).T
    rests = [rest for _, rest in waiting]
    return np.concatenate([np.repeat(heads, [one.shape[1] for one in rests], axis=1), np.concatenate(rests, axis=1)])
