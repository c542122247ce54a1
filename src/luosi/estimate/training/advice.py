"""What to say of a training run that fits nowhere in what was asked: by how much, and the smallest change that makes it fit.

Made by searching again with one given field open, then with all of them, then with more devices. Knows no money.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from luosi.errors import UsageError
from luosi.estimate.architecture import Architecture
from luosi.estimate.chips import Chip
from luosi.estimate.quantities import duration, gigabytes
from luosi.estimate.training.layouts import PINS, Asked, word
from luosi.estimate.training.physics import DEFAULT, Constants
from luosi.estimate.training.search import Configuration, Found, search, usable_bytes

MOST_DEVICES = 65_536
RECOMPUTE_WORDS = ("none", "selective", "full")


@dataclass(frozen=True)
class Change:
    """What to ask for instead."""

    fields: tuple[tuple[str, int, int], ...]
    """(name, from, to) of each field that changes."""
    then: Configuration
    """The fastest that fits then."""


def refusal(
    arch: Architecture, chip: Chip, asked: Asked, found: Found, *, constants: Constants = DEFAULT
) -> UsageError:
    """One clear line and a hint, for a search that found nothing that fits."""
    near, room = found.nearest, usable_bytes(chip)
    layout = layout_words(near)
    message = (
        f"{arch.name} does not fit on {asked.devices} {chip.name}: even {layout} needs {gigabytes(near.memory_bytes)} of the "
        f"{gigabytes(room)} that one can give, {gigabytes(near.memory_bytes - room)} too much"
    )
    if found.looked_at == 1:
        message = message.replace("even ", "", 1)
    change = smallest_change(arch, chip, asked, constants=constants)
    if change is None:
        return UsageError(
            message, hint="nothing near what was asked fits: a smaller model, a shorter sequence, or LoRA"
        )
    words = " and ".join(f"{word(name)} {_said(name, old)} -> {_said(name, new)}" for name, old, new in change.fields)
    return UsageError(
        message,
        hint=f"the smallest change that fits: {words} (a step then takes about {duration(change.then.seconds)})",
    )


def smallest_change(arch: Architecture, chip: Chip, asked: Asked, *, constants: Constants = DEFAULT) -> Change | None:
    """The change of the fewest fields that fits, and of those the one that leaves the fastest step; None if none was found."""
    pins = [name for name in PINS if getattr(asked, name) is not None]
    for opened in ([(name,) for name in pins], [tuple(pins)] if len(pins) > 1 else []):
        tries = [change for names in opened if (change := _opened(arch, chip, asked, names, constants))]
        if tries:
            return min(tries, key=lambda one: (len(one.fields), one.then.seconds))
    for devices in _more(asked.devices):
        change = _opened(arch, chip, replace(asked, devices=devices), tuple(pins), constants)
        if change:
            return replace(change, fields=(("devices", asked.devices, devices), *change.fields))
    return None


def _opened(
    arch: Architecture, chip: Chip, asked: Asked, names: tuple[str, ...], constants: Constants
) -> Change | None:
    try:
        found = search(arch, chip, asked.opened(names), constants=constants, keep=1)
    except UsageError:  # what stays given leaves no layout
        return None
    if not found.best:
        return None
    best = found.best[0]
    pairs = [(name, getattr(asked, name), getattr(best, name)) for name in names]
    return Change(tuple((name, old, new) for name, old, new in pairs if old != new), best)


def _more(devices: int) -> Iterator[int]:
    """Twice, three times, four, six, eight times .. as many."""
    size = devices
    while size < MOST_DEVICES:
        yield 2 * size
        yield 3 * size
        size *= 2


def layout_words(one: Configuration) -> str:
    """A configuration in words; what is 1 for want of it is left out."""
    always = ("dp", "micro_batch", "zero", "recompute")
    shown = [name for name in PINS if name in always or getattr(one, name) > 1]
    return ", ".join(f"{word(name)} {_said(name, getattr(one, name))}" for name in shown)


def _said(name: str, value: int) -> str:
    return RECOMPUTE_WORDS[value] if name == "recompute" else str(value)
