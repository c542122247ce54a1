"""The machine that Luosi runs on, as a chip: `--on this`."""

from __future__ import annotations

from luosi.api import Workspace
from luosi.cost import NANO
from luosi.estimate.chips import Chip, chip

CORE = "CPU core (AVX512-BF16)"
"""Whose memory bandwidth stands for that of a core that was never measured."""


def chip_here(workspace: str) -> Chip:
    """What `luosi doctor --measure` measured in that workspace, or else the catalogue's figures; one device, all its cores."""
    place = Workspace(workspace)
    machine = place.machine()
    hour = place.rates().machine_hour
    known = hour is not None and hour.money.currency == "USD"
    return Chip(
        name=machine.name,
        vendor="this machine",
        year=chip(CORE).year,
        bf16_tflops=machine.training_flops / 1e12,
        fp8_tflops=None,
        fp4_tflops=None,
        int8_tops=None,
        memory_gb=machine.memory_bytes / 1e9,
        memory_gbs=machine.cores * chip(CORE).memory_gbs,
        scaleup_gbs=0.0,
        scaleup_devices=1,
        scaleout_gbs=1.0,
        tdp_w=machine.watts_busy,
        server_devices=1,
        server_kw=machine.watts_busy / 1000,
        usd_hour=hour.money.nano / NANO if hour is not None and known else None,
        usd_hour_spot=None,
        price_source=hour.source if hour is not None and known else "",
        price_date=hour.date if hour is not None and known else "",
        source=f"{machine.source} {machine.date}".strip(),
        note="its peak is what a large matrix product reached",
        aliases="this",
    )
