"""Families of near-duplicates, and which of them are held out: whole families, drawn by a hash of their name.

The draw does not depend on the order in which documents were found, nor on the other families. Knows no text.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from luosi.text.hashing import digest

ENOUGH = 0.9
"""The draw ends at this share of the target, lest the rest is filled with the smallest families only."""


@dataclass(frozen=True, slots=True)
class Member:
    """A document as the split sees it."""

    id: str
    source: str
    bytes: int
    whole: str
    """Name of the text it is a piece of."""
    file: str = ""
    """The file it is from, as people know it."""
    page: int = 0
    """Page of its first character, from 1; 0 where the format has none."""
    pages: tuple[int, ...] = ()
    """Character offsets at which each further page begins."""


def families(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """For each of `count` things, the smallest number among all it is joined to by `pairs`.

    >>> families(4, [(3, 1), (2, 3)])
    [0, 1, 1, 1]
    """
    parent = list(range(count))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    for first, second in pairs:
        low, high = sorted((root(first), root(second)))
        parent[high] = low
    return [root(number) for number in range(count)]


def whole_pairs(members: Sequence[Member]) -> list[tuple[int, int]]:
    """Pairs that join the pieces of one text."""
    first: dict[str, int] = {}
    return [(first.setdefault(member.whole, number), number) for number, member in enumerate(members)]


@dataclass(frozen=True, slots=True)
class _Family:
    name: str
    numbers: tuple[int, ...]
    bytes: dict[str, int]


def _gathered(members: Sequence[Member], roots: Sequence[int]) -> list[_Family]:
    numbers: dict[int, list[int]] = defaultdict(list)
    for number, root in enumerate(roots):
        numbers[root].append(number)
    result = []
    for root, own in numbers.items():
        sizes: dict[str, int] = defaultdict(int)
        for number in own:
            sizes[members[number].source] += members[number].bytes
        result.append(_Family(members[root].id, tuple(own), dict(sizes)))
    return result


def draw_heldout(
    members: Sequence[Member],
    roots: Sequence[int],
    targets: dict[str, int],
    seed: int,
    allowed: Collection[int] | None = None,
) -> set[int]:
    """Numbers of the documents to hold out.

    Args:
        members: All documents; `roots` is their family by `families`.
        targets: Bytes to hold out by source; 0 for none.
        seed: Of the draw.
        allowed: Roots of the families that may be taken; None for all.

    A family belongs to the source of its first member, and its members in other sources count against those. A source with
    two families or more gives at least one if any is allowed, if need be a larger one than its target (never a scrap of less than half of it while there are others).
    """
    gathered = sorted(_gathered(members, roots), key=lambda family: digest(seed, family.name))
    taken: set[int] = set()
    filled: dict[str, int] = defaultdict(int)
    for source, target in targets.items():
        own = [family for family in gathered if members[family.numbers[0]].source == source]
        if not target or len(own) < 2:
            continue
        own = [family for family in own if allowed is None or family.numbers[0] in allowed]
        for family in own:
            if filled[source] >= ENOUGH * target:
                break
            if all(filled[name] + size <= targets[name] for name, size in family.bytes.items()):
                _take(family, taken, filled)
        if own and not filled[source]:
            sizes = {family.name: sum(family.bytes.values()) for family in own}
            fair = [family for family in own if sizes[family.name] >= target / 2] or own
            _take(min(fair, key=lambda family: sizes[family.name]), taken, filled)
    return taken


def _take(family: _Family, taken: set[int], filled: dict[str, int]) -> None:
    taken.update(family.numbers)
    for name, size in family.bytes.items():
        filled[name] += size
