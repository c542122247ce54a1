"""A row of a table of training runs as a case to predict, and what it says was observed.

Made from the allowed columns alone (`tables.inputs`); what a row leaves open gets a usual value: sizes from the count of parameters,
parallelism from what fits. Observed figures are made comparable first: FLOP rates are counted as their sources count them.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from luosi.estimate.architecture import Architecture, of_parameters, of_sizes
from luosi.estimate.catalogue import architecture_in
from luosi.estimate.chips import Chip, chip_in, chips
from luosi.estimate.tables import Row, number
from luosi.estimate.training.physics import Runs
from luosi.estimate.training.usual import Known, usual_run

GENERIC_CHIP = "H100-SXM"


@dataclass(frozen=True)
class Case:
    """What a prediction reads of a row."""

    arch: Architecture
    chip: Chip
    run: Runs
    """Of length one."""
    framework: str
    kind: str
    stated: bool
    """Whether the row gives its parallelism."""
    batch_known: bool
    tokens: float
    """Of the whole run; 0 if not given."""


def case_of(row: Row) -> Case:
    """The case of a row; nothing in it is refused but cells that are no numbers.

    Raises:
        InputError: A cell that should be a number is none.
    """
    arch = _architecture(row)
    chip = chip_of(row["hardware"])
    sequence = number(row, "seq_len") or 4096.0
    batch = number(row, "gbs_seqs") or number(row, "gbs_tokens") / sequence
    given = batch > 0
    devices = number(row, "count") or 256.0
    micro = number(row, "mbs")
    if not batch:
        batch = devices * micro if micro else max(devices, 4e6 / sequence if number(row, "tokens_b") else devices)
    run = _run(row, arch, chip, devices, sequence, max(1.0, batch))
    return Case(
        arch=arch,
        chip=chip,
        run=run,
        framework=row["framework"],
        kind=row["kind"],
        stated=bool(row["tp"] and row["pp"]),
        batch_known=given and number(row, "count") > 0,
        tokens=number(row, "tokens_b") * 1e9,
    )


def chip_of(text: str) -> Chip:
    """The chip that a free text names; of one the table does not have, that of the nearest name, or a usual one."""
    known = chip_in(text)
    if known:
        return known
    names = {one.name.lower(): one for one in chips()}
    near = difflib.get_close_matches(text.lower(), names, n=1, cutoff=0.5)
    return names[near[0]] if near else names[GENERIC_CHIP.lower()]


def _architecture(row: Row) -> Architecture:
    """The catalogue's, where it has one of that name and size; else what the row says; else what its count of parameters implies."""
    total, active = number(row, "params_total_b") * 1e9, number(row, "params_active_b") * 1e9
    layers, width = int(number(row, "layers")), int(number(row, "hidden"))
    known = architecture_in(row["model"])
    if known and (not layers or (known.layers, known.width) == (layers, width)):
        return known
    if not layers or not width:
        return _by_count(row["model"], total, active, row["kind"])
    return of_sizes(
        row["model"],
        layers=layers,
        width=width,
        heads=int(number(row, "heads") or max(1, width // 128)),
        kv_heads=0 if row["kv_heads"] == "MLA" else int(number(row, "kv_heads")),
        ff=int(number(row, "ffn")),
        vocab=int(number(row, "vocab")),
        experts=int(number(row, "experts")),
        active_experts=int(number(row, "topk")),
        parameters=total,
        active=active,
    )


def _by_count(name: str, total: float, active: float, kind: str) -> Architecture:
    """Of a model without sizes: from its counts, or from the size in its name."""
    if not total:
        plain = name.lower().replace("_", " ")
        total, active = next((counts for word, counts in _COUNTS if word in plain), (_size_in(name), 0.0))
    if not active and "moe" in kind:
        active = total / USUAL_SPARSITY
    return of_parameters(min(max(total, 1e7), 1e14), active=active if active < 0.9 * total else 0.0, name=name)


_COUNTS = (("nemotron 3 super", (120e9, 12e9)), ("nemotron 3 ultra", (500e9, 50e9)))
"""All and active parameters of models whose sizes are not published in full."""
USUAL_SPARSITY = 15.0
"""Parameters of a mixture of experts for each active one, where nobody says."""


def _size_in(name: str) -> float:
    """The "70B" in a name, as a number; 7e9 if there is none."""
    found = re.search(r"(\d+(?:\.\d+)?)\s*([bmt])(?![a-z])", name.lower())
    return float(found[1]) * {"m": 1e6, "b": 1e9, "t": 1e12}[found[2]] if found else 7e9


def _run(row: Row, arch: Architecture, chip: Chip, devices: float, sequence: float, batch: float) -> Runs:
    name, sharding, again = row["framework"].lower(), row["zero_fsdp"].lower(), row["recompute"]
    sharded = "fsdp" in sharding or "zero3" in sharding or any(one in name for one in _SHARDING)
    known = Known(
        devices=devices,
        precision=_precision(row["precision"], chip, row["framework"]),
        sequence=sequence,
        batch=batch,
        micro=number(row, "mbs"),
        tp=number(row, "tp"),
        pp=number(row, "pp"),
        cp=number(row, "cp") or (1.0 if number(row, "tp") else 0.0),
        ep=number(row, "ep"),
        virtual=number(row, "vp") or (1.0 if any(one in name for one in _ONE_CHUNK) else 0.0),
        recompute=_RECOMPUTE.get(again.split("+")[0], -1.0 if not row["tp"] else 0.0),
        sharded=sharded,
        gathered_once="grad" in sharding,
        lora="lora" in row["model"].lower(),
    )
    return usual_run(arch, chip, known)


_SHARDING = ("maxtext", "llm-foundry", "torchtitan")
"""Frameworks that shard weights whatever a row says."""
_ONE_CHUNK = ("torchtitan",)
"""Frameworks whose pipelines are not interleaved unless somebody asks."""
_RECOMPUTE = {"none": 0.0, "selective": 1.0, "minimal": 1.0, "partial": 1.0, "qkv_proj_offloaded": 1.5, "full": 2.0}


def _precision(text: str, chip: Chip, framework: str) -> str:
    """What a row says; where it does not, what its submission's chips are used at."""
    if text and text != "unstated":
        return text
    if not framework.startswith("MLPerf"):
        return "bf16"
    if chip.fp4_tflops and "v5.1" in framework:
        return "nvfp4"
    return "fp8" if chip.fp8_tflops else "int8" if chip.vendor == "Google" else "bf16"


def observed_seconds(row: Row, case: Case) -> float | None:
    """Seconds of one step of `case` by what the row reports; None if it reports nothing to compare.

    Where the row leaves the batch open they are of the case's own batch, so that rates are compared; where it gives device-hours alone
    they are the share of one step in them.
    """
    run, devices = case.run, float(case.run.devices)
    tokens = float(run.global_batch) * float(run.sequence)
    step, rate, tflops = number(row, "step_s"), number(row, "tokens_s_dev"), number(row, "tflops_dev")
    if step and (case.batch_known or not rate):
        return step
    if rate:
        return tokens / (rate * devices)
    if tflops:
        return tokens * reported_flop(case) / (tflops * 1e12 * devices)
    hours = number(row, "dev_hours") or number(row, "days") * 24 * number(row, "count")
    if hours and case.tokens:
        return hours * 3600 / devices * tokens / case.tokens
    return None


def reported_flop(case: Case) -> float:
    """FLOP of one token as the framework's own figures count them: full attention, or recomputation too, in some."""
    arch, sequence, name = case.arch, float(case.run.sequence), case.framework
    full = name.startswith(("llm-foundry", "NeMo", "MaxText"))
    weights = 4.0 if case.run.lora else 6.0
    counted = weights * arch.active + 3.0 * arch.attention_flop(sequence, causal=not full)
    if ("Megatron" in name and "2021" in name) or name == "Megatron-DeepSpeed":
        return 8.0 * arch.active + 4.0 * arch.attention_flop(sequence, causal=False)
    return counted


def group_of(row: Row) -> str:
    """The row's shape and chip: rows of one group are held out together, for one tells too much of the other."""
    sizes = [row[name] for name in ("params_total_b", "layers", "hidden", "ffn", "experts")]
    shape = sizes if row["layers"] else [row["model"], row["params_total_b"]]
    chip = chip_in(row["hardware"])
    return "|".join([*shape, chip.name if chip else row["hardware"]])
