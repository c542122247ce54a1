"""What a report says, in one language, as plain text: both forms of the report and the command line print this and nothing else.

Made from the verdict, the rows of answers and the bill. Knows neither HTML nor PDF; text of other people's is as it came, so each
form must escape it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from luosi.artifacts.evidence import Score
from luosi.ledger.report import Bill, BillLine
from luosi.report.figures import NONE, energy, interval, money, percent, signed, time
from luosi.report.names import Named, named
from luosi.report.notes import notes
from luosi.report.words import Language, Words
from luosi.stages.verdict.costs import RouteMoney
from luosi.stages.verdict.money import ESTIMATED, VerdictReport
from luosi.stages.verdict.rows import AnswerRow, ArmAnswer

REASONS = 6
"""Sentences of advice that stand right below the first."""
LONGEST = 2000
"""Characters of one text that are shown; how many more there are is said."""
RIGHT = 0.5


@dataclass(frozen=True)
class Table:
    """Heads and rows; lines within a cell are apart by newlines, the first column is words."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Said:
    """One arm's answer to one question."""

    who: str
    tone: str
    """right, partly or wrong."""
    mark: str
    """Right, wrong, or percent in between."""
    text: str
    note: str
    """Citation, trouble."""


@dataclass(frozen=True)
class Asked:
    """One question."""

    number: int
    prompt: str
    facts: tuple[str, ...]
    """Choices, what is expected, where it stands."""
    answers: tuple[Said, ...]


@dataclass(frozen=True)
class Content:
    """Everything a report says."""

    words: Words
    title: str
    subtitle: str
    lead: str
    reasons: tuple[str, ...]
    findings: tuple[str, ...]
    routes: tuple[Named, ...]
    table: Table
    marking: Table | None
    scores: Table | None
    """On the self-made exam and held-out text, where the user's own questions fill the first table."""
    bill: Table | None
    questions: tuple[Asked, ...]
    notes: tuple[str, ...]


def content(
    recipe: str, verdict: VerdictReport, rows: Sequence[AnswerRow], bill: Bill | None, language: Language, when: date
) -> Content:
    """What the report says.

    Args:
        recipe: Its name.
        verdict: With its advice.
        rows: Every question with its answers; empty for none.
        bill: None for a report without.
        language: "en" or "zh".
        when: The day it is printed.
    """
    words = Words(language)
    routes = named(verdict.routes, words)
    lead, *rest = [getattr(sentence, language) for sentence in verdict.advice] or [""]
    return Content(
        words=words,
        title=words("title"),
        subtitle=words("subtitle", recipe=recipe, when=when.isoformat()),
        lead=lead,
        reasons=tuple(rest[:REASONS]),
        findings=tuple(rest[REASONS:]),
        routes=tuple(routes),
        table=routes_table(routes, words),
        marking=_marking(routes, words),
        scores=_scores(routes, words),
        bill=_bill(bill, words) if bill is not None else None,
        questions=asked_rows(verdict, rows, language),
        notes=tuple(notes(verdict, words.language)),
    )


def asked_rows(verdict: VerdictReport, rows: Sequence[AnswerRow], language: Language) -> tuple[Asked, ...]:
    """Every question as it is shown, in the order of `rows`."""
    words = Words(language)
    by_arm = {route.line.arm: route.full for route in named(verdict.routes, words) if route.line.arm}
    return tuple(_asked(number, row, by_arm, words) for number, row in enumerate(rows, 1))


Cell = Callable[[RouteMoney, Words], str]


def routes_table(routes: Sequence[Named], words: Words) -> Table:
    """One row a route: what it answers rightly (or, where nobody was asked, its scores), and what it costs."""
    if not _asked_any(routes):
        return _table(routes, _SCORES | _COSTS, words)
    return _table(_worth_asking(routes), _OWN | _COSTS, words)


def short_table(routes: Sequence[Named], words: Words) -> Table:
    """The same of routes that were asked, for the width of a terminal."""
    cells = {f"short_{head}": cell for head, cell in (_OWN | _COSTS | _SHORTER).items() if head not in _LONG}
    return _table(_worth_asking(routes), cells, words)


def _worth_asking(routes: Sequence[Named]) -> list[Named]:
    return [route for route in routes if route.line.route != "baseline"]


def _scores(routes: Sequence[Named], words: Words) -> Table | None:
    """Once a scorecard: arms with the files and without share theirs."""
    scored = {route.line.step: route for route in reversed(routes) if route.line.step}
    return _table(list(scored.values())[::-1], _SCORES, words) if scored and _asked_any(routes) else None


def _asked_any(routes: Sequence[Named]) -> bool:
    return any(route.line.own is not None for route in routes)


def _table(routes: Sequence[Named], cells: dict[str, Cell], words: Words) -> Table:
    """A column for whatever is known of any of the routes."""
    columns = {head: [cell(route.line, words) for route in routes] for head, cell in cells.items()}
    shown = {head: column for head, column in columns.items() if set(column) - {NONE}}
    rows = [
        (_name(route, words), *(column[number] for column in shown.values())) for number, route in enumerate(routes)
    ]
    return Table((words("route"), *map(words, shown)), tuple(rows))


def _name(route: Named, words: Words) -> str:
    taken = f" ({words('taken')})" if route.line.recommended else ""
    model = "" if route.line.note == ESTIMATED or route.line.model in route.name else f"\n{route.line.model}"
    return f"{route.full}{taken}{model}"


def _own(line: RouteMoney, words: Words) -> str:
    if line.own is None:
        return NONE if not line.note else words("not_asked") if line.route == "rent" else words("estimated")
    span = interval(line.own_low, line.own_high)
    parts = [percent(line.own) + (f"\n({span})" if span else "")]
    return "\n".join([*parts, words("stopped", asked=line.asked)] if line.stopped else parts)


def _own_difference(line: RouteMoney, words: Words) -> str:
    if line.own_difference is None or line.own_difference_low is None or line.own_difference_high is None:
        return NONE
    return f"{signed(line.own_difference)}\n({signed(line.own_difference_low)}..{signed(line.own_difference_high)})"


def _accuracy(line: RouteMoney, words: Words) -> str:
    if line.accuracy is None:
        return NONE
    return percent(line.accuracy) + (f" ± {line.accuracy_se * 100:.0f}" if line.accuracy_se is not None else "")


def _bits(line: RouteMoney, words: Words) -> str:
    if line.bpb is None:
        return NONE
    return f"{line.bpb:.3f}" + (f" ± {line.bpb_se:.3f}" if line.bpb_se is not None else "")


def _bits_difference(line: RouteMoney, words: Words) -> str:
    if line.difference is None:
        return NONE
    return f"{line.difference:+.3f}\n({line.difference_low:+.3f}..{line.difference_high:+.3f})".replace("-", "−")


def _answers(count: int | None) -> str:
    return NONE if count is None else f"{count:,}"


def _latency(line: RouteMoney, words: Words) -> str:
    nine = f"\n{words('nine', time=time(line.latency_p90_s))}" if line.latency_p90_s is not None else ""
    return time(line.latency_s) + nine


def _leaves(line: RouteMoney, words: Words) -> str:
    return NONE if line.route == "baseline" else words("yes" if line.leaves_house else "no")


_OWN: dict[str, Cell] = {"own": _own, "own_difference": _own_difference}
_SCORES: dict[str, Cell] = {"accuracy": _accuracy, "bpb": _bits, "difference": _bits_difference}
_COSTS: dict[str, Cell] = {
    "to_make": lambda line, words: money(line.cost_to_make),
    "per_1000": lambda line, words: money(line.cost_per_1000),
    "break_even": lambda line, words: _answers(line.break_even_answers),
    "break_even_equal": lambda line, words: _answers(line.break_even_equal_answers),
    "latency": _latency,
    "energy": lambda line, words: energy(line.energy_j),
    "leaves": _leaves,
}


_SHORTER: dict[str, Cell] = {"latency": lambda line, words: time(line.latency_s)}
_LONG = ("break_even_equal",)


def _marking(routes: Sequence[Named], words: Words) -> Table | None:
    """By grader, with what was found, cited and not answered; None where nobody was asked."""
    asked = [route for route in routes if route.line.asked]
    if not asked:
        return None
    graders = sorted({grader for route in asked for grader in route.line.by_grader})
    heads = (words("route"), *map(words, graders), words("found"), words("cited"), words("troubles"))
    rows = []
    for route in asked:
        line = route.line
        by_grader = [_score(line.by_grader.get(grader)) for grader in graders]
        silent = f"{sum(line.troubles.values())} / {line.asked}"
        rows.append((route.full, *by_grader, _score(line.found), _score(line.cited), silent))
    return Table(heads, tuple(rows))


def _score(score: Score | None) -> str:
    if score is None:
        return NONE
    span = interval(score.low, score.high)
    return percent(score.mean) + (f" ({span})" if span else "")


def _bill(bill: Bill, words: Words) -> Table:
    lines = [_bill_row(line.step, line) for line in bill.steps if line.attempts]
    heads = tuple(words(key) for key in ("step", "planned", "spent", "joules", "money"))
    return Table(heads, (*lines, _bill_row(words("total"), bill.total)))


def _bill_row(name: str, line: BillLine) -> tuple[str, ...]:
    planned = time(line.planned.seconds.p50) if line.planned else NONE
    return (name, planned, time(line.spent.seconds), energy(line.spent.joules), money(line.spent.money))


def _asked(number: int, row: AnswerRow, by_arm: dict[str, str], words: Words) -> Asked:
    expected = " / ".join(row.expected)
    place = f" ({words('stands_in', place=row.place)})" if row.place else ""
    choices = [f"{words('choices')}: {' | '.join(row.choices)}"] if row.choices else []
    facts = [
        *choices,
        f"{words('expected')}: {_cut(expected, words)}{place}; {words('marked_by', grader=words(row.grader))}",
    ]
    said = tuple(_said(answer, by_arm, words) for answer in row.answers)
    return Asked(number, _cut(row.prompt, words), tuple(facts), said)


def _said(answer: ArmAnswer, by_arm: dict[str, str], words: Words) -> Said:
    tone = "right" if answer.mark > RIGHT else "partly" if answer.mark else "wrong"
    mark = words(tone) if answer.mark in (0.0, 1.0) else percent(answer.mark)
    text = _cut(answer.text, words) if answer.text.strip() else words("silent")
    parts = [words("cites", places="; ".join(answer.cited))] if answer.cited else []
    if answer.shown and not answer.cited:
        parts.append(words("cites_nothing", shown=answer.shown))
    if answer.judge_agrees is False:
        parts.append(words("judge_differs"))
    if answer.trouble:
        parts.append(answer.trouble)
    return Said(by_arm.get(answer.arm, answer.arm), tone, mark, text, "; ".join(parts))


def _cut(text: str, words: Words) -> str:
    text = text.strip()
    more = len(text) - LONGEST
    return text if more <= 0 else f"{text[:LONGEST]}{words('cut', count=f'{more:,}')}"
