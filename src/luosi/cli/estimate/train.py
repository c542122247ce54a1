"""`luosi estimate train`: a training run before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from luosi.cli.common import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption
from luosi.cli.estimate.options import ModelOption, OnOption, devices

if TYPE_CHECKING:
    from luosi.estimate.training.outlay import Terms


def _open(words: str) -> Any:
    return typer.Option(help=f"{words} Open unless given.")


def train(
    model: ModelOption,
    on: OnOption,
    tokens: Annotated[str, typer.Option(help="To train on, as in 15T; 20 for each active parameter if left out.")] = "",
    precision: Annotated[str, typer.Option(help="bf16, fp16, fp8, mxfp8, nvfp4, mxfp4, int8.")] = "bf16",
    sequence: Annotated[str, typer.Option(help="Tokens of a sequence.")] = "4096",
    batch: Annotated[str, typer.Option(help="Sequences of an optimizer step; by the run's FLOP if left out.")] = "",
    tp: Annotated[int | None, _open("Tensor parallelism.")] = None,
    pp: Annotated[int | None, _open("Pipeline stages.")] = None,
    dp: Annotated[int | None, _open("Copies of the model, sharded or not.")] = None,
    cp: Annotated[int | None, _open("Devices that share a sequence.")] = None,
    ep: Annotated[int | None, _open("Devices that share a layer's experts.")] = None,
    micro_batch: Annotated[int | None, _open("Sequences that a device takes at once.")] = None,
    virtual_stages: Annotated[int | None, _open("Pieces that a pipeline stage is cut into.")] = None,
    zero: Annotated[int | None, _open("Copies share out: 0 nothing, 1 states, 2 gradients, 3 weights (FSDP).")] = None,
    recompute: Annotated[str, _open("none, selective or full.")] = "",
    lora: Annotated[bool, typer.Option("--lora", help="Train adapters, not the model.")] = False,
    against: Annotated[
        list[str], typer.Option(help="Other devices to set beside it, as in b200:512. May be repeated.")
    ] = [],
    framework: Annotated[str, typer.Option(help="As tables name it: Megatron-Bridge, MaxText, torchtitan, ..")] = "",
    rack_kw: Annotated[float | None, typer.Option(help="What one rack is fed and cooled with.")] = None,
    pue: Annotated[float | None, typer.Option(help="Of the data centre.")] = None,
    price: Annotated[float | None, typer.Option(help="USD of a device's hour, in place of the listed one.")] = None,
    spot_price: Annotated[float | None, typer.Option(help="The same on the spot market.")] = None,
    spot_taken: Annotated[float | None, typer.Option(help="Share of spot servers taken back in a month.")] = None,
    svg: Annotated[str, typer.Option(help="Write the pictures of time and memory there.", metavar="FILE")] = "",
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
) -> None:
    """Step time and where it goes, memory, days, failures, energy, racks and money; what is left open is searched."""
    from luosi.cli.common import print_json
    from luosi.cli.estimate.training import as_json, print_job, write_svg
    from luosi.estimate.training.asking import wanted
    from luosi.estimate.training.job import plan
    from luosi.estimate.training.outlay import outlay

    pins = {
        "tp": tp, "pp": pp, "dp": dp, "cp": cp, "ep": ep, "micro_batch": micro_batch, "virtual_stages": virtual_stages,
        "zero": zero,
    }  # fmt: skip
    terms = _terms(rack_kw, pue, price, spot_price, spot_taken)
    run = wanted(
        model=model, on=devices(on, workspace), tokens=tokens, precision=precision, sequence=sequence, batch=batch,
        recompute=recompute, lora=lora, pins=pins,
    )  # fmt: skip
    job = plan(run, framework=framework, against=[devices(one, workspace) for one in against])
    spent = outlay(job, terms)
    if svg:
        write_svg(svg, job)
    if json:
        print_json(as_json(job, spent))
    else:
        print_job(job, spent)


def _terms(
    rack_kw: float | None, pue: float | None, price: float | None, spot_price: float | None, spot_taken: float | None
) -> Terms:
    from luosi.estimate.quantities import positive
    from luosi.estimate.training.outlay import Terms

    given = {
        "rack_kw": None if rack_kw is None else positive(rack_kw, "rack-kw"),
        "pue": None if pue is None else positive(pue, "pue", least=1.0, most=10.0),
        "usd_hour": None if price is None else positive(price, "price"),
        "usd_hour_spot": None if spot_price is None else positive(spot_price, "spot-price"),
        "taken_a_month": None if spot_taken is None else positive(spot_taken, "spot-taken", most=100.0),
    }
    return Terms(**{name: value for name, value in given.items() if value is not None})
