"""Which layouts of a training run are possible: what must divide what, and the message where something does not.

Made from an architecture and what is asked. Knows nothing of chips, time or memory; light: no numpy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from luosi.errors import UsageError
from luosi.estimate.architecture import Architecture

UNEVEN = 1.07
"""How much longer than the average the longest pipeline stage of an open layout may be."""
LEAST_TOKENS = 4096
"""Of a sequence on one device, before open context parallelism cuts it further."""
MOST_VIRTUAL = 16
MOST_TOKENS = 131_072
"""Of an open micro-batch of more than one sequence: beyond it products are as fast as they get."""


@dataclass(frozen=True)
class Asked:
    """A training step to lay out; a field that is None is open. Counts are of devices, sequences, tokens as named."""

    devices: int
    precision: str = "bf16"
    sequence: int = 4096
    """Tokens."""
    global_batch: int = 1024
    """Sequences of one optimizer step."""
    tp: int | None = None
    pp: int | None = None
    dp: int | None = None
    cp: int | None = None
    ep: int | None = None
    micro_batch: int | None = None
    virtual_stages: int | None = None
    zero: int | None = None
    recompute: int | None = None
    causal: bool = True
    lora: bool = False

    def opened(self, names: Iterable[str]) -> Asked:
        """The same with these of PINS open."""
        nothing: dict[str, Any] = dict.fromkeys(names)
        return replace(self, **nothing)


class Layout(NamedTuple):
    """Devices along each direction; tp * pp * dp * cp is all of them, ep lies inside tp * dp * cp."""

    tp: int
    pp: int
    dp: int
    cp: int
    ep: int


PINS = ("tp", "pp", "dp", "cp", "ep", "micro_batch", "virtual_stages", "zero", "recompute")
_WORDS = {"micro_batch": "micro-batch", "virtual_stages": "virtual stages"}


def layouts(arch: Architecture, asked: Asked) -> Iterator[Layout]:
    """All possible ones, in a fixed order.

    Raises:
        UsageError: There is none: says which product does not divide what.
    """
    check(arch, asked)
    some = False
    for tp in _tps(arch, asked):
        for pp in _pps(arch, asked, asked.devices // tp):
            for cp in _cps(asked, asked.devices // (tp * pp)):
                dp = asked.devices // (tp * pp * cp)
                if asked.dp not in (None, dp) or not micro_batches(asked, dp):
                    continue
                for ep in _eps(arch, asked, tp * cp * dp):
                    some = True
                    yield Layout(tp, pp, dp, cp, ep)
    if not some:
        raise _none(arch, asked)


def micro_batches(asked: Asked, dp: int) -> Sequence[int]:
    """Sequences of one micro-batch that a batch over `dp` copies can be cut into; empty where it cannot be."""
    each, rest = divmod(asked.global_batch, dp)
    if rest:
        return ()
    if asked.micro_batch is not None:
        return (asked.micro_batch,) if each % asked.micro_batch == 0 else ()
    return [micro for micro in divisors(each) if micro == 1 or micro * asked.sequence <= MOST_TOKENS]


def virtual_stages(arch: Architecture, asked: Asked, pp: int) -> Sequence[int]:
    """Into how many pieces the layers of one pipeline stage can be cut."""
    if asked.virtual_stages is not None:
        return (asked.virtual_stages,)
    most = min(MOST_VIRTUAL, arch.layers // pp) if pp > 1 else 1
    return [pieces for pieces in range(1, most + 1) if pieces == 1 or _even(arch.layers, pp * pieces)]


def shardings(asked: Asked, pp: int) -> Sequence[int]:
    """How far the states may be sharded: in a pipeline gradients and weights would be exchanged with every micro-batch, so not openly."""
    if asked.zero is not None:
        return (asked.zero,)
    return (0, 1, 2, 3) if pp == 1 else (0, 1)


def divisors(number: int) -> list[int]:
    """Of a positive number, ascending.

    >>> divisors(12)
    [1, 2, 3, 4, 6, 12]
    """
    low = [one for one in range(1, math.isqrt(number) + 1) if number % one == 0]
    return low + [number // one for one in reversed(low) if one * one != number]


def check(arch: Architecture, asked: Asked) -> None:
    """Refuse what cannot be, one clear line each.

    Raises:
        UsageError: A number is not positive, or one field does not divide what it must.
    """
    for name in ("devices", "sequence", "global_batch", *PINS[:7]):
        value = getattr(asked, name)
        if value is not None and value < 1:
            raise UsageError(f"{word(name)} is {value}, expected 1 or more")
    for name, most in (("zero", 3), ("recompute", 2)):
        value = getattr(asked, name)
        if value is not None and not 0 <= value <= most:
            raise UsageError(f"{name} is {value}, expected 0 to {most}")
    tp, pp, cp, ep = asked.tp or 1, asked.pp or 1, asked.cp or 1, asked.ep or 1
    _devices(asked, tp, pp, cp)
    if arch.heads % tp:
        raise UsageError(f"tp {tp} does not divide the {arch.heads} heads of {arch.name}", hint=_known(arch.heads))
    if pp * (asked.virtual_stages or 1) > arch.layers + 2:  # embedding and head may count as layers
        stages = f"pp {pp}" + (f" x virtual stages {asked.virtual_stages}" if asked.virtual_stages else "")
        raise UsageError(
            f"{stages} = {pp * (asked.virtual_stages or 1)} stages, but {arch.name} has {arch.layers} layers"
        )
    if asked.virtual_stages not in (None, 1) and asked.pp == 1:
        raise UsageError(f"virtual stages {asked.virtual_stages} need a pipeline, but pp is 1")
    if asked.sequence % cp:
        raise UsageError(f"cp {cp} does not divide the sequence of {asked.sequence} tokens")
    if ep > 1 and not arch.experts:
        raise UsageError(f"ep is {ep}, but {arch.name} has no experts")
    if ep > 1 and arch.experts % ep:
        raise UsageError(f"ep {ep} does not divide the {arch.experts} experts", hint=_known(arch.experts))
    copies, micro = asked.dp or 1, asked.micro_batch or 1
    if asked.global_batch % (copies * micro):
        product = " x ".join(
            f"{word} {n}" for word, n in (("dp", asked.dp), ("micro-batch", asked.micro_batch)) if n is not None
        )
        total = f" = {copies * micro}" if asked.dp and asked.micro_batch else ""
        raise UsageError(f"{product}{total} does not divide the batch of {asked.global_batch} sequences")


def _devices(asked: Asked, tp: int, pp: int, cp: int) -> None:
    named = [(name, getattr(asked, name)) for name in ("tp", "pp", "cp", "dp") if getattr(asked, name)]
    product = " x ".join(f"{name} {value}" for name, value in named)
    held = tp * pp * cp * (asked.dp or 1)
    total = f" = {held}" if len(named) > 1 else ""
    if asked.devices % held:
        raise UsageError(f"{product}{total} does not divide the {asked.devices} devices")
    if len(named) == 4 and held != asked.devices:
        raise UsageError(f"{product}{total}, not the {asked.devices} devices", hint="leave one of them open")


def _tps(arch: Architecture, asked: Asked) -> Sequence[int]:
    if asked.tp is not None:
        return (asked.tp,)
    shared = divisors(math.gcd(asked.devices, arch.heads))
    return [tp for tp in shared if arch.kv_heads % tp == 0 or tp % arch.kv_heads == 0]


def _pps(arch: Architecture, asked: Asked, left: int) -> Sequence[int]:
    if asked.pp is not None:
        return (asked.pp,) if left % asked.pp == 0 else ()
    return [pp for pp in divisors(left) if pp <= arch.layers and _even(arch.layers, pp * (asked.virtual_stages or 1))]


def _cps(asked: Asked, left: int) -> Sequence[int]:
    if asked.cp is not None:
        return (asked.cp,) if left % asked.cp == 0 else ()
    if asked.dp is not None:
        return (left // asked.dp,) if left % asked.dp == 0 and asked.sequence % (left // asked.dp) == 0 else ()
    return [cp for cp in divisors(math.gcd(left, asked.sequence)) if cp == 1 or asked.sequence // cp >= LEAST_TOKENS]


def _eps(arch: Architecture, asked: Asked, stage: int) -> Sequence[int]:
    if asked.ep is not None:
        return (asked.ep,) if stage % asked.ep == 0 else ()
    return divisors(math.gcd(arch.experts, stage)) if arch.experts else (1,)


def _even(layers: int, stages: int) -> bool:
    return stages <= layers + 2 and math.ceil(layers / stages) * stages <= UNEVEN * layers + 1e-9


def _none(arch: Architecture, asked: Asked) -> UsageError:
    """Why nothing is left, when each field alone would do."""
    batch = asked.global_batch
    held = (asked.tp or 1) * (asked.pp or 1) * (asked.cp or 1)
    if asked.ep not in (None, 1) and (asked.devices // (asked.pp or 1)) % (asked.ep or 1):
        stage = asked.devices // (asked.pp or 1)
        return UsageError(f"ep {asked.ep} does not divide the {stage} devices of a pipeline stage")
    micro = f" x micro-batch {asked.micro_batch}" if asked.micro_batch else ""
    copies = asked.devices // held
    given = " x ".join(f"{name} {getattr(asked, name)}" for name in ("tp", "pp", "cp") if getattr(asked, name))
    over = f"{asked.devices} devices" + (f" / ({given})" if given else "")
    return UsageError(
        f"{over} leave dp {copies}{micro}, which does not divide the batch of {batch} sequences, and nothing else of "
        f"{arch.name} takes up the devices",
        hint=f"a batch of {math.lcm(copies, asked.micro_batch or 1)} or a multiple of it would do",
    )


def _known(number: int) -> str:
    return "possible: " + ", ".join(str(one) for one in divisors(number)[:16])


def word(name: str) -> str:
    """A field as people write it."""
    return {"devices": "the number of devices", "global_batch": "the batch"}.get(name, _WORDS.get(name, name))
