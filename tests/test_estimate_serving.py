"""The serving estimator: its physics, its reading of tables, its errors on published runs that were held out."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luosi.errors import InputError
from luosi.estimate.catalogue import architecture_named
from luosi.estimate.chips import chip, chips
from luosi.estimate.serving import physics
from luosi.estimate.serving.check import score, scored_rows
from luosi.estimate.serving.constants import NAMES, PRIORS
from luosi.estimate.serving.deployment import Deployment, table
from luosi.estimate.serving.fit import fit_constants
from luosi.estimate.serving.known import group_of, published, published_rows
from luosi.estimate.serving.predict import computed, corrections_of, fitted, from_json, logs_of, predict, to_json
from luosi.estimate.serving.rows import INPUTS, deployment_of
from luosi.estimate.serving.solve import most_likely

LLAMA = Deployment(
    architecture_named("llama-3.1-70b"), chip("h100"), "fp8", 1024, 1024, devices=4, tensor=4, concurrency=16
)
ROWS = published_rows()


def row(**cells: str) -> dict[str, str]:
    usual = {
        "model": "meta-llama/Llama-3.1-70B", "params_total_b": "70.55", "params_active_b": "70.55", "precision": "fp8", "hardware": "h100_sxm",
        "count": "4", "engine": "vllm 0.10.0", "scenario": "closed loop", "concurrency": "16", "isl": "1024", "osl": "1024", "tp": "4",
        "pp": "1", "dp": "1", "ep": "1",
    }  # fmt: skip
    return usual | cells


# Physics


@given(
    users=st.integers(1, 512),
    added=st.integers(1, 1024),
    prompt=st.floats(64, 16_384),
    name=st.sampled_from([one.name for one in chips()]),
)
@settings(max_examples=60, deadline=None)
def test_more_users_wait_longer_and_together_get_more(users: int, added: int, prompt: float, name: str) -> None:
    more = 1 + min(added, 3 * users) / users
    one = replace(
        LLAMA, architecture=architecture_named("llama-3.1-8b"), chip=chip(name), concurrency=users, prompt=prompt
    )
    t = table([one, replace(one, concurrency=users * more), replace(one, prompt=prompt * more)])
    state = physics.closed(t, fitted().constants)
    assert state.token[1] >= state.token[0] * (1 - 1e-9) and state.first[1] >= state.first[0]
    assert state.first[2] > state.first[0]
    assert (
        state.token[2] >= state.token[0] * (1 - 1e-9) or state.batch[2] < state.batch[0]
    )  # a full cache decodes fewer at once
    assert np.all(state.batch <= t.concurrency * (1 + 1e-9))
    served = t.concurrency / (state.first + t.answer * state.token)
    decoding = state.token[1] < 1.2 * state.step.total[1]  # where prompts take most of the time more users get no more
    lost = 0.03 if name.startswith("CPU core") else 1e-4  # one user can keep a single core busy: others only interrupt
    assert served[1] > served[0] * (1 - lost) or not decoding


def test_no_time_is_below_what_memory_and_rate_allow() -> None:
    runs = published()
    constants = fitted().constants
    t = runs.table.where(runs.table.closed > 0)
    step = physics.decoding(t, constants, np.ones(len(t)), t.prompt)
    least = (t.dense * t.dense_bytes / t.tensor) / t.bandwidth
    assert np.all(step.total > least)
    assert np.all(physics.prefill(t, constants) > t.prompt * 2 * t.dense / t.dense_rate / t.devices * 0.99)


def test_the_parts_of_a_step_are_told() -> None:
    told = predict(LLAMA)
    assert told.first is not None and told.token.p10 < told.token.p50 < told.token.p90
    read, computed_, rest = (
        told.step["weights"] + told.step["cache"],
        told.step["compute"],
        told.step["reduce"] + told.step["fixed"],
    )
    together = max(read, computed_) + 0.3 * min(read, computed_) + rest + told.step["prefills"]
    assert together == pytest.approx(told.token.p50, rel=0.5)  # what is beyond is the correction by published runs
    assert told.tokens_per_second.p50 == pytest.approx(16 * 1024 / (told.first.p50 + 1023 * told.token.p50), rel=1e-9)
    assert told.weights_gb == pytest.approx(70, abs=2) and told.fits
    assert not predict(replace(LLAMA, devices=1, tensor=1, precision="bf16")).fits


def test_a_full_cache_makes_requests_wait() -> None:
    tight = replace(LLAMA, chip=chip("h200"), devices=1, tensor=1, concurrency=128, prompt=1024, answer=8192)
    told = predict(tight)
    assert told.first is not None and told.batch < 100 and told.first.p50 > 30
    assert told.first.p50 > 20 * predict(replace(tight, concurrency=16)).first.p50  # type: ignore[union-attr]


# Rows


def test_only_inputs_are_read() -> None:
    clean, scrambled = (
        ROWS,
        [{name: cell if name in INPUTS else "scrambled 7.5" for name, cell in one.items()} for one in ROWS],
    )
    before, after = logs_of([deployment_of(one) for one in clean]), logs_of([deployment_of(one) for one in scrambled])
    np.testing.assert_array_equal(before.token, after.token)
    np.testing.assert_array_equal(before.first, after.first)
    np.testing.assert_array_equal(before.rate, after.rate)


def test_inputs_are_read() -> None:
    for name, cell in {
        "concurrency": "64", "isl": "8192", "osl": "128", "precision": "bf16", "hardware": "b200_sxm", "engine": "trtllm", "count": "8",
        "model": "openai/gpt-oss-120b", "dp": "4",
    }.items():  # fmt: skip
        changed = row(**{name: cell}) | ({"params_total_b": "", "params_active_b": ""} if name == "model" else {})
        assert logs_of([deployment_of(changed)]).token[0] != logs_of([deployment_of(row())]).token[0], name


def test_a_width_that_counts_the_same_devices_twice_is_read_as_it_ran() -> None:
    same = {
        "model": "deepseek-ai/DeepSeek-V3",
        "params_total_b": "671",
        "params_active_b": "37",
        "hardware": "h200_sxm",
    }
    node = deployment_of(row(**same, count="8", tp="8", ep="8"))
    assert deployment_of(row(**same, count="64", tp="64", ep="8")) == node
    copies = deployment_of(row(**same, count="64", tp="1", dp="64", ep="8"))
    assert (copies.devices, copies.tensor, copies.copies) == (8, 1, 8)
    rack = deployment_of(row(**same | {"hardware": "gb200"}, count="72", tp="72"))
    assert (rack.devices, rack.tensor, rack.copies) == (72, 1, 72)


@pytest.mark.parametrize(
    "cells",
    [
        {"hardware": "Photon-9000", "engine": ""},
        {"model": "never-heard-of", "params_total_b": "123", "params_active_b": "12"},
        {"model": "never-heard-of", "params_total_b": "123", "params_active_b": ""},
        {"count": "", "tp": "", "pp": "", "dp": "", "ep": "", "concurrency": ""},
        {"count": "0", "dp": "0", "ep": "0", "precision": "", "engine": "trtllm 1.3.0rc1"},
        {"isl": "", "osl": "", "scenario": "Offline", "hardware": "CPU 2S-SPR"},
        {"isl": "", "osl": "", "scenario": "Interactive", "hardware": "AMD Instinct MI355X", "precision": "OCP-FP4"},
        {"isl": "", "osl": "", "scenario": "", "concurrency": "", "engine": "closed beta"},
        {"hardware": "TPU v6e", "engine": "JetStream"},
    ],
)
def test_every_row_with_a_size_is_predicted(cells: dict[str, str]) -> None:
    logs = logs_of([deployment_of(row(**cells))])
    assert math.isfinite(logs.token[0]) and math.isfinite(logs.rate[0])
    assert 1e-4 < math.exp(logs.token[0]) < 100


def test_a_row_that_cannot_be_used_counts_as_an_error_of_all() -> None:
    assert score([row(tpot_ms="12", model="what", params_total_b="1e-9")])["tpot"]["median_ape"] == 1.0
    rows = [
        row(tpot_ms="12", id="a"),
        row(tpot_ms="12", model="what", params_total_b="", id="b"),
        row(tpot_ms="12", isl="long", id="c"),
        row(id="d"),
    ]
    told = score(rows)
    assert (told["rows"], told["scored"]) == (4, 1)
    assert told["tpot"]["rows"] == 3 and told["tpot"]["scored"] == 1
    assert told["tpot"]["median_ape"] == 1.0
    assert told["left_out"] == {"nothing observed to compare with": 1, "refused: counted as an error of 100 %": 2}
    assert "params_total_b" in told["refused"][0] and "'long'" in told["refused"][1]
    with pytest.raises(InputError, match="concurrency"):
        deployment_of(row(concurrency="nan"))


def test_engines_are_known_by_name_and_version() -> None:
    named = {
        text: (one.engine_name, one.engine_year)
        for text in ("vLLM 0.10.0, RHEL", "TensorRT 10.11, CUDA 12.9", "sglang", "")
        for one in [replace(LLAMA, engine=text)]
    }
    assert named["vLLM 0.10.0, RHEL"] == ("vllm", 2025.6) and named["TensorRT 10.11, CUDA 12.9"] == ("tensorrt", 2025.5)
    assert named["sglang"][0] == "sglang" and named[""][0] == ""


# What it is worth


def test_errors_at_held_out_shapes_and_chips() -> None:
    told = score(ROWS)
    assert told["scored"] / told["rows"] >= 0.95
    assert told["tpot"]["median_ape"] <= 0.15
    assert told["ttft"]["median_ape"] <= 0.30
    assert told["throughput"]["by"]["kind"]["offline"]["median_ape"] <= 0.20
    assert told["throughput"]["median_ape"] <= 0.20
    for figure in ("tpot", "ttft", "throughput"):
        assert 0.7 <= told[figure]["coverage80"] <= 0.9, figure
    json.dumps(told)


def test_held_out_is_not_resubstituted() -> None:
    far, _, _ = scored_rows(ROWS[:140:4] + ROWS[140::4])
    near, _, _ = scored_rows(ROWS[:140:4] + ROWS[140::4], hold_out=False)
    assert np.median([abs(one.error) for one in far]) > 1.2 * np.median([abs(one.error) for one in near])


def test_a_group_is_predicted_without_its_own_runs() -> None:
    runs = published()
    group = group_of(runs.deployments[0])
    kept = runs.where(runs.groups != group)
    constants = fit_constants(kept, fitted().constants)
    stored = fitted().held_out[group]
    asked = runs.table.where(runs.groups == group)
    np.testing.assert_allclose(computed(asked, stored), computed(asked, constants), atol=0.02)


def test_the_fit_that_ships_is_the_table_s() -> None:
    runs = published()
    again = fit_constants(runs)
    difference = computed(runs.table, again) - computed(runs.table, fitted().constants)
    assert np.nanmax(np.abs(difference)) < 0.01
    assert set(fitted().held_out) == set(runs.groups)
    kept = json.loads(json.dumps(to_json(fitted())))
    assert to_json(from_json(kept)) == kept
    learned = corrections_of(runs, fitted().constants)
    for figure, one in fitted().learned.items():
        np.testing.assert_allclose(one.at(runs.traits), learned[figure].at(runs.traits), atol=2e-3)


def test_constants_stay_near_what_is_known_without_runs() -> None:
    mean = np.array([one.mean for one in PRIORS.values()])
    spread = np.array([one.spread for one in PRIORS.values()])
    found = most_likely(lambda point: np.zeros(1), mean, spread, start=mean + spread)
    np.testing.assert_allclose(found, mean, atol=1e-6)
    assert len(NAMES) == len(set(NAMES))


def test_odd_observations_do_not_bend_the_fit() -> None:
    x = np.linspace(0, 1, 40)
    seen = 0.5 + 2 * x
    seen[::8] += 5
    found = most_likely(lambda p: (p[0] + p[1] * x - seen) / 0.1, np.zeros(2), np.full(2, 10.0))
    np.testing.assert_allclose(found, [0.5, 2], atol=0.12)
