"""A company's estimate told in a terminal: plain text, complete without colour, 100 columns or fewer where names are short.

Takes what `report.estimate_company` made; adds no figures.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from luosi.estimate.quantities import count

Json = dict[str, Any]


def as_text(found: Json) -> str:
    """The whole estimate."""
    return "\n".join(_lines(found))


def amount(value: float | None, never: str = "-") -> str:
    """A number in three digits, with its size.

    >>> amount(1_530_000.0), amount(-2.5e9), amount(0.034), amount(1.68e21)
    ('1.53M', '-2.5B', '0.034', '1.68e+21')
    """
    if value is None:
        return never
    plain = abs(value) >= 1e16 or abs(value) < 999.5
    return f"{value:.3g}" if plain else f"{'-' * (value < 0)}{count(abs(value))}"


def span(found: Json, never: str = "-") -> str:
    """The median, and 10th to 90th percentile if they differ."""
    low, middle, high = (amount(found[name], never) for name in ("p10", "p50", "p90"))
    return middle if low == high else f"{middle} ({low} to {high})"


def _lines(found: Json) -> Iterator[str]:
    yield f"{found['name']}: {found['months']} months from {found['start']}, {found['currency']}, {found['trials']} trials"
    if found["about"]:
        yield found["about"]
    if found["budget"]:
        yield ""
        yield "What the money goes to"
        for name, row in found["budget"].items():
            indent = "    " if "." in name else "  "
            yield f"{indent}{name:<20} {span(row['cost']):<36} {100 * (row['share']['p50'] or 0):5.1f} %"
        yield from _years(found)
    if found["outlook"]:
        yield from _outlook(found)
    for model in found["models"]:
        yield from _model(model, bool(found["outlook"]))
    yield from _ways(found)
    yield from _own_or_api(found)
    if found["claims"]:
        yield ""
        yield "Published figures"
        for claim in found["claims"]:
            yield f"  {claim['text']}"
    if found["sources"]:
        yield ""
        yield "Prices and figures from"
        for source in found["sources"]:
            yield f"  {source}"


def _years(found: Json) -> Iterator[str]:
    yield ""
    yield f"  {'year':<6}" + "".join(f"{name:<26}" for name in ("cost", "revenue", "cash at the end")).rstrip()
    for year, row in found["by_year"].items():
        cells = (span(row[name]) for name in ("cost", "revenue", "cash"))
        yield f"  {year:<6}" + "".join(f"{cell:<26}" for cell in cells).rstrip()


def _outlook(found: Json) -> Iterator[str]:
    outlook, months = found["outlook"], found["months"]
    yield ""
    yield f"  money ends after     {span(outlook['runway_months'], 'later')} months; within {months} with a chance of {outlook['chance_money_ends']:.0%}"
    yield f"  breaks even after    {span(outlook['break_even_months'], 'later')} months; within {months} with a chance of {outlook['chance_break_even']:.0%}"
    if (outlook["missing_at_worst"]["p90"] or 0) > 0:
        yield f"  missing at worst     {span(outlook['missing_at_worst'])}"
    if "cost_per_user_month" in outlook:
        yield f"  a user costs         {span(outlook['cost_per_user_month'])} a month"
    if "serving_cost_per_million_tokens" in outlook:
        yield f"  a million tokens     {span(outlook['serving_cost_per_million_tokens'])} to serve"


def _model(model: Json, cash: bool) -> Iterator[str]:
    yield ""
    yield f"Model {model['name']}: {span(model['flop'])} FLOP in {span(model['days'])} days on {span(model['devices'])} devices"
    if "parameters_b" in model:
        yield f"  {span(model['parameters_b'])} billion active parameters, {span(model['tokens_b'])} billion tokens"
    price = f", {span(model['usd'])} USD" if "usd" in model else ", price unknown"
    yield f"  {span(model['device_hours'])} device-hours{price}, {span(model['mwh'])} MWh"
    ends = f"; the money ends first with a chance of {model['chance_money_ends_first']:.0%}" if cash else ""
    yield f"  ships after {span(model['ships'])} months{ends}"


def _ways(found: Json) -> Iterator[str]:
    for fleet in dict.fromkeys(way["fleet"] for way in found["ways"]):
        yield ""
        yield f"Other ways to hold {fleet}, USD a device-hour at work and a year in all"
        for way in (way for way in found["ways"] if way["fleet"] == fleet):
            if way["usd_hour"] is None:
                yield f"  {way['way']:<32} unknown         {way['refused']}"
            else:
                parts = ", ".join(f"{name} {usd:.3g}" for name, usd in way["parts"].items())
                yield f"  {way['way']:<32} {way['usd_hour']:<7.2f} {amount(way['usd_year']):<7} {parts}"


def _own_or_api(found: Json) -> Iterator[str]:
    both = found["own_or_api"]
    if not both:
        return
    yield ""
    yield f"Own model (training, serving) {span(both['own'])}, renting one {span(both['api'])} ({both['source']})"
    yield f"  the own one is cheaper with a chance of {both['chance_own_is_cheaper']:.0%}{_from(both['break_even_months'])}"
    yield f"  at the last month's margin it is from {amount(both['break_even_tokens_a_month'], 'no number of')} tokens a month on"


def _from(month: Json) -> str:
    return f", from month {span(month, 'later')} on" if month["p50"] is not None else ""
