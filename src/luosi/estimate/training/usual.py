"""The parallelism that a run most likely used where nobody says: of those that fit into memory the fastest by the closed forms.

Made from an architecture, a chip, the number of devices and the batch. It tries a small grid; the full search is `search`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from luosi.estimate.architecture import Architecture
from luosi.estimate.chips import Chip
from luosi.estimate.training.constants import Constants
from luosi.estimate.training.memory import bytes_per_device
from luosi.estimate.training.physics import Runs, step_time


@dataclass(frozen=True)
class Known:
    """What is said of a run; 0 (or -1 for `recompute`) for what is not."""

    devices: float
    precision: str
    sequence: float
    batch: float
    micro: float = 0.0
    tp: float = 0.0
    pp: float = 0.0
    cp: float = 0.0
    ep: float = 0.0
    virtual: float = 0.0
    recompute: float = -1.0
    sharded: bool = False
    """Whether weights are sharded (FSDP)."""
    gathered_once: bool = False
    """Whether only gradients and states are; so it is in pipelines, which would gather weights for every micro-batch."""
    lora: bool = False


def usual_run(arch: Architecture, chip: Chip, known: Known) -> Runs:
    """The likely configuration, of length one; what is known is kept as it is."""
    tries = _grid(arch, chip, known)
    if len(tries) == 1:
        return _one(tries, 0)
    memory = bytes_per_device(arch, chip, tries).total
    spare = chip.memory_gb * 1e9 - memory
    seconds = step_time(arch, chip, tries, Constants()).total  # not the fitted ones, which rest on what this says
    seconds = np.where(spare >= 0, seconds, np.inf)
    best = int(np.argmin(seconds)) if np.isfinite(seconds).any() else int(np.argmax(spare))
    return _one(tries, best)


def _grid(arch: Architecture, chip: Chip, known: Known) -> Runs:
    powers = (1.0, 2.0, 4.0, 8.0, 16.0)
    most = 8.0 if chip.scaleup_devices >= 8 else max(float(chip.scaleup_devices), 4.0)
    alone = known.sharded and not known.tp
    tps = (known.tp,) if known.tp else (1.0,) if alone else tuple(one for one in powers if one <= most)
    pps = (known.pp,) if known.pp else (1.0,) if alone else tuple(one for one in powers if one <= arch.layers)
    cps = (known.cp,) if known.cp else (1.0,) if alone else (1.0, 2.0, 4.0, 8.0, 16.0)
    again = (known.recompute,) if known.recompute >= 0 else (0.0, 2.0)
    rows = []
    for tp, pp, cp, recompute in product(tps, pps, cps, again):
        if known.devices < tp * pp * cp and (tp, pp, cp) != (tps[0], pps[0], cps[0]):
            continue
        dp = max(1.0, known.devices / (tp * pp * cp))
        copies = min(dp, known.batch)  # where there are more than sequences, the sequences are split
        micro = _micro(known, pp, copies)
        virtual = _virtual(arch, known, pp, known.batch / (copies * micro))
        for ep in _experts(arch, known, known.devices / pp):
            rows.append((copies, tp, pp, cp * dp / copies, ep, micro, virtual, recompute))
    dp, tp, pp, cp, ep, micro, virtual, recompute = np.array(rows, dtype=np.float64).T
    return Runs(
        devices=np.full(len(rows), known.devices),
        precision=known.precision,
        sequence=known.sequence,
        global_batch=known.batch,
        micro_batch=micro,
        tp=tp,
        pp=pp,
        dp=dp,
        cp=cp,
        ep=ep,
        virtual_stages=virtual,
        zero=np.where(pp > 1, 2.0, 2.0 if known.gathered_once else 3.0) if known.sharded else 1.0,
        recompute=recompute,
        lora=known.lora,
    )


def _micro(known: Known, pp: float, dp: float) -> float:
    """Sequences at once on a device: one in a pipeline, some where weights are gathered for each."""
    local = max(1.0, known.batch / dp)
    if pp > 1 and known.sharded:
        return 1.0  # such frameworks name the local batch, which they split
    return min(local, known.micro or (4.0 if known.sharded else 1.0))


def _virtual(arch: Architecture, known: Known, pp: float, micros: float) -> float:
    """Chunks of layers on a device: those said, or some where a pipeline would idle a quarter of its time without."""
    if pp <= 1:
        return 1.0
    usual = 4.0 if (pp - 1) / micros > 0.25 else 1.0
    return float(min(known.virtual or usual, max(1.0, arch.layers // pp)))


def _experts(arch: Architecture, known: Known, most: float) -> tuple[float, ...]:
    if not arch.experts:
        return (1.0,)
    if known.ep:
        return (known.ep,)
    return tuple(one for one in (1.0, 8.0, 16.0, 32.0, 64.0) if one <= min(most, arch.experts)) or (1.0,)


def _one(runs: Runs, place: int) -> Runs:
    """The configuration at a place, as plain numbers."""
    values = {
        name: float(np.broadcast_to(np.asarray(value), (len(runs),))[place])
        for name, value in vars(runs).items()
        if name not in ("precision", "causal", "lora")
    }
    return Runs(precision=runs.precision, causal=runs.causal, lora=runs.lora, **values)
