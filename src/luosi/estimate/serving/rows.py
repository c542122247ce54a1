"""Rows of a table of inference runs as deployments, by an allow-list of columns: what was measured is never read.

Made from a CSV with the columns of data/inference_runs.csv. Every row becomes a deployment if it names a model by a known name or a size:
an unknown chip is taken for a usual one of its year, missing lengths for those of the benchmark's data.
"""

from __future__ import annotations

import math
import re
from functools import cache

from luosi.errors import InputError
from luosi.estimate.architecture import Architecture, of_parameters
from luosi.estimate.catalogue import architecture_in
from luosi.estimate.chips import Chip, chip, chip_in
from luosi.estimate.serving.deployment import Deployment, Scenario, is_processor
from luosi.estimate.tables import Row, number

INPUTS = (
    "model", "params_total_b", "params_active_b", "precision", "hardware", "count", "engine", "scenario", "concurrency", "isl", "osl",
    "tp", "pp", "dp", "ep", "mode",
)  # fmt: skip
"""What a prediction may read."""

_LENGTHS = (
    ("gptj", 870, 69, 4),
    ("gpt-j", 870, 69, 4),
    ("llama2-70b", 294, 294, 1),
    ("405b", 9428, 685, 1),
    ("8b", 778, 73, 1),
    ("mixtral", 270, 145, 1),
    ("deepseek", 798, 3880, 1),
    ("gpt-oss", 1000, 2000, 1),
)
"""Mean tokens of prompt and answer, and beams, of the data MLPerf Inference runs each model on (OpenOrca, CNN/DailyMail, LongBench, ..)."""
_OTHER_LENGTHS = (1024, 512, 1)
_PRODUCTION = {"prefill": (5000, 1), "decode": (4989, 1000)}
"""Lengths of rows that are of one half of a split service; DeepSeek's overview gives the mean that a decoder holds."""
_USUAL_CHIP = "H100-SXM"
_USUAL_CHIPS = (
    ("mi3", "MI300X"), ("amd", "MI300X"), ("tpu", "TPU v6e"), ("gaudi", "Gaudi2"), ("blackwell", "B200-SXM"), ("ascend", "Ascend 910B"),
    ("epyc", "EPYC 9654 2S"), ("cpu", "Xeon 8592+ 2S"), ("rtx", "RTX 4090"), ("orin", "Jetson AGX Orin"),
)  # fmt: skip
"""What stands for a chip that the table lacks, by a part of its name; else _USUAL_CHIP."""


def inputs(row: Row) -> dict[str, str]:
    """The row's columns that a prediction may read; others are left out."""
    return {name: (row.get(name) or "").strip() for name in INPUTS}


def deployment_of(row: Row) -> Deployment:
    """What a row describes.

    Args:
        row: Its columns by name; those outside INPUTS are not read.

    Raises:
        InputError: A number is none, or the model has no known name and no size.
    """
    row = inputs(row)
    device = chip_of(row["hardware"])
    total = number(row, "params_total_b") * 1e9
    model = _model(row["model"], total, number(row, "params_active_b") * 1e9)
    devices, tensor, copies = _spread(row, device)
    scenario = _scenario(row)
    prompt, answer, beams = _lengths(row)
    precision = row["precision"].lower()
    return Deployment(
        architecture=model,
        chip=device,
        precision=precision or ("int8" if is_processor(device) else "fp8" if scenario != "closed" else "bf16"),
        prompt=prompt,
        answer=answer,
        devices=devices,
        tensor=tensor,
        copies=copies,
        concurrency=number(row, "concurrency") or 1.0,
        scenario=scenario,
        engine=row["engine"],
        beams=beams,
        stated=bool(precision),
    )


@cache
def chip_of(text: str) -> Chip:
    """The chip that a table names; the nearest of a usual kind where its name is not known."""
    found = chip_in(text) or next(filter(None, map(chip_in, re.split(r"[^A-Za-z0-9]+", text))), None)
    if found is not None:
        return found
    lower = text.lower()
    return chip(next((name for part, name in _USUAL_CHIPS if part in lower), _USUAL_CHIP))


@cache
def _model(name: str, total: float, active: float) -> Architecture:
    """By its name if the sizes agree with the row's; else by its size."""
    known = architecture_in(name)
    if known is not None and (not total or abs(math.log(known.parameters / total)) < 0.15):
        return known
    if not total:
        raise InputError(
            f"the model {name!r} is not in the catalogue and the row gives no params_total_b", hint="give its size"
        )
    return of_parameters(total, active=active if 0 < active < 0.9 * total else 0.0, name=name)


def _spread(row: Row, device: Chip) -> tuple[int, int, int]:
    """Devices, tensor width and copies, as they ran.

    Some published tables write a width of tp = ep * ep, or dp = ep * ep, and that many devices, for one node in which the same `ep`
    devices are cut both ways (their other rows with the same figures show it); and ep = tp * dp for tp devices. A row of one half of a
    split service counts a node of the many that hold its experts.
    """
    tp, pp, dp, ep = (int(max(1, number(row, column))) for column in ("tp", "pp", "dp", "ep"))
    devices = int(number(row, "count")) or tp * pp * dp
    if ep > 1 and tp == ep * ep:
        tp, devices = ep, devices // ep
    elif ep > 1 and dp == ep * ep:
        dp, devices = ep, devices // ep
    elif dp > 1 and tp > 1 and ep == tp * dp:
        dp, devices = 1, devices // dp
    if half_of(row):
        devices = max(devices, ep)
    if tp > max(8, min(16, device.scaleup_devices)):
        tp, dp = 1, tp * dp
    return max(1, devices), tp, dp


def half_of(row: Row) -> str:
    """ "prefill" or "decode" if the row is of one half of a split service; else empty."""
    found = re.search(r"prefill|decode", (row.get("scenario") or "").lower())
    return found[0] if found else ""


def _scenario(row: Row) -> Scenario:
    name = row["scenario"].lower()
    if number(row, "isl") or number(row, "osl"):
        return "closed"
    return "server" if "server" in name else "interactive" if "interactive" in name else "offline"


def _lengths(row: Row) -> tuple[float, float, int]:
    if number(row, "isl") or number(row, "osl"):
        return number(row, "isl") or 1024.0, number(row, "osl") or 256.0, 1
    if half := half_of(row):
        return (*_PRODUCTION[half], 1)
    name = re.sub(r"[ _]", "-", row["model"].lower())
    return next((tuple(sizes) for part, *sizes in _LENGTHS if part in name), _OTHER_LENGTHS)  # type: ignore[return-value]
