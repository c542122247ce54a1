"""What a whole is made of, drawn as steps that add up to it: for the terminal as lines of text, for a page or a report as SVG.

Each part's bar begins where the one above it ends, so the last one ends at the whole. Knows nothing of what is drawn; light: no numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

CELLS = 44
"""Characters from zero to the whole."""
LEAST = 0.0005
"""Share of the whole below which a part is not drawn."""
EIGHTHS = " ▏▎▍▌▋▊▉█"
INK, MUTED, GRID, LIMIT = "#1c2733", "#5c6b7a", "#e3e8ee", "#b3261e"
COLOURS = ("#0b63a5", "#2f7d4f", "#8a4fb5", "#c2571a", "#9a7d0a", "#1b8a8f", "#a83a6b", "#5c6b7a", "#6b4f2a")
WIDTH, LEFT, RIGHT, ROW = 720.0, 190.0, 150.0, 22.0


@dataclass(frozen=True)
class Panel:
    """One whole and its parts, in one unit."""

    title: str
    parts: tuple[tuple[str, float], ...]
    """(name, value), in the order they are drawn; values are not negative."""
    words: Callable[[float], str]
    """A value with its unit."""
    limit: float | None = None
    """What the whole must stay below, marked; None if there is no such thing."""
    limit_name: str = ""

    @property
    def whole(self) -> float:
        """Sum of the parts."""
        return sum(value for _, value in self.parts)

    @property
    def drawn(self) -> tuple[tuple[str, float], ...]:
        """The parts large enough to be seen."""
        return tuple((name, value) for name, value in self.parts if value > LEAST * self.whole)


def text(panel: Panel, *, plain: bool = False) -> list[str]:
    """The panel as lines for a terminal of 100 columns.

    Args:
        plain: ASCII only, for terminals that know no block characters.
    """
    whole = panel.whole
    scale = CELLS / max(whole, panel.limit or 0.0, 1e-300)
    wide = max((len(name) for name, _ in panel.drawn), default=0)
    edge = round((panel.limit or 0.0) * scale)
    lines, begun = [panel.title], 0.0
    for name, value in panel.drawn:
        bar = _bar(begun * scale, (begun + value) * scale, plain)
        if panel.limit and len(bar) < edge:
            bar = bar.ljust(edge - 1) + ("|" if plain else "▕")
        share = value / whole
        lines.append(f"  {name:<{wide}}  {bar:<{CELLS + 1}} {panel.words(value):>9}  {share:>4.0%}")
        begun += value
    ending = f" of {panel.words(panel.limit)} {panel.limit_name}" if panel.limit else ""
    lines.append(f"  {'in all':<{wide}}  {'':<{CELLS + 1}} {panel.words(whole):>9}{ending}")
    return lines


def _bar(begin: float, end: float, plain: bool) -> str:
    """A bar between two places, in characters; never less than one mark.

    >>> _bar(1.0, 3.5, False), _bar(1.0, 3.5, True), _bar(2.2, 2.3, False)
    (' ██▌', ' ###', '  ▎')
    """
    first = int(begin)
    if plain:
        return " " * first + "#" * max(1, round(end) - first)
    cells, rest = divmod(round((end - first) * 8), 8)
    return " " * first + ("█" * cells + EIGHTHS[rest].strip() or EIGHTHS[1])


def svg(title: str, note: str, panels: Sequence[Panel]) -> str:
    """The panels below one another as an SVG document, under a title and a line of small print."""
    parts: list[str] = []
    y = 50.0
    for panel in panels:
        parts += _panel(panel, y)
        y += (len(panel.drawn) + 1) * ROW + 50
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {y:g}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="12">'
    )
    lines = [
        head,
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH:g}" height="{y:g}" fill="#ffffff"/>',
        _words(14, 24, title, size=14),
        _words(14, 42, note, size=11),
        *parts,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _panel(panel: Panel, y: float) -> Iterator[str]:
    room = WIDTH - LEFT - RIGHT
    scale = room / max(panel.whole, panel.limit or 0.0, 1e-300)
    yield _words(14, y + 18, panel.title, colour=MUTED)
    top, begun = y + 28, 0.0
    bottom = top + len(panel.drawn) * ROW
    yield f'<line x1="{LEFT:g}" y1="{top:g}" x2="{LEFT:g}" y2="{bottom:g}" stroke="{GRID}"/>'
    for number, (name, value) in enumerate(panel.drawn):
        x, row = LEFT + begun * scale, top + number * ROW
        colour = COLOURS[number % len(COLOURS)]
        yield _words(LEFT - 8, row + 15, name, anchor="end")
        yield (
            f'<rect x="{x:.2f}" y="{row + 3:g}" width="{max(value * scale, 1.0):.2f}" height="{ROW - 6:g}" '
            f'fill="{colour}"/>'
        )
        yield _words(WIDTH - 14, row + 15, f"{panel.words(value)} · {value / panel.whole:.0%}", anchor="end")
        begun += value
    if panel.limit:
        x = LEFT + panel.limit * scale
        yield (
            f'<line x1="{x:.2f}" y1="{top:g}" x2="{x:.2f}" y2="{bottom:g}" stroke="{LIMIT}" '
            f'stroke-width="1.5" stroke-dasharray="4 3"/>'
        )
    ending = f" of {panel.words(panel.limit)} {panel.limit_name}" if panel.limit else ""
    yield _words(WIDTH - 14, bottom + 15, f"in all {panel.words(panel.whole)}{ending}", anchor="end")


def _words(x: float, y: float, words: str, *, anchor: str = "start", colour: str = INK, size: int = 12) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{colour}" font-size="{size}">{escape(words)}</text>'
