"""The catalogue's rows add up to what was published, every name finds its model, and a config.json gives the same sizes."""

from __future__ import annotations

import csv
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luosi.errors import InputError, UsageError
from luosi.estimate.architecture import Architecture
from luosi.estimate.catalogue import Model, architecture_in, architecture_named, models
from luosi.estimate.configuration import of_config

UNCOUNTED = {
    "qwen3.5-9b",  # recurrent layers
    "qwen3.5-35b-a3b",
    "deepseek-v4-flash",  # low-rank output
    "gemma-4-e2b",  # embeddings per layer
    "gemma-4-e4b",
    "gopher-280b",  # relative positions
    "chinchilla-70b",
    "yalm-100b",
}


def test_the_catalogue_is_broad_and_every_row_has_a_source() -> None:
    families = (
        "llama-4",
        "qwen1.5",
        "qwen3.5",
        "deepseek-v4",
        "mixtral",
        "gemma-4",
        "gpt-oss",
        "kimi",
        "nemotron",
        "glm-5",
    )
    names = [one.names[0] for one in models()]
    assert len(names) >= 80
    assert all(any(name.startswith(family) for name in names) for family in families)
    assert all(one.source and 2017 < one.year < 2027 for one in models())


@pytest.mark.parametrize("one", models(), ids=lambda one: one.names[0])
def test_the_sizes_of_a_row_add_up_to_the_published_count(one: Model) -> None:
    held = one.architecture
    assert held.parameters == pytest.approx(one.parameters, rel=0.021)
    assert (held.known_parameters > 0) == (one.names[0] in UNCOUNTED)
    table = (
        0 if held.tied else held.vocab * held.width
    )  # an embedding is looked up, not met; some publish it with the rest
    assert 0.89 * (one.active - table) < held.active < 1.11 * one.active
    assert held.expert_parameters < held.parameters


def test_every_name_finds_its_model_in_any_dress() -> None:
    for one in models():
        for name in one.names:
            for dress in (
                name,
                name.upper(),
                f"owner/{name}-Instruct",
                f"{name}-fp8",
                f"{name}-Thinking-2507",
                name.replace("-", "_"),
            ):
                assert architecture_named(dress) is one.architecture, dress


@pytest.mark.parametrize(
    ("text", "parameters", "active"),
    [("70B", 70e9, 70e9), ("1.5b", 1.5e9, 1.5e9), ("30B-A3B", 30e9, 3e9), ("1T", 1e12, 1e12), (" 135M ", 135e6, 135e6)],
)
def test_a_size_is_a_model(text: str, parameters: float, active: float) -> None:
    made = architecture_named(text)
    assert made.parameters == parameters
    assert made.active == active


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("lama-3.1-8b", "llama-3.1-8b"),
        ("qwen3-33b", "qwen3-32b"),
        ("", "config.json"),
        ("7B7", "config.json"),
        ("nan", "config.json"),
        ("-7B", "config.json"),
        ("gemma", "known: gemma-2b"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(text: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        architecture_named(text)
    assert caught.value.exit_code == 2
    assert hint in caught.value.hint


@pytest.mark.parametrize("text", ["0B", "1K", "900000T"])
def test_a_size_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="out of range"):
        architecture_named(text)


def test_the_free_text_of_published_runs_is_understood() -> None:
    """Names that the tables use lead to a model of the size that the tables give."""
    found, wrong = set(), []
    for table in ("training_runs.csv", "inference_runs.csv"):
        text = files("luosi.estimate").joinpath(f"data/{table}").read_text(encoding="utf-8")
        for row in csv.DictReader(text.splitlines()):
            held = architecture_in(row["model"])
            if held is not None and row["params_total_b"]:
                found.add(held.name)
                positions = (
                    int(row["seq_len"]) * held.width / 1e9 if held.name.startswith("mpt") else 0.0
                )  # learned ones, counted there
                if abs((held.parameters / 1e9 + positions) / float(row["params_total_b"]) - 1) > 0.09:
                    wrong.append((row["model"], held.name))
    assert len(found) > 40
    assert wrong == []
    assert architecture_in("a table of nothing") is None


LLAMA = {
    "model_type": "llama", "hidden_size": 8192, "intermediate_size": 28672, "num_hidden_layers": 80, "num_attention_heads": 64,
    "num_key_value_heads": 8, "vocab_size": 128256, "tie_word_embeddings": False,
}  # fmt: skip
CONFIGS: dict[str, dict[str, Any]] = {
    "llama-3.1-70b": LLAMA,
    "gpt-2-xl": {"model_type": "gpt2", "n_embd": 1600, "n_layer": 48, "n_head": 25, "n_inner": None, "vocab_size": 50257},
    "falcon-7b": {
        "model_type": "falcon", "hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71, "multi_query": True,
        "vocab_size": 65024,
    },
    "qwen3-30b-a3b": {
        "model_type": "qwen3_moe", "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 48, "num_attention_heads": 32,
        "num_key_value_heads": 4, "head_dim": 128, "vocab_size": 151936, "num_experts": 128, "num_experts_per_tok": 8,
        "moe_intermediate_size": 768, "decoder_sparse_step": 1, "mlp_only_layers": [], "sliding_window": 4096,
        "use_sliding_window": False,
    },
    "mixtral-8x7b": {
        "model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "vocab_size": 32000, "num_local_experts": 8, "num_experts_per_tok": 2, "sliding_window": None,
    },
    "deepseek-v3": {
        "model_type": "deepseek_v3", "hidden_size": 7168, "intermediate_size": 18432, "num_hidden_layers": 61, "num_attention_heads": 128,
        "num_key_value_heads": 128, "vocab_size": 129280, "n_routed_experts": 256, "num_experts_per_tok": 8, "n_shared_experts": 1,
        "moe_intermediate_size": 2048, "first_k_dense_replace": 3, "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_rope_head_dim": 64,
        "qk_nope_head_dim": 128, "v_head_dim": 128,
    },
    "llama-4-maverick": {
        "model_type": "llama4",
        "text_config": {
            "model_type": "llama4_text", "hidden_size": 5120, "intermediate_size": 8192, "intermediate_size_mlp": 16384,
            "num_hidden_layers": 48, "num_attention_heads": 40, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 202048,
            "num_local_experts": 128, "num_experts_per_tok": 1, "interleave_moe_layer_step": 2, "tie_word_embeddings": False,
        },
    },
    "gpt-oss-120b": {
        "model_type": "gpt_oss", "hidden_size": 2880, "intermediate_size": 2880, "num_hidden_layers": 36, "num_attention_heads": 64,
        "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 201088, "num_local_experts": 128, "num_experts_per_tok": 4,
        "sliding_window": 128, "layer_types": ["sliding_attention", "full_attention"] * 18, "tie_word_embeddings": False,
    },
    "gemma-3-27b": {
        "model_type": "gemma3",
        "text_config": {
            "model_type": "gemma3_text", "hidden_size": 5376, "intermediate_size": 21504, "num_hidden_layers": 62,
            "num_attention_heads": 32, "num_key_value_heads": 16, "head_dim": 128, "vocab_size": 262208, "sliding_window": 1024,
            "layer_types": ["sliding_attention"] * 52 + ["full_attention"] * 10,
        },
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_file_gives_the_catalogues_sizes(name: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIGS[name]), encoding="utf-8")
    known = architecture_named(name)
    for path in (tmp_path, tmp_path / "config.json"):
        held = architecture_named(str(path))
        assert held.name == tmp_path.name
        assert held.parameters == pytest.approx(known.parameters, rel=0.021)
        assert held.active == pytest.approx(known.active, rel=0.06)
        assert held.kv_bytes() == known.kv_bytes()
        assert held.window == (known.window if name != "llama-4-maverick" else 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "JSON"),
        ("[1]", "no JSON object"),
        ("{}", "num_hidden_layers"),
        (json.dumps({**LLAMA, "hidden_size": -1}), "hidden_size is -1"),
        (json.dumps({**LLAMA, "hidden_size": True}), "hidden_size is True"),
        (json.dumps({**LLAMA, "vocab_size": "many"}), "vocab_size is 'many'"),
        (json.dumps({**LLAMA, "num_hidden_layers": 1e99}), "num_hidden_layers"),
    ],
)
def test_a_config_that_is_none_is_answered(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        architecture_named(str(tmp_path))


def test_a_config_that_is_not_there_is_answered(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "other.json"):
        with pytest.raises(InputError, match="no file"):
            architecture_named(str(path))


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**12),
    st.floats(),
    st.text(max_size=3),
    st.lists(st.integers(), max_size=2),
)


@given(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys({**LLAMA, **CONFIGS["deepseek-v3"], **CONFIGS["qwen3-30b-a3b"]}, VALUES)
    )
)
@settings(max_examples=150, deadline=None)
def test_any_config_is_a_model_or_one_clear_line(
    tmp_path_factory: pytest.TempPathFactory, changed: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "config.json"
    path.write_text(json.dumps({**LLAMA, **changed}), encoding="utf-8")
    try:
        held = of_config(path)
    except InputError as error:
        assert "\n" not in error.message
    else:
        assert isinstance(held, Architecture)
        assert held.parameters > 0
        assert held.forward_flop(1024) > 0
