"""Tables that turn into cards on a phone. Takes texts, which it escapes, or markup; gives markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

from luosi.web.figures import NONE


def table(name: str, heads: Sequence[str], rows: Iterable[Sequence[str]], total: Sequence[str] | None = None) -> Markup:
    """A table called `name`; the first cell of a row is its heading, `total` is the last row."""
    top = Markup("").join(Markup('<th scope="col">{}</th>').format(head) for head in heads)
    body = Markup("").join(_row(heads, row) for row in rows)
    foot = Markup("<tfoot>{}</tfoot>").format(_row(heads, total)) if total else ""
    return Markup(
        '<table class="figures" aria-label="{}"><thead><tr>{}</tr></thead><tbody>{}</tbody>{}</table>'
    ).format(name, top, body, foot)


def _row(heads: Sequence[str], cells: Sequence[str]) -> Markup:
    first = Markup('<th scope="row">{}</th>').format(cells[0])
    rest = Markup("").join(
        Markup('<td data-head="{}" class="{}">{}</td>').format(head, "" if cell not in ("", NONE) else "void", cell)
        for head, cell in zip(heads[1:], cells[1:], strict=True)
    )
    return Markup("<tr>{}{}</tr>").format(first, rest)


def two_lines(main: str, small: str) -> Markup:
    """A figure with something smaller below it, if there is."""
    return Markup("<span>{}</span><small>{}</small>").format(main, small) if small else escape(main)


def badge(state: str, word: str) -> Markup:
    """A state as a coloured word."""
    return Markup('<span class="badge {}">{}</span>').format(state.replace(" ", "-"), word)
