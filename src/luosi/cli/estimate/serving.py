"""A service's estimate as tables, pictures and JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from luosi.cli.common import print_table
from luosi.cli.estimate.pictures import draw, span, write
from luosi.estimate.picture import Panel
from luosi.estimate.quantities import count, dollars, duration, energy, gigabytes
from luosi.estimate.serving.fleet import Demand, Fleet

PART_NAMES = {
    "weights": "reading weights",
    "cache": "reading keys and values",
    "compute": "matrix products",
    "reduce": "exchange",
    "fixed": "kernel starts, scheduling",
    "prefills": "others' prompts",
}


def print_fleet(found: Fleet, demand: Demand) -> None:
    """One copy, then the fleet, then what a million tokens costs; sources last."""
    run, copy = found.run, found.copy
    arch = run.architecture
    print(
        f"{arch.name} ({count(arch.parameters)}) in {run.precision} on {run.chip.name}: {demand.prompt:,.0f} tokens in, {demand.answer:,.0f} out, "
        f"{found.requests:.3g} requests a second in the busiest hour"
    )
    print(f"one copy: {run.devices} device{'s' if run.devices > 1 else ''}, filled to {run.concurrency:,.0f} users\n")
    for panel in panels(found):
        draw(panel)
        print()
    rows = [
        ["first token", span(copy.first, duration), f"and {duration(found.waiting) if found.waiting >= 0.001 else 'no'} waiting for a place in the busiest hour"],
        ["between tokens", span(copy.token, duration), f"{1 / copy.token.p50:.3g} tokens a second for one user"],
        ["tokens a second", span(copy.tokens_per_second, count), f"of one copy; {copy.batch:.3g} requests decoded at once"],
        ["keys and values", f"{copy.cache_gb:.3g} GB", f"of that batch; there are places for {copy.places:,.0f} requests"],
        ["devices by day", span(found.devices, lambda value: f"{value:,.0f}"), f"{found.copies:,} copies; {found.copies_by_night:,} by night, "
         f"{found.mean_devices:,.3g} devices on average"],
        ["tokens a day", count(found.tokens_a_day), "of answers"],
        ["energy", span(found.joules_per_million, energy), f"a million tokens of answers; {found.joules_per_million.p50 / 1e6:.3g} J a token"],
        ["money", span(found.dollars_per_million, dollars, "unknown"), "a million tokens of answers, rented as needed" if found.hour
         else f"no price of {run.chip.name} is known: give --price"],
    ]  # fmt: skip
    print_table("", ["", "", "note"], rows, left=3)
    print()
    print(f"source: {run.chip.name}, {run.chip.memory_gb:g} GB, {run.chip.memory_gbs:g} GB/s: {run.chip.source}")
    for quote in found.hour.quotes if found.hour else ():
        print(f"source: {quote}")


def panels(found: Fleet) -> list[Panel]:
    """Where the time between tokens goes, and what fills one copy's memory."""
    run, copy = found.run, found.copy
    shown = {PART_NAMES.get(name, name): max(value, 0.0) for name, value in copy.step.items()}
    scale = copy.token.p50 / sum(shown.values())
    parts = tuple((name, value * scale) for name, value in shown.items())
    memory = (("weights", copy.weights_gb * 1e9), ("keys and values", copy.cache_gb * 1e9))
    limit = run.chip.memory_gb * 1e9 * run.devices
    return [
        Panel(f"between two tokens: {span(copy.token, duration)}", parts, duration),
        Panel("memory of one copy", memory, gigabytes, limit, f"of {run.devices} {run.chip.name}"),
    ]


def write_svg(path: str, found: Fleet) -> None:
    """The pictures into a file."""
    run = found.run
    title = f"{run.architecture.name} in {run.precision} on {run.devices} {run.chip.name}"
    write(path, title, f"one copy, filled to {run.concurrency:,.0f} users", panels(found))


def as_json(found: Fleet, demand: Demand) -> dict[str, Any]:
    """Everything that is printed, and the parts of it; seconds, GB, joules and USD."""
    run = found.run
    return {
        "model": {
            "name": run.architecture.name,
            "parameters": run.architecture.parameters,
            "active": run.architecture.active,
        },
        "chip": asdict(run.chip),
        "demand": asdict(demand) | {"requests_a_second": found.requests},
        "copy": {
            "devices": run.devices,
            "tensor": run.tensor,
            "precision": run.precision,
            "users": run.concurrency,
            **asdict(found.copy),
        },
        "waiting_s": found.waiting,
        "copies": {"day": found.copies, "night": found.copies_by_night},
        "devices": found.devices,
        "mean_devices": found.mean_devices,
        "tokens_a_day": found.tokens_a_day,
        "joules_per_million": found.joules_per_million,
        "usd_per_million": found.dollars_per_million,
        "price": asdict(found.hour) if found.hour else None,
    }
