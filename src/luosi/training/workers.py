"""Workers: one process or several that train one model on shares of each batch, their gradients summed; each has a copy of it, or its
share (see `sharding`).

`everywhere` starts them on this machine; under `torchrun` they are there already. Every worker reads the same numbered rows and
takes its share of them, so what is read does not depend on how many there are. The first, which alone has the real context,
saves and reports; the others end with it. gloo on CPUs, nccl on CUDA. Knows neither models nor optimizers.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from luosi.cost import Cost, Machine
from luosi.errors import InputError, LuosiError, StageError

T = TypeVar("T")

HOST = "127.0.0.1"

PATIENCE = timedelta(minutes=30)
"""How long a worker waits for the others: a step, or a model being compiled."""


@dataclass(frozen=True)
class Team:
    """Which of how many workers this process is."""

    rank: int = 0
    count: int = 1

    def share(self, rows: int) -> slice:
        """This worker's part of a batch.

        Raises:
            InputError: The rows do not divide evenly.
        """
        require_even(rows, self.count)
        each = rows // self.count
        return slice(self.rank * each, (self.rank + 1) * each)

    def sum(self, parameters: Iterable[Tensor], loss: Tensor) -> None:
        """Put the sums over all workers in place of this worker's gradients and `loss`; they get the same bits everywhere."""
        if self.count == 1:
            return
        summed = [parameter.grad for parameter in parameters if parameter.grad is not None] + [loss]
        together = torch.cat([one.flatten().float() for one in summed])
        dist.all_reduce(together)
        for one, part in zip(summed, torch.split(together, [one.numel() for one in summed]), strict=True):
            one.copy_(part.view_as(one))

    def any(self, here: bool) -> bool:
        """Whether it is so `here` or in another worker; all must ask at once."""
        if self.count == 1:
            return here
        told = torch.tensor(float(here), device="cuda" if torch.cuda.is_available() else "cpu")
        dist.all_reduce(told, dist.ReduceOp.MAX)
        return bool(told)

    @property
    def launched(self) -> bool:
        """Whether torchrun started it: each worker then has a context, and gets signals, of its own."""
        return self.count > 1 and dist.is_torchelastic_launched()

    def require_same(self, number: int, what: str) -> None:
        """See that `number`, which is `what`, is the same in all workers; all must ask at once.

        Raises:
            InputError: It is not.
        """
        if self.count == 1:
            return
        ends = torch.tensor([number, -number], device="cuda" if torch.cuda.is_available() else "cpu")
        dist.all_reduce(ends, dist.ReduceOp.MAX)
        highest, lowest = int(ends[0]), -int(ends[1])
        if highest != lowest:
            raise InputError(
                f"{what} is {number} in worker {self.rank + 1}, and between {lowest} and {highest} in all {self.count}",
                hint="give all workers the same folder, on a disk that they share",
            )

    def meet(self) -> None:
        """Wait until all workers are here."""
        if self.count > 1:
            dist.barrier()

    def dismiss(self) -> None:
        """The training is done: the workers that `everywhere` started end here, the first goes on."""
        if self.rank and not self.launched:
            raise _Finished


def require_even(rows: int, workers: int, sequence: int = 0) -> None:
    """See that a batch of so many rows, of `sequence` tokens if given, divides among the workers.

    Raises:
        InputError: It does not.
    """
    if rows % workers == 0:
        return
    more = -(-rows // workers) * workers
    longer = f"set sequence to {sequence} and batch_tokens to {more * sequence}" if sequence else f"take {more} rows"
    fewer = f", or runtime.workers to a divisor of {rows}" if rows > 1 else ", or leave runtime.workers at 1"
    raise InputError(
        f"a batch of {rows} row{'s' if rows > 1 else ''} does not divide among {workers} workers", hint=longer + fewer
    )


def here() -> Team:
    """The team that this process belongs to; one started by torchrun is joined."""
    if not dist.is_available():
        return Team()
    if not dist.is_initialized() and dist.is_torchelastic_launched():
        _join(int(os.environ["LOCAL_RANK"]))
        atexit.register(_leave)
    return Team(dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else Team()


class Watcher(Protocol):
    """What the loop uses of a stage's Context."""

    scratch: Path
    machine: Machine

    @property
    def stop_reason(self) -> str: ...  # noqa: D102

    def progress(self, done: float, total: float, unit: str, **metrics: float) -> None: ...  # noqa: D102

    def say(self, message: str) -> None: ...  # noqa: D102

    def spend(self, cost: Cost) -> None: ...  # noqa: D102


class _Finished(BaseException):
    """A helper's training is done, and with it the helper."""


@dataclass(frozen=True)
class _Helping:
    """The context of a worker that is not the first: it tells nobody anything."""

    out: Path
    scratch: Path
    machine: Machine
    stop_reason: str = ""

    def progress(self, done: float, total: float, unit: str, **metrics: float) -> None:
        pass

    def say(self, message: str) -> None:
        pass

    def spend(self, cost: Cost) -> None:
        pass


def everywhere(count: int, work: Callable[[Any], T], context: Any) -> T:
    """Do `work(context)` here and, for as long as it lasts, in `count` - 1 further processes with contexts of their own.

    A script that comes to this must do so under `if __name__ == "__main__"`, as always with multiprocessing.

    Args:
        count: Workers; with CUDA each has a device of its own.
        work: Something that trains; it and what it holds can be pickled.
        context: A stage's context.

    Raises:
        InputError: There are fewer CUDA devices than workers.
        StageError: A worker ended before its time.
    """
    if count == 1:
        return work(context)
    if torch.cuda.is_available() and count > torch.cuda.device_count():
        raise InputError(
            f"there are {count} workers for {torch.cuda.device_count()} CUDA devices", hint="lower workers"
        )
    store = TCPStore(HOST, 0, count, is_master=True, wait_for_workers=False)
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    start: Any = multiprocessing.get_context(method)  # never "fork": torch's threads do not survive it
    helpers = []
    for rank in range(1, count):
        (out := context.scratch / f"worker-{rank}").mkdir(exist_ok=True)
        helping = _Helping(out, context.scratch, context.machine)
        helpers.append(start.Process(target=_help, args=(rank, count, store.port, work, helping), daemon=True))
    for helper in helpers:
        helper.start()
    try:
        return _lead(store, helpers, work, context)
    finally:
        for helper in helpers:
            helper.kill()
            helper.join()
        _leave()


def _lead(store: TCPStore, helpers: list[Any], work: Callable[[Any], T], context: Any) -> T:
    """The first worker's part; says so if another's end is what stopped it."""
    count = len(helpers) + 1
    try:
        while not _failed(helpers) and not store.check([_here(rank) for rank in range(1, count)]):
            time.sleep(0.05)
        if not _failed(helpers):
            _join(0, store=store, rank=0, world_size=count)
            return work(context)
    except RuntimeError:
        wait([helper.sentinel for helper in helpers], timeout=5)
        if not _failed(helpers):
            raise
    rank, code = min(_failed(helpers).items())
    raise StageError(
        f"worker {rank + 1} of {count} ended before its time, with exit code {code}",
        hint="its last words are above, if it had any (-9: killed, often for want of memory); run again to go on",
    )


def _here(rank: int) -> str:
    return f"worker {rank} is here"


def _failed(helpers: list[Any]) -> dict[int, int]:
    """Exit codes of the helpers that ended before their time, by rank."""
    return {rank: helper.exitcode for rank, helper in enumerate(helpers, 1) if helper.exitcode}


def _help(rank: int, count: int, port: int, work: Callable[[Any], object], context: _Helping) -> None:
    """The life of a worker that is not the first: signals are the first one's business, and it does not outlive it."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if number := getattr(signal, name, None):
            signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    store = TCPStore(HOST, port, count, is_master=False)
    store.set(_here(rank), "")
    _join(rank, store=store, rank=rank, world_size=count)
    try:
        work(context)
    except _Finished:
        return
    except LuosiError as error:
        print(f"error: worker {rank + 1} of {count}: {error.message}", file=sys.stderr)
        sys.exit(1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _join(device: int, **where: Any) -> None:
    """Become one of the process group; with CUDA, on the device of that number."""
    # Where it is imported first while there is a group, its functions' defaults hold that group for good: gloo's threads then
    # outlive `_leave`, and one that lets go of a tensor while the interpreter ends aborts the process.
    import torch.distributed.nn.functional

    if torch.cuda.is_available():
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE, **where)


def _leave() -> None:
    """End the process group, if there is one, and its threads."""
    if dist.is_initialized():
        dist.destroy_process_group()
