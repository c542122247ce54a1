"""A run on stderr: bars on a terminal, as many figures as it is wide for; one plain line per event and every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from luosi.cli.common import flop, money, seconds
from luosi.cli.standing import Several, Standing, Work
from luosi.pipeline.runner import Observer, Planned

PLAIN_EVERY_S = 10.0
NAME_W, BAR_W, SMALLEST_BAR_W = 14, 40, 8
REDRAWN_PER_S = 2


@contextmanager
def on_screen(work: Work, *others: Observer) -> Iterator[Observer]:
    """An observer that shows a run on stderr; `others` are told too."""
    console = Console(stderr=True, highlight=False)
    if not sys.stderr.isatty() or console.is_dumb_terminal:
        yield Several([work, Lines(work), *others])
        return
    with Bars(work, console) as bars:
        yield Several([work, bars, *others])


class Lines:
    """One line when a step begins, every ten seconds, and when it ends."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._said: dict[str, float] = {}

    def _print(self, step: str, text: str) -> None:
        self._said[step] = time.monotonic()
        print(f"{step:<14} {text}", file=sys.stderr, flush=True)

    def step_started(self, step: str, planned: Planned) -> None:
        """Say what is expected."""
        self._print(step, f"building, about {seconds(self._work.expected_s(step))}")

    def step_progress(self, step: str, done: float, total: float, unit: str, metrics: Mapping[str, float]) -> None:
        """Say how far, seldom."""
        if time.monotonic() - self._said.get(step, 0.0) >= PLAIN_EVERY_S:
            standing = self._work.standing()
            self._print(step, ", ".join([amount(standing), *told(standing.metrics), *prospects(standing)]))

    def step_said(self, step: str, message: str) -> None:
        """Pass on."""
        self._print(step, message)

    def step_finished(self, step: str, *, built: bool) -> None:
        """Say how long it took."""
        self._print(step, ended(self._work.took_s(step), built))

    def step_waiting(self, step: str) -> None:
        """Say whom we wait for."""
        if time.monotonic() - self._said.get(step, 0.0) >= PLAIN_EVERY_S:
            self._print(step, WAITING)


class Bars:
    """A bar for the whole run, one for the step at work, and a line with the step's figures."""

    def __init__(self, work: Work, console: Console) -> None:
        self._work, self._console = work, console
        self._live = Live(get_renderable=self.drawn, console=console, transient=True, refresh_per_second=REDRAWN_PER_S)

    def __enter__(self) -> Bars:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def drawn(self) -> RenderableType:
        """As it stands now, for as wide as the terminal is now."""
        return Drawn(self._work.standing())

    def _print(self, step: str, text: str) -> None:
        self._console.print(f"{step:<14} {text}", markup=False)

    def step_started(self, step: str, planned: Planned) -> None:
        """Its bar is drawn with the next picture."""

    def step_progress(self, step: str, done: float, total: float, unit: str, metrics: Mapping[str, float]) -> None:
        """Drawn with the next picture."""

    def step_said(self, step: str, message: str) -> None:
        """A line above the bars."""
        self._print(step, message)

    def step_finished(self, step: str, *, built: bool) -> None:
        """A line above the bars."""
        self._print(step, ended(self._work.took_s(step), built))

    def step_waiting(self, step: str) -> None:
        """Drawn with the next picture."""


class Drawn:
    """A standing as two bars and a line of figures; what there is no room for is left out, from the end."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        now, width = self._standing, options.max_width
        spent = [f"{money(now.money)} so far"] if now.money else []
        whole = [*left(now.run_left_s), *spent, *([f"{seconds(now.spent_s)} of work"] if now.spent_s else [])]
        rows: list[RenderableType] = [_row("whole run", now.run_done, whole, width)]
        if now.step:
            about = [WAITING] if now.waiting and not now.total else [*filter(None, [amount(now)]), *left(now.left_s)]
            rows.append(_row(now.step, now.share if now.total else None, about, width))
        if now.metrics:
            indent = " " * (NAME_W + 1 if width >= 80 else 2)
            rows.append(Text(indent + fitting(told(now.metrics), width - len(indent)), no_wrap=True, overflow="crop"))
        yield Group(*rows)


def _row(name: str, share: float | None, parts: Sequence[str], width: int) -> Table:
    """Name, bar, percent and what more fits; `share` None for a bar that only shows that there is life."""
    name_w = min(NAME_W, max(4, width // 4))
    room = width - name_w - 2 - 6  # between name, bar and percent
    text = fitting(parts, room - SMALLEST_BAR_W)
    bar = ProgressBar(1.0, share or 0.0, width=max(1, min(BAR_W, room - cell_len(text))), pulse=share is None)
    row = Table.grid(padding=(0, 1))
    row.add_column(no_wrap=True, width=name_w)
    row.add_column(no_wrap=True)
    row.add_column(no_wrap=True)
    percent = "    " if share is None else f"{share:>4.0%}"
    row.add_row(Text(set_cell_size(name, name_w)), bar, Text(f"{percent} {text}".rstrip()))
    return row


WAITING = "another process is building it; waiting"


def fitting(parts: Sequence[str], width: int) -> str:
    """The parts in one line, without those at the end that do not fit any more.

    >>> fitting(["372/600 steps", "about 48 s left", "loss 3.4"], 34)
    '372/600 steps  about 48 s left'
    """
    text = ""
    for part in parts:
        longer = f"{text}  {part}" if text else part
        if cell_len(longer) > width:
            break
        text = longer
    return text


def amount(standing: Standing) -> str:
    """How much is done of how much; "" before the step said so."""
    return f"{standing.done:,.0f}/{standing.total:,.0f} {standing.unit}".rstrip() if standing.total else ""


def left(left_s: float | None) -> list[str]:
    """The time left, where it is known and there is any."""
    return [f"about {seconds(left_s)} left"] if left_s else []


def prospects(standing: Standing) -> list[str]:
    """Time and money of a step in a plain line."""
    return [*left(standing.left_s), *([f"{money(standing.money)} so far"] if standing.money else [])]


def told(metrics: Mapping[str, float]) -> list[str]:
    """A step's figures in words, those that are known best first.

    >>> told({"tokens_per_s": 14100.4, "loss": 3.41234, "mfu": 0.338, "flop_per_s": 1.28e11, "bpb": 1.4137})
    ['loss 3.412', '1.414 bits/byte', '14,100 tokens/s', '128 GFLOP/s', 'MFU 34 %']
    """
    known = [words(metrics[name]) for name, words in FIGURES.items() if name in metrics]
    return known + [f"{name} {value:,.4g}" for name, value in metrics.items() if name not in FIGURES]


FIGURES: dict[str, Callable[[float], str]] = {
    "loss": lambda value: f"loss {value:.3f}",
    "bpb": lambda value: f"{value:.3f} bits/byte",
    "tokens_per_s": lambda value: f"{value:,.0f} tokens/s",
    "flop_per_s": lambda value: f"{flop(value)}/s",
    "mfu": lambda value: f"MFU {value * 100:.{int(value < 0.1)}f} %",
}


def ended(took_s: float, built: bool) -> str:
    """How a step ended."""
    return f"done in {seconds(took_s)}" if built else "is there already"
