"""The search over layouts: the optimum of an exhaustive one, what is given kept, what cannot be refused in one line."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luosi.errors import UsageError
from luosi.estimate.architecture import Architecture, of_parameters, of_sizes
from luosi.estimate.catalogue import architecture_named
from luosi.estimate.chips import chip
from luosi.estimate.quantities import gigabytes
from luosi.estimate.training.advice import refusal, smallest_change
from luosi.estimate.training.layouts import PINS, Asked, divisors, layouts
from luosi.estimate.training.memory import bytes_per_device
from luosi.estimate.training.physics import DEFAULT, Runs, step_time
from luosi.estimate.training.predict import fitted
from luosi.estimate.training.search import Configuration, search, usable_bytes

DENSE = of_sizes("small", layers=8, width=1024, heads=8, kv_heads=4, ff=4096, vocab=32_000)
SPARSE = of_sizes(
    "sparse",
    layers=8,
    width=1024,
    heads=8,
    ff=1024,
    vocab=32_000,
    experts=8,
    active_experts=2,
    parameters=0.4e9,
    active=0.2e9,
)
H100, A100 = chip("H100-SXM"), chip("A100-80GB-SXM")


def one_by_one(arch: Architecture, asked: Asked) -> Iterator[Runs]:
    """Every configuration, found by trying all numbers: shares nothing with the search but the rules as they are documented."""
    n, batch = asked.devices, asked.global_batch
    numbers = range(1, n + 1)
    for tp, pp, cp in itertools.product(numbers, numbers, numbers):
        if n % (tp * pp * cp) or arch.heads % tp or (arch.kv_heads % tp and tp % arch.kv_heads):
            continue
        if pp > arch.layers + 2 or math.ceil(arch.layers / pp) * pp > 1.07 * arch.layers:
            continue
        if asked.sequence % cp or (cp > 1 and asked.sequence // cp < 4096):
            continue
        dp = n // (tp * pp * cp)
        eps = [ep for ep in numbers if n // pp % ep == 0 and arch.experts % ep == 0] if arch.experts else [1]
        virtuals = [
            v
            for v in range(1, 17)
            if v == 1 or (pp > 1 and math.ceil(arch.layers / (pp * v)) * pp * v <= 1.07 * arch.layers)
        ]
        micros = [m for m in range(1, batch + 1) if batch % (dp * m) == 0 and (m == 1 or m * asked.sequence <= 131_072)]
        for ep, virtual, micro, zero, recompute in itertools.product(
            eps, virtuals, micros, range(4 if pp == 1 else 2), range(3)
        ):
            yield Runs(
                devices=n, precision=asked.precision, sequence=asked.sequence, global_batch=batch, micro_batch=micro, tp=tp,
                pp=pp, dp=dp, cp=cp, ep=ep, virtual_stages=virtual, zero=zero, recompute=recompute,
            )  # fmt: skip


@pytest.mark.parametrize(
    ("arch", "asked"),
    [
        (DENSE, Asked(8, sequence=2048, global_batch=16)),
        (replace(DENSE, layers=7), Asked(6, sequence=24_576, global_batch=12)),
        (SPARSE, Asked(4, sequence=8192, global_batch=8, precision="fp8")),
    ],
)
@pytest.mark.parametrize("memory_gb", [80.0, 8.0])
def test_the_optimum_is_that_of_trying_all(arch: Architecture, asked: Asked, memory_gb: float) -> None:
    device = replace(H100, memory_gb=memory_gb)
    all_of_them = list(one_by_one(arch, asked))
    memory = [bytes_per_device(arch, device, run).total.item() for run in all_of_them]
    fitting = [run for run, held in zip(all_of_them, memory, strict=True) if held <= usable_bytes(device)]
    found = search(arch, device, asked)
    assert (found.looked_at, found.fitting) == (len(all_of_them), len(fitting))
    assert found.nearest.memory_bytes == pytest.approx(min(memory))
    assert fitting, "the case is meant to be possible"
    best = min(step_time(arch, device, run).total.item() for run in fitting)
    assert found.best[0].seconds == pytest.approx(best, rel=1e-12)
    again = step_time(arch, device, found.best[0].runs(asked)).total.item()
    assert again == pytest.approx(best, rel=1e-12), "the settings given are those that were timed"


def test_the_best_are_in_order_and_of_different_layouts() -> None:
    found = search(architecture_named("llama-3.1-8b"), A100, Asked(64, global_batch=512), keep=6)
    times = [one.seconds for one in found.best]
    assert len(times) == 6 and times == sorted(times)
    assert len({(one.tp, one.pp, one.cp, one.ep) for one in found.best}) == 6
    assert all(one.memory_bytes <= usable_bytes(A100) for one in found.best)


@settings(max_examples=60, deadline=None)
@given(
    devices=st.sampled_from([8, 24, 64]),
    pins=st.fixed_dictionaries(
        {},
        optional={
            "tp": st.sampled_from([1, 2, 4]),
            "pp": st.sampled_from([1, 2, 4]),
            "cp": st.sampled_from([1, 2]),
            "micro_batch": st.sampled_from([1, 2, 3]),
            "zero": st.integers(0, 3),
            "recompute": st.integers(0, 2),
            "virtual_stages": st.sampled_from([1, 2]),
        },
    ),
)
def test_what_is_given_is_kept(devices: int, pins: dict[str, int]) -> None:
    asked = Asked(devices, global_batch=96, **pins)
    try:
        found = search(DENSE, H100, asked)
    except UsageError as error:
        assert "\n" not in error.message
        return
    for one in (*found.best, found.nearest):
        assert all(getattr(one, name) == value for name, value in pins.items())
        assert one.tp * one.pp * one.dp * one.cp == devices
        assert asked.global_batch % (one.dp * one.micro_batch) == 0
        assert 1 <= one.zero + 1 <= 4 and 0 <= one.recompute <= 2


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), lora=st.booleans())
def test_recomputing_more_never_saves_time(seed: int, lora: bool) -> None:
    """What the search's one short cut rests on."""
    random = np.random.default_rng(seed)
    n = 256
    tp, pp, dp, cp = (2 ** random.integers(0, 5, n) for _ in range(4))
    run = Runs(
        devices=tp * pp * dp * cp, precision="bf16", sequence=4096, global_batch=dp * 2 ** random.integers(0, 8, n), tp=tp,
        pp=pp, dp=dp, cp=cp, zero=random.integers(0, 4, n), virtual_stages=random.integers(1, 4, n), lora=lora,
    )  # fmt: skip
    for arch, constants in itertools.product((DENSE, of_parameters(70e9)), (DEFAULT, fitted().constants)):
        times = [step_time(arch, H100, replace(run, recompute=level), constants).total for level in range(3)]
        assert (times[0] <= times[1] * (1 + 1e-12)).all() and (times[1] <= times[2] * (1 + 1e-12)).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"devices": 0}, "number of devices is 0"),
        ({"sequence": -1}, "sequence is -1"),
        ({"micro_batch": 0}, "micro-batch is 0"),
        ({"zero": 4}, "zero is 4, expected 0 to 3"),
        ({"tp": 3}, "tp 3 does not divide the 64 devices"),
        ({"tp": 16}, "tp 16 does not divide the 8 heads"),
        ({"tp": 8, "pp": 16}, "tp 8 x pp 16 = 128 does not divide the 64 devices"),
        ({"tp": 2, "pp": 2, "cp": 1, "dp": 8}, "tp 2 x pp 2 x cp 1 x dp 8 = 32, not the 64 devices"),
        ({"pp": 16}, "pp 16 = 16 stages, but small has 8 layers"),
        ({"pp": 4, "virtual_stages": 4}, "pp 4 x virtual stages 4 = 16 stages"),
        ({"pp": 1, "virtual_stages": 2}, "need a pipeline"),
        ({"cp": 64, "sequence": 1000}, "cp 64 does not divide the sequence of 1000 tokens"),
        ({"ep": 8}, "has no experts"),
        ({"dp": 64, "global_batch": 96}, "dp 64 does not divide the batch of 96 sequences"),
        ({"dp": 32, "micro_batch": 5}, "dp 32 x micro-batch 5 = 160 does not divide the batch of 256 sequences"),
        ({"tp": 1, "pp": 1, "cp": 1, "global_batch": 96}, "leave dp 64, which does not divide the batch of 96"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(changes: dict[str, int], words: str) -> None:
    asked = replace(Asked(64, global_batch=256), **changes)
    with pytest.raises(UsageError) as caught:
        search(DENSE, H100, asked)
    assert words in caught.value.message and "\n" not in caught.value.message


def test_experts_are_spread_over_what_divides_them() -> None:
    assert {layout.ep for layout in layouts(SPARSE, Asked(16, global_batch=64))} == {1, 2, 4, 8}
    with pytest.raises(UsageError, match="ep 3 does not divide the 8 experts"):
        list(layouts(SPARSE, Asked(12, global_batch=48, ep=3)))


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        ("llama-3.1-70b", Asked(64, global_batch=128, tp=8, pp=2, cp=1, zero=1, recompute=0, micro_batch=8)),
        ("llama-3.1-70b", Asked(64, global_batch=128, zero=0, tp=1, pp=1, micro_batch=1, recompute=0)),
        ("llama-3.1-405b", Asked(64, global_batch=64)),
    ],
)
def test_what_does_not_fit_says_by_how_much_and_what_would(model: str, asked: Asked) -> None:
    arch = architecture_named(model)
    found = search(arch, H100, asked)
    assert not found.best and found.fitting == 0
    error = refusal(arch, H100, asked, found)
    over = gigabytes(found.nearest.memory_bytes - usable_bytes(H100))
    assert f"{over} too much" in error.message and "smallest change that fits" in error.hint
    change = smallest_change(arch, H100, asked)
    assert change is not None and change.fields
    asked_then = replace(asked, **{name: new for name, _, new in change.fields})
    then = search(arch, H100, asked_then)
    assert then.best, "what the hint says does fit"
    if len(change.fields) == 1:
        return
    for name, _, new in change.fields:
        part = replace(asked, **{name: new})
        try:
            assert not search(arch, H100, part).best, "no part of it would do"
        except UsageError:
            continue


def test_nothing_near_fits() -> None:
    arch = of_parameters(1e14)
    asked = Asked(1, global_batch=1)
    error = refusal(arch, chip("T4"), asked, search(arch, chip("T4"), asked))
    assert "smaller model" in error.hint


def test_divisors() -> None:
    for number in range(1, 300):
        assert divisors(number) == [one for one in range(1, number + 1) if number % one == 0]


def test_every_pin_is_a_field_of_a_configuration() -> None:
    assert set(PINS) <= set(Asked.__dataclass_fields__) & set(Configuration.__dataclass_fields__)
