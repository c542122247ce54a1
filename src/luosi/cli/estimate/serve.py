"""`luosi estimate serve`: a model as a service before it starts."""

from __future__ import annotations

from typing import Annotated

import typer

from luosi.cli.common import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption
from luosi.cli.estimate.options import ModelOption, devices

PRECISIONS = ("bf16", "fp16", "fp8", "fp4", "nvfp4", "mxfp4", "int8", "int4")


def serve(
    model: ModelOption,
    on: Annotated[
        str, typer.Option(help="Which devices, as in h100; h100:8 for no more than 8; `this` for this machine.")
    ],
    prompt: Annotated[str, typer.Option(help="Tokens of a question, on average.")] = "1000",
    answer: Annotated[str, typer.Option(help="Tokens of an answer, on average.")] = "300",
    users: Annotated[str, typer.Option(help="People who use it at once in the busiest hour.")] = "",
    rps: Annotated[str, typer.Option(help="Or: requests a second in the busiest hour.")] = "",
    tokens_per_day: Annotated[str, typer.Option(help="Or: tokens of answers a day, as in 2B.")] = "",
    precision: Annotated[
        str, typer.Option(help="bf16, fp8, fp4, int8, int4; fp8 where the chip has it if left out.")
    ] = "",
    engine: Annotated[str, typer.Option(help="vllm, sglang or tensorrt-llm, with its version: `vllm 0.18`.")] = "",
    first_within: Annotated[float | None, typer.Option(help="Seconds to the first token that users bear.")] = None,
    token_within: Annotated[float | None, typer.Option(help="Seconds between tokens that they bear.")] = None,
    swing: Annotated[
        float | None, typer.Option(help="How far the busiest hour is above the day's mean, as a share.")
    ] = None,
    thinking: Annotated[float | None, typer.Option(help="Seconds between an answer and the next question.")] = None,
    price: Annotated[float | None, typer.Option(help="USD of a device's hour, in place of the listed one.")] = None,
    pue: Annotated[float | None, typer.Option(help="Of the data centre.")] = None,
    svg: Annotated[str, typer.Option(help="Write the pictures of time and memory there.", metavar="FILE")] = "",
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
) -> None:
    """Time to the first token and between tokens, batch, memory, machines by day and night, energy and money per million tokens."""
    from luosi.cli.common import print_json
    from luosi.cli.estimate.serving import as_json, print_fleet, write_svg
    from luosi.estimate.catalogue import architecture_named
    from luosi.estimate.quantities import amount, one_of, positive
    from luosi.estimate.serving.fleet import Demand, fleet

    architecture = architecture_named(model)
    chip, most = devices(on, workspace)
    asked = {"users": (users, "users"), "requests": (rps, "rps"), "tokens": (tokens_per_day, "tokens-per-day")}
    given = {name: amount(text, what) for name, (text, what) in asked.items() if text}
    habits = {"swing": swing, "thinking": thinking}
    demand = Demand(
        amount(prompt, "the prompt"), amount(answer, "the answer"),
        **given, **{name: value for name, value in habits.items() if value is not None},
    )  # fmt: skip
    limits = {
        "first_within": first_within,
        "token_within": token_within,
        "usd_hour": None if price is None else positive(price, "price"),
        "pue": None if pue is None else positive(pue, "pue", least=1.0, most=10.0),
    }
    found = fleet(
        architecture, chip, demand, precision=one_of(precision, PRECISIONS, "precision") if precision else "", engine=engine,
        most_devices=most if ":" in on else 0, **{name: value for name, value in limits.items() if value is not None},
    )  # fmt: skip
    if svg:
        write_svg(svg, found)
    if json:
        print_json(as_json(found, demand))
    else:
        print_fleet(found, demand)
