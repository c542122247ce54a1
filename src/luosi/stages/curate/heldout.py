"""Chooses the held-out documents: whole families, whose text does not stand word for word in training.

Joins split.py (who belongs together, the draw) and leakage.py (what of it is in training). Knows no files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from luosi.stages.curate.config import Config
from luosi.stages.curate.leakage import leak_shares
from luosi.stages.curate.split import Member, draw_heldout, families, whole_pairs

POOL = 8
"""Candidates are drawn for so many times the bytes wanted; those that leak stay in training."""


@dataclass(frozen=True, slots=True)
class Split:
    """Positions of the held-out documents, the family of every document, and what of each held-out one is in training."""

    roots: list[int]
    heldout: set[int]
    leaks: dict[int, float]
    """Share of a held-out document's 13-word runs found in training text."""
    leaking: set[int]
    """Held-out documents to drop: more of them is in training than the limit allows."""
    passed_over: Counter[str]
    """By source, candidates that leak and therefore stay in training."""


def choose(
    members: Sequence[Member],
    joined: Sequence[tuple[int, int]],
    text_of: Callable[[int], str],
    config: Config,
    progress: Callable[[float], None],
) -> Split:
    """The split of `members`; `joined` are pairs that must stay on one side, `text_of` gives a member's text."""
    kept_bytes = Counter[str]()
    for member in members:
        kept_bytes[member.source] += member.bytes
    targets = {
        source.name: min(config.heldout_max_bytes, int(config.heldout_fraction * kept_bytes[source.name]))
        for source in config.sources
    }
    roots = _roots(members, joined, targets, config.seed)
    corpus = _Texts(roots, text_of)
    wide = {name: POOL * target for name, target in targets.items()}
    pool = sorted(draw_heldout(members, roots, wide, config.seed, _fitting(members, roots, targets) or None))
    shares = corpus.leaks(pool, range(len(members)), lambda done: progress(done / 2))
    sound, passed_over = _sound(members, roots, shares, config.leak)
    heldout = draw_heldout(members, roots, targets, config.seed, sound)
    train = [place for place in range(len(members)) if place not in heldout]
    leaks = corpus.leaks(sorted(heldout), train, lambda done: progress((1 + done) / 2))
    leaking = {place for place, share in leaks.items() if share > config.leak}
    leaking -= _last_ones(members, heldout, leaks, leaking)
    return Split(roots, heldout, leaks, leaking, passed_over)


def _fitting(members: Sequence[Member], roots: Sequence[int], targets: Mapping[str, int]) -> set[int]:
    """Roots of the families that are small enough to be held out whole: a pool of larger ones would hold out next to nothing."""
    sizes = Counter[tuple[int, str]]()
    for member, root in zip(members, roots, strict=True):
        sizes[root, member.source] += member.bytes
    return set(roots) - {root for (root, source), size in sizes.items() if size > targets[source]}


@dataclass(frozen=True, slots=True)
class _Texts:
    roots: Sequence[int]
    text_of: Callable[[int], str]

    def leaks(
        self, places: Sequence[int], others: Sequence[int], progress: Callable[[float], None]
    ) -> dict[int, float]:
        """Share of each place's runs that are found in `others` outside its family."""

        def corpus() -> Iterator[tuple[int, str]]:
            for done, place in enumerate(others):
                yield self.roots[place], self.text_of(place)
                progress(done / len(others))

        own = [(self.roots[place], self.text_of(place)) for place in places]
        return dict(zip(places, leak_shares(own, corpus()), strict=True))


def _sound(
    members: Sequence[Member], roots: Sequence[int], shares: Mapping[int, float], limit: float
) -> tuple[set[int], Counter[str]]:
    """Roots of the families that may be held out, and how many candidates may not.

    Where every candidate of a source leaks, the family that leaks least may.
    """
    worst: dict[int, float] = {}
    for place, share in shares.items():
        worst[roots[place]] = max(share, worst.get(roots[place], 0.0))
    sound = {root for root, share in worst.items() if share <= limit}
    passed_over = Counter(members[place].source for place in shares if roots[place] not in sound)
    served = {members[root].source for root in sound}
    for root in sorted(worst, key=lambda root: (worst[root], root)):
        if members[root].source not in served:
            served.add(members[root].source)
            sound.add(root)
    return sound, passed_over


def _last_ones(members: Sequence[Member], heldout: set[int], leaks: dict[int, float], leaking: set[int]) -> set[int]:
    """Of each source whose held-out documents all leak, the one that leaks least: a poor test is better than none."""
    sound = {members[place].source for place in heldout - leaking}
    least: dict[str, int] = {}
    for place in sorted(leaking, key=lambda place: (leaks[place], place)):
        least.setdefault(members[place].source, place)
    return {place for source, place in least.items() if source not in sound}


def _roots(
    members: Sequence[Member], joined: Sequence[tuple[int, int]], targets: dict[str, int], seed: int
) -> list[int]:
    """Families in which the pieces of one text stay together, except in sources too coarse for that.

    A source of one long book has no whole text to hold out; its pieces are then documents in their own right.
    """
    roots = families(len(members), [*joined, *whole_pairs(members)])
    filled = Counter[str]()
    for place in draw_heldout(members, roots, targets, seed):
        filled[members[place].source] += members[place].bytes
    coarse = {name for name, target in targets.items() if not 0.5 * target <= filled[name] <= target}
    if not coarse:
        return roots
    pieces = [(a, b) for a, b in whole_pairs(members) if members[b].source not in coarse]
    return families(len(members), [*joined, *pieces])
