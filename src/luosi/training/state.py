"""Where a run stands and in which mode it runs, and how that becomes a checkpoint and comes back. Knows no data."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from luosi.errors import InputError
from luosi.training.checkpoints import Checkpoint
from luosi.training.faults import Faults
from luosi.training.optimizers import Optimizers
from luosi.training.sharding import own, own_rows
from luosi.training.workers import Team


@dataclass
class Run:
    """Where a run stands, and the mode that its first start fixed."""

    identity: Mapping[str, object]
    """What every start of it must have in common, by field."""
    threads: int
    compiled: bool
    workers: int = 1
    losses: list[float] = field(default_factory=list)
    """Of each step done, in nats per learned token; nan where its batch was skipped."""
    faults: Faults = field(default_factory=Faults)

    @property
    def step(self) -> int:
        """Steps done."""
        return len(self.losses)

    def checkpoint(self, optimizers: Optimizers) -> Checkpoint:
        """What a resumed run needs; shares the tensors with the run."""
        tensors = {f"parameter/{name}": parameter for name, parameter in optimizers.parameters.items()}
        tensors |= optimizers.state()
        tensors |= {"losses": torch.tensor(self.losses, dtype=torch.float64), "rng": torch.get_rng_state()}
        notes = {
            "identity": dict(self.identity),
            "threads": self.threads,
            "compiled": self.compiled,
            "workers": self.workers,
            "skipped": {str(step): why for step, why in self.faults.skipped.items()},
            "faults": list(self.faults.met),
            "above": {str(step): above for step, above in self.faults.above.items()},
        }
        return Checkpoint(self.step, tensors, notes)


def first_start(
    identity: Mapping[str, object], team: Team, *, seed: int, threads: int, compile: bool, say: Callable[[str], None]
) -> Run:
    """A run that has done nothing yet; `threads` of 0 is torch's choice, divided among the workers."""
    torch.manual_seed(seed)
    compiled = compile and _can_compile()
    if compile and not compiled:
        say("warning: no C++ compiler was found, training goes on uncompiled; it only takes longer")
    return Run(identity, threads or max(1, torch.get_num_threads() // team.count), compiled, team.count)


def resumed(
    saved: Checkpoint, identity: Mapping[str, object], team: Team, *, threads: int, say: Callable[[str], None]
) -> Run:
    """The run that `saved` was made by; its weights are put back by `restore`.

    Raises:
        InputError: It had other settings; names the fields.
    """
    was = saved.notes.get("identity")
    before = was if isinstance(was, dict) else {}
    # what only one of the two says, another version did not write down
    fields = [name for name in sorted(before.keys() & identity.keys()) if before[name] != identity[name]]
    if "words" in fields and None in (before["words"], identity["words"]):
        fields.remove("words")
        say("the run goes on on another kind of device: the loss is now taken over other words")
    if fields:
        changes = "; ".join(f"{name} is {identity[name]}, it was {before[name]}" for name in fields)
        raise InputError(
            f"the checkpoint of step {saved.step} is of another training: {changes}",
            hint="take the settings back, or begin anew in another folder",
        )
    notes: dict[str, Any] = saved.notes
    above = notes.get("above", {})  # of an earlier version, none
    faults = Faults(
        skipped={int(step): why for step, why in notes["skipped"].items()},
        met=notes["faults"],
        above={int(step): nats for step, nats in above.items()},
    )
    run = Run(identity, notes["threads"], notes["compiled"] and _can_compile(), notes["workers"], faults=faults)
    if notes["compiled"] and not run.compiled:
        say(
            "warning: the run was begun compiled, and no C++ compiler is found here: it goes on uncompiled, which rounds otherwise"
        )
    if run.workers != team.count:
        say(
            f"the run was begun with workers = {run.workers} and goes on with {team.count}: each sample is still read once, "
            "but sums are rounded in another order"
        )
        run.threads = threads or max(1, torch.get_num_threads() // team.count)
        run.workers = team.count
    return run


def _can_compile() -> bool:
    return shutil.which(os.environ.get("CXX", "g++")) is not None


def restore(run: Run, saved: Checkpoint, optimizers: Optimizers) -> None:
    """Put back the weights, the optimizers' state and the losses; the faults that are known stay known."""
    tensors = dict(saved.tensors)
    run.losses = tensors.pop("losses").tolist()
    torch.set_rng_state(tensors.pop("rng"))
    with torch.no_grad():
        for name, parameter in optimizers.parameters.items():
            parameter.grad = None
            own(parameter).copy_(own_rows(tensors.pop(f"parameter/{name}"), parameter))
    optimizers.load(tensors)


@contextmanager
def reproducible(threads: int, *, compiles: bool = False) -> Iterator[None]:
    """`threads` threads and deterministic algorithms while inside; on a CPU the same inputs then give the same bits.

    What is compiled needs to be told apart, which imports the compiler: 74 MB.
    """
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    deterministic: Any = torch.utils.deterministic
    filled = deterministic.fill_uninitialized_memory
    torch.set_num_threads(threads)
    deterministically = torch.use_deterministic_algorithms if compiles else _deterministically
    deterministically(not torch.cuda.is_available())
    deterministic.fill_uninitialized_memory = False  # nothing here reads what it has not written
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        deterministically(before[1])
        deterministic.fill_uninitialized_memory = filled


def _deterministically(mode: bool) -> None:
    torch.set_deterministic_debug_mode("error" if mode else "default")
