"""Hugging Face configs: what is read, what is refused, and that writing and reading are inverse."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luosi.artifacts import ModelShape
from luosi.errors import InputError
from luosi.models.config import hf_config, shape_from_hf
from tests.models_kit import LLAMA3, small_shape


def plain(family: str, **changes: object) -> dict[str, Any]:
    return hf_config(small_shape(family), bos_id=None, eos_id=0, pad_id=None) | changes


shapes = st.builds(
    lambda family, layers, groups, kv_heads, half, ff, tied, theta, scaled, eps: ModelShape(
        family=family,
        vocab_size=99,
        layers=layers,
        width=groups * kv_heads * half * 2,
        heads=groups * kv_heads,
        kv_heads=kv_heads,
        head_dim=half * 2,
        ff=ff,
        tied=tied,
        rope_theta=theta,
        rope_scaling=LLAMA3 if scaled else None,
        norm_eps=eps,
    ),
    st.sampled_from(["qwen3", "qwen2", "llama"]),
    st.integers(1, 9),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 64),
    st.integers(1, 999),
    st.booleans(),
    st.floats(1.0, 1e7),
    st.booleans(),
    st.floats(1e-12, 1e-2),
)


@given(shapes)
def test_writing_and_reading_are_inverse_through_json(shape: ModelShape) -> None:
    written = json.loads(json.dumps(hf_config(shape, bos_id=1, eos_id=2, pad_id=None)))
    assert shape_from_hf(written) == shape


@given(shapes)
@settings(max_examples=10, deadline=None)
def test_transformers_reads_the_same_values(shape: ModelShape) -> None:
    import transformers

    written = json.loads(json.dumps(hf_config(shape, bos_id=1, eos_id=2, pad_id=None)))
    kind = {"qwen3": "Qwen3Config", "qwen2": "Qwen2Config", "llama": "LlamaConfig"}[shape.family]
    config = getattr(transformers, kind).from_dict(written)
    assert config.rope_parameters["rope_theta"] == shape.rope_theta
    assert config.rope_parameters["rope_type"] == ("llama3" if shape.rope_scaling else "default")
    assert shape_from_hf(config.to_dict()) == shape_from_hf(config.to_diff_dict()) == shape


def test_theta_is_read_from_either_place_and_rope_parameters_win() -> None:
    old = plain("llama", rope_theta=5e5)
    del old["rope_parameters"]
    assert shape_from_hf(old).rope_theta == 5e5
    new = plain("llama", rope_parameters={"rope_type": "default", "rope_theta": 7e5})
    del new["rope_theta"]
    assert shape_from_hf(new).rope_theta == 7e5
    assert shape_from_hf(new | {"rope_theta": 1e4}).rope_theta == 7e5


def test_llama3_scaling_is_read_from_either_place() -> None:
    new = plain("llama", rope_parameters={"rope_theta": 5e5, **LLAMA3})
    old = plain("llama", rope_theta=5e5, rope_scaling=LLAMA3)
    del old["rope_parameters"]
    assert shape_from_hf(new).rope_scaling == shape_from_hf(old).rope_scaling == LLAMA3
    assert shape_from_hf(new).rope_theta == shape_from_hf(old).rope_theta == 5e5


def test_absent_fields_take_the_defaults_of_transformers() -> None:
    config = plain("llama")
    for field in ("head_dim", "num_key_value_heads", "tie_word_embeddings", "rms_norm_eps", "hidden_act"):
        del config[field]
    shape = shape_from_hf(config)
    assert (shape.head_dim, shape.kv_heads, shape.tied, shape.norm_eps) == (16, 4, False, 1e-6)
    qwen = plain("qwen3")
    del qwen["head_dim"]
    assert shape_from_hf(qwen).head_dim == 128


def test_a_sliding_window_that_is_switched_off_or_never_reached_is_no_obstacle() -> None:
    assert shape_from_hf(plain("qwen2", sliding_window=4096))
    assert shape_from_hf(plain("qwen2", use_sliding_window=True, sliding_window=4096, max_window_layers=2))


REFUSED: list[tuple[str, dict[str, object], str]] = [
    ("llama", {"model_type": "mistral"}, "model_type is 'mistral', expected one of qwen3, qwen2, llama"),
    ("llama", {"model_type": ["llama"]}, "model_type is ['llama']"),
    ("llama", {"architectures": ["LlamaForSequenceClassification"]}, "architectures is"),
    ("llama", {"attention_bias": True}, "attention_bias is True, expected false"),
    ("llama", {"mlp_bias": True}, "mlp_bias is True"),
    ("qwen3", {"attention_bias": True}, "attention_bias is True"),
    ("qwen3", {"hidden_act": "gelu"}, "hidden_act is 'gelu', expected 'silu'"),
    ("qwen3", {"quantization_config": {"bits": 4}}, "quantization_config is {'bits': 4}, expected none"),
    ("qwen2", {"use_sliding_window": True, "sliding_window": 64, "max_window_layers": 1}, "use_sliding_window is True"),
    ("qwen2", {"layer_types": ["full_attention", "sliding_attention"]}, "layer_types is 'sliding_attention'"),
    ("llama", {"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope_scaling.rope_type is 'linear'"),
    ("llama", {"rope_parameters": {"rope_type": "yarn"}}, "rope_parameters.rope_type is 'yarn', expected 'default'"),
    ("llama", {"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "rope_scaling.low_freq_factor is None"),
    ("llama", {"rope_scaling": LLAMA3 | {"factor": "8"}}, "rope_scaling.factor is '8', expected a positive number"),
    ("llama", {"rope_scaling": LLAMA3 | {"high_freq_factor": 1.0}}, "rope_scaling.high_freq_factor is 1.0"),
    ("llama", {"rope_scaling": "llama3"}, "rope_scaling is 'llama3', expected an object"),
    ("llama", {"partial_rotary_factor": 0.5}, "partial_rotary_factor is 0.5, expected 1.0"),
    ("llama", {"rope_parameters": {"partial_rotary_factor": 0.5}}, "rope_parameters.partial_rotary_factor is 0.5"),
    ("llama", {"hidden_size": None}, "hidden_size is None, expected a positive whole number"),
    ("llama", {"vocab_size": "many"}, "vocab_size is 'many'"),
    ("llama", {"num_hidden_layers": True}, "num_hidden_layers is True"),
    ("llama", {"rms_norm_eps": -1.0}, "rms_norm_eps is -1.0"),
    ("llama", {"rope_theta": float("nan"), "rope_parameters": None}, "rope_theta is nan"),
    ("llama", {"num_key_value_heads": 3}, "heads 4 is not a multiple of kv_heads 3"),
    ("llama", {"head_dim": None, "num_attention_heads": 7}, "num_attention_heads is 7, expected a divisor of"),
]


@pytest.mark.parametrize(("family", "change", "message"), REFUSED)
def test_refusals_name_field_value_and_expectation(family: str, change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        shape_from_hf(plain(family, **change))
    assert message in caught.value.message
    assert caught.value.hint


def test_config_and_flops_import_no_torch() -> None:
    code = "import sys, luosi.models.config, luosi.models.flops; assert not {'torch', 'numpy'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)
