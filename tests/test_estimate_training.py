"""The closed forms of a training step and its memory: what must hold whatever the constants, and what published runs measured."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luosi.estimate.architecture import Architecture, of_parameters, of_sizes
from luosi.estimate.chips import chip
from luosi.estimate.tables import inputs, read, shipped
from luosi.estimate.training.memory import MemoryParts, bytes_per_device
from luosi.estimate.training.physics import Parts, Runs, step_time
from luosi.estimate.training.predict import predict
from luosi.estimate.training.rows import case_of

LLAMA_70B = of_sizes("70b", layers=80, width=8192, heads=64, kv_heads=8, ff=28672, vocab=128256, parameters=70.55e9)
GPT3 = of_sizes("gpt3", layers=96, width=12288, heads=96, ff=49152, vocab=51200, parameters=175e9)
DEEPSEEK = Architecture(
    "deepseek-v3", 61, 7168, 128, 128, 128, 18432, 129280,
    experts=256, active_experts=8, expert_ff=2048, shared_ff=2048, dense_layers=3, kv_latent=512, q_latent=1536, rope_dim=64,
)  # fmt: skip
ONE = Runs(devices=64, precision="bf16", sequence=8192, global_batch=128, tp=4, pp=4, dp=4, virtual_stages=5)

configurations = st.fixed_dictionaries(
    {
        "tp": st.sampled_from([1, 2, 4, 8]),
        "pp": st.sampled_from([1, 2, 4, 8]),
        "dp": st.sampled_from([1, 2, 8, 64]),
        "cp": st.sampled_from([1, 2, 4]),
        "micro_batch": st.sampled_from([1, 2, 4]),
        "virtual_stages": st.sampled_from([1, 2, 5]),
        "zero": st.integers(0, 3),
        "recompute": st.integers(0, 2),
        "sequence": st.sampled_from([1024, 8192, 65536]),
    }
)


def run_of(values: dict[str, int], **more: object) -> Runs:
    devices = values["tp"] * values["pp"] * values["dp"] * values["cp"]
    return Runs(devices=devices, precision="bf16", global_batch=512, **values, **more)  # type: ignore[arg-type]


@given(st.lists(configurations, min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_many_configurations_at_once_are_what_each_is_alone(chosen: list[dict[str, int]]) -> None:
    columns = {name: np.array([one[name] for one in chosen]) for name in chosen[0]}
    together = run_of(columns, ep=8)  # type: ignore[arg-type]
    time, memory = step_time(DEEPSEEK, chip("h100"), together), bytes_per_device(DEEPSEEK, chip("h100"), together)
    for place, one in enumerate(chosen):
        alone = run_of(one, ep=8)
        for part in fields(Parts):
            value = getattr(step_time(DEEPSEEK, chip("h100"), alone), part.name)
            assert value.shape == (1,)
            assert getattr(time, part.name)[place] == pytest.approx(value[0], rel=1e-12, abs=0)
        for kind in fields(MemoryParts):
            value = getattr(bytes_per_device(DEEPSEEK, chip("h100"), alone), kind.name)
            assert getattr(memory, kind.name)[place] == pytest.approx(value[0], rel=1e-12, abs=0)


@given(configurations)
@settings(max_examples=60, deadline=None)
def test_no_step_beats_the_peak_and_no_part_is_negative(values: dict[str, int]) -> None:
    run = run_of(values)
    made = step_time(LLAMA_70B, chip("b200"), run)
    flop = 512 * values["sequence"] * 3 * LLAMA_70B.forward_flop(values["sequence"])
    assert all(getattr(made, part.name)[0] >= 0 for part in fields(Parts))
    assert made.total[0] > flop / (run.devices * 2250e12)


@given(configurations)
@settings(max_examples=40, deadline=None)
def test_recomputing_costs_time_and_saves_memory(values: dict[str, int]) -> None:
    plain, again = (run_of({**values, "recompute": level}) for level in (0, 2))
    assert step_time(GPT3, chip("a100"), again).total[0] > step_time(GPT3, chip("a100"), plain).total[0]
    kept = [bytes_per_device(GPT3, chip("a100"), one).activations[0] for one in (plain, again)]
    assert kept[1] < kept[0]


@pytest.mark.parametrize("faster", ["memory_gbs", "scaleup_gbs", "scaleout_gbs", "bf16_tflops"])
def test_a_better_chip_is_never_slower(faster: str) -> None:
    slow = chip("a100")
    fast = replace(slow, **{faster: 2 * getattr(slow, faster)})
    run = replace(ONE, tp=8, pp=2, ep=1, zero=3)
    assert step_time(GPT3, fast, run).total[0] <= step_time(GPT3, slow, run).total[0] * (1 + 1e-12)


def test_the_bubble_is_what_pipelines_are_known_for() -> None:
    for pp, virtual in ((4, 1), (8, 1), (8, 4)):
        made = step_time(
            GPT3, chip("a100"), Runs(64, "bf16", 2048, 64, 1, tp=8, pp=pp, dp=64 // 8 // pp, virtual_stages=virtual)
        )
        micros = 64 / (64 // 8 // pp)
        working = made.compute + made.attention + made.tensor_comm + made.memory_bound
        assert made.pipeline_bubble[0] / working[0] == pytest.approx((pp - 1) / virtual / micros, rel=0.02)


def test_without_peers_there_is_nothing_to_exchange() -> None:
    alone = step_time(DEEPSEEK, chip("h200"), Runs(1, "bf16", 4096, 8))
    for part in ("tensor_comm", "expert_comm", "data_comm", "pipeline_bubble", "pipeline_comm"):
        assert getattr(alone, part)[0] == 0
    spread = step_time(DEEPSEEK, chip("h200"), Runs(64, "bf16", 4096, 512, dp=64, ep=64))
    assert spread.expert_comm[0] > 0 and spread.data_comm[0] > 0


def test_sharding_divides_what_it_says_it_does() -> None:
    held = [
        bytes_per_device(LLAMA_70B, chip("h100"), replace(ONE, dp=16, tp=4, pp=1, zero=level)) for level in range(4)
    ]
    whole = LLAMA_70B.parameters / 4
    assert [one.weights[0] / whole for one in held] == pytest.approx([2, 2, 2, 2 / 16])
    assert [one.gradients[0] / whole for one in held] == pytest.approx([4, 4, 4 / 16, 4 / 16])
    assert [one.optimizer[0] / whole for one in held] == pytest.approx([12, 12 / 16, 12 / 16, 12 / 16])


def test_memory_is_near_what_was_measured() -> None:
    rows = [row for row in read(shipped("training_runs.csv")).rows if row["mem_gib"]]
    assert len(rows) == 18
    cases = [case_of(inputs(row)) for row in rows]
    held = [bytes_per_device(one.arch, one.chip, one.run).total[0] / 2**30 for one in cases]
    errors = np.array([made / float(row["mem_gib"]) - 1 for made, row in zip(held, rows, strict=True)])
    assert np.median(np.abs(errors)) < 0.12
    straight = np.array([row["pp"] == "1" for row in rows])
    assert np.abs(errors[straight]).max() < 0.15


def test_a_prediction_adds_up_and_says_how_sure_it_is() -> None:
    made = predict(LLAMA_70B, chip("h100"), ONE, framework="Megatron-LM")
    assert made.seconds.p10 < made.seconds.p50 < made.seconds.p90
    assert made.parts.total[0] == pytest.approx(made.seconds.p50)
    assert 0.25 < made.mfu < 0.6
    assert 0.4 * 80e9 < predict(LLAMA_70B, chip("h100"), replace(ONE, tp=8, dp=2)).memory.total[0] < 80e9


def test_what_was_never_seen_is_less_sure() -> None:
    known = predict(LLAMA_70B, chip("h100"), ONE, framework="Megatron-LM")
    strange = predict(LLAMA_70B, chip("910b"), ONE)
    assert strange.seconds.p90 / strange.seconds.p10 > known.seconds.p90 / known.seconds.p10
    for name in ("m4 max", "xeon 8480", "trn2", "gaudi3", "mi355x", "v100"):
        assert 0.005 < predict(of_parameters(1e9), chip(name), Runs(1, "bf16", 2048, 8)).mfu < 1


def test_adapters_cost_less_than_all_weights() -> None:
    full, part = (predict(LLAMA_70B, chip("h100"), replace(ONE, recompute=2, lora=lora)) for lora in (False, True))
    assert part.seconds.p50 < 0.9 * full.seconds.p50
    assert part.memory.total[0] < 0.5 * full.memory.total[0]
