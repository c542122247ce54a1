"""A training run's estimate as tables, pictures and JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from luosi.cli.common import print_table
from luosi.cli.estimate.pictures import draw, span, write
from luosi.estimate.picture import Panel
from luosi.estimate.quantities import count, dollars, duration, energy, gigabytes, power
from luosi.estimate.training.advice import layout_words
from luosi.estimate.training.job import BEST_MFU, Job, Step
from luosi.estimate.training.layouts import PINS
from luosi.estimate.training.outlay import Outlay
from luosi.estimate.training.search import Configuration

PART_NAMES = {
    "compute": "matrix products",
    "attention": "attention",
    "memory_bound": "norms, kernel starts",
    "tensor_comm": "tensor, context exchange",
    "expert_comm": "expert exchange",
    "data_comm": "gradients, weights",
    "pipeline_bubble": "pipeline bubble",
    "pipeline_comm": "stage to stage",
    "optimizer": "optimizer",
}


def print_job(job: Job, spent: Outlay) -> None:
    """The run from its step to its money, and what else could be done; sources last."""
    run, best = job.wanted, job.best
    arch, chip, asked = run.architecture, run.chip, run.asked
    active = f", {count(arch.active)} active" if arch.experts else ""
    print(
        f"{arch.name} ({count(arch.parameters)}{active}) on {asked.devices:,} {chip.name}, {asked.precision}"
        f"{', LoRA' if asked.lora else ''}: {count(run.tokens)} tokens in {job.steps:,} steps of {asked.global_batch:,} x {asked.sequence:,}"
    )
    print(f"layout: {layout_words(best.configuration)}; MFU {best.mfu:.0%}")
    for line in run.assumed:
        print(f"assumed: {line}")
    print()
    for panel in panels(job):
        draw(panel)
        print()
    print_table("", ["", "", "note"], _figures(job, spent), left=3)
    print()
    _print_others(job)
    for line in _sources(job, spent):
        print(line)


def panels(job: Job) -> list[Panel]:
    """Where a step's time goes, and what fills a device."""
    step = job.best
    said = f"one step: {span(step.seconds, duration)}"
    time = tuple((PART_NAMES[name], value) for name, value in step.parts.items())
    memory = tuple(step.memory.items())
    limit = job.wanted.chip.memory_gb * 1e9
    return [
        Panel(said, time, duration),
        Panel("memory of the fullest device", memory, gigabytes, limit, f"of one {job.wanted.chip.name}"),
    ]


def write_svg(path: str, job: Job) -> None:
    """The pictures into a file."""
    run = job.wanted
    title = f"{run.architecture.name} on {run.asked.devices:,} {run.chip.name}, {run.asked.precision}"
    write(path, title, f"{layout_words(job.best.configuration)}; MFU {job.best.mfu:.0%}", panels(job))


def as_json(job: Job, spent: Outlay) -> dict[str, Any]:
    """Everything that is printed, and the parts of it; seconds, bytes, joules, watts and USD."""
    run = job.wanted
    return {
        "model": {
            "name": run.architecture.name,
            "parameters": run.architecture.parameters,
            "active": run.architecture.active,
        },
        "chip": asdict(run.chip),
        "asked": asdict(run.asked) | {"tokens": run.tokens, "assumed": run.assumed},
        "steps": job.steps,
        "step": _step_json(job.best) | {"usable_bytes": job.usable_bytes},
        "run": {
            "flop": job.flop,
            "seconds_at_work": job.seconds,
            "seconds": spent.seconds,
            "days": spent.seconds.times(1 / 86_400),
            "goodput": asdict(spent.goodput),
            "checkpoint": asdict(spent.checkpoint) | {"taken": spent.checkpoints},
            "failures": spent.failures,
        },
        "energy": {"joules": spent.joules, "watts": spent.watts},
        "racks": {"servers": spent.servers, "racks": spent.racks, "rack_kw": spent.rack_kw},
        "money": [asdict(way) for way in spent.ways],
        "limits": {
            "seconds_at_peak": job.least_seconds,
            "joules_at_peak": spent.least_joules,
            "best_published_mfu": BEST_MFU,
        },
        "other_layouts": [_step_json(step) for step in job.others],
        "other_counts": [asdict(point) | {"configuration": _layout_json(point.configuration)} for point in job.counts],
        "search": {"configurations": job.found.looked_at, "fitting": job.found.fitting},
    }


def _step_json(step: Step) -> dict[str, Any]:
    return {
        "layout": _layout_json(step.configuration),
        "seconds": step.seconds,
        "parts": step.parts,
        "mfu": step.mfu,
        "flop": step.flop,
        "memory": step.memory,
    }


def _layout_json(one: Configuration) -> dict[str, int]:
    return {name: getattr(one, name) for name in PINS}


def _figures(job: Job, spent: Outlay) -> list[list[str]]:
    good, peak = spent.goodput, job.least_seconds
    rows = [
        [
            "on the clock",
            span(spent.seconds, duration),
            f"{duration(job.seconds.p50)} at work; {good.useful:.0%} of the time counts",
        ],
        [
            "failures",
            f"{spent.failures:.3g}" if spent.failures >= 0.01 else "under 0.01",
            f"one in {duration(good.mtbf_s)}: {good.redone + good.restarts:.1%} of the time; a checkpoint every {duration(good.interval_s)}, "
            f"{duration(spent.checkpoint.blocking_s)} each: {good.checkpoints:.1%}",
        ],
        [
            "energy",
            energy(spent.joules.p50),
            f"{energy(spent.joules.p10)} - {energy(spent.joules.p90)}; {power(spent.watts)} at the meter",
        ],
        ["racks", f"{spent.racks:,}", f"of {spent.rack_kw:g} kW, for {spent.servers:,} servers"],
    ]
    for way in spent.ways:
        if way.usd is None:
            rows.append([f"money, {way.name}", "unknown", way.refused])
        else:
            longer = f", {duration(way.seconds.p50)}" if way.seconds and way.name == "spot" else ""
            note = f"{dollars(way.usd.p10)} - {dollars(way.usd.p90)}{longer}" + (f"; {way.note}" if way.note else "")
            rows.append([f"money, {way.name}", dollars(way.usd.p50), note])
    rows.append(
        [
            "physics",
            duration(peak),
            f"at the chips' peak, {energy(spent.least_joules)}; {duration(peak / BEST_MFU)} at the best published MFU, {BEST_MFU:.0%}",
        ]
    )
    return rows


def _print_others(job: Job) -> None:
    rows = [
        [layout_words(step.configuration), span(step.seconds, duration), f"{step.mfu:.0%}",
         gigabytes(sum(step.memory.values()))]
        for step in (job.best, *job.others)
    ]  # fmt: skip
    print_table(
        f"Layouts, the best of {job.found.looked_at:,} looked at, {job.found.fitting:,} fit",
        ["layout", "step", "MFU", "memory"],
        rows,
    )
    if len(job.counts) > 1:
        lines = [
            [f"{point.devices:,} {point.chip}", duration(point.days * 86_400), count(point.device_hours),
             "unknown" if point.usd is None else dollars(point.usd), layout_words(point.configuration)]
            for point in job.counts
        ]  # fmt: skip
        print()
        print_table(
            "Time against money, failures left out", ["devices", "time", "device-hours", "rented", "note"], lines
        )
    print()


def _sources(job: Job, spent: Outlay) -> list[str]:
    chip = job.wanted.chip
    peak = f"{chip.tflops(job.wanted.asked.precision):g} TFLOP/s, {chip.memory_gb:g} GB, {chip.memory_gbs:g} GB/s"
    lines = [f"source: {chip.name}, {peak}: {chip.source}"]
    known = dict.fromkeys(source for way in spent.ways for source in way.sources)
    return lines + [f"source: {source}" for source in known]
