"""Accelerators and processors: speed, memory, links, power and price of each, every row with its source.

Read from data/chips.csv. Light: no numpy. An unknown price is None and stays unknown; a missing rate (fp8 on a chip without it) too.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Any

from luosi.errors import UsageError, nearest

_TEXT = ("name", "vendor", "price_source", "price_date", "source", "note", "aliases")
_WHOLE = ("year", "scaleup_devices", "server_devices")


@dataclass(frozen=True)
class Chip:
    """One device as it is sold: a GPU, a TPU chip, a superchip, or a server's processors. Rates are dense, without sparsity."""

    name: str
    vendor: str
    year: int
    bf16_tflops: float
    """fp16 where the chip has no bf16."""
    fp8_tflops: float | None
    fp4_tflops: float | None
    int8_tops: float | None
    memory_gb: float
    memory_gbs: float
    scaleup_gbs: float
    """Of its links inside a scale-up domain (NVLink, ICI, ..), in one direction; 0 where there are none."""
    scaleup_devices: int
    """In one such domain."""
    scaleout_gbs: float
    """Of its share of the network between domains, in one direction."""
    tdp_w: float
    server_devices: int
    server_kw: float
    """Of a full server under load, its processors and fans included."""
    usd_hour: float | None
    usd_hour_spot: float | None
    price_source: str
    price_date: str
    source: str
    note: str
    aliases: str

    def tflops(self, precision: str) -> float:
        """Peak at a precision; that of the next wider one the chip has where it lacks it.

        Args:
            precision: bf16, fp16, fp8 (and mxfp8), fp4 (nvfp4, mxfp4), int8 or int4.
        """
        fp8, fp4 = self.fp8_tflops or self.bf16_tflops, self.fp4_tflops
        name = precision.lower()
        if "fp4" in name:
            return fp4 or fp8
        if "int8" in name or "int4" in name:
            return self.int8_tops or fp8
        return fp8 if "fp8" in name else self.bf16_tflops


def chip(name: str) -> Chip:
    """The chip a user names.

    Raises:
        UsageError: There is none of that name; the hint names the nearest.
    """
    found = _by_name().get(_plain(name))
    if found is None:
        raise UsageError(f"there is no chip {name!r} in the table", hint=nearest(name, [one.name for one in chips()]))
    return found


def chip_in(text: str) -> Chip | None:
    """The chip that a table's free text names, such as "Virtualized H200-SXM-141GB": the longest known name in it; None if none is."""
    if whole := _by_name().get(_plain(text)):
        return whole
    lowered = text.lower()
    held = [(len(name), one) for name, pattern, one in _patterns() if pattern.search(lowered)]
    return max(held, key=lambda found: found[0])[1] if held else None


@cache
def chips() -> tuple[Chip, ...]:
    """All of them."""
    text = files("luosi.estimate").joinpath("data/chips.csv").read_text(encoding="utf-8")
    return tuple(Chip(**_fields(row)) for row in csv.DictReader(text.splitlines()))


@cache
def _by_name() -> dict[str, Chip]:
    found: dict[str, Chip] = {}
    for one in chips():
        for name in _names(one):
            assert found.setdefault(_plain(name), one) is one, f"{name} names two chips"
    return found


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str], Chip], ...]:
    """Plain name, what finds it in a text of small letters (from the beginning of a word, before no further digit), chip."""
    found = []
    for one in chips():
        for name in _names(one):
            words = re.findall("[a-z0-9]+", name.lower())
            if len("".join(words)) > 2:
                pattern = re.compile(rf"(?<![a-z0-9]){'[^a-z0-9]*'.join(words)}(?![0-9])")
                found.append(("".join(words), pattern, one))
    return tuple(found)


def _names(one: Chip) -> Iterator[str]:
    yield one.name
    yield from filter(None, one.aliases.split(";"))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _fields(row: dict[str, str]) -> dict[str, Any]:
    return {name: _value(name, text) for name, text in row.items()}


def _value(name: str, text: str) -> str | int | float | None:
    assert name in {field.name for field in fields(Chip)}, f"chips.csv has a column {name}"
    if name in _TEXT:
        return text
    if not text:
        return None
    return int(text) if name in _WHOLE else float(text)
