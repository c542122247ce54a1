"""Between Hugging Face's `config.json` and ModelShape: read the Qwen3, Qwen2 and Llama families, refuse what we would
compute wrongly, write a config that old and new versions of transformers read alike. Imports no torch.

Refusing is the point: an unknown rope type or a bias that is silently ignored gives a model that runs and is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from pydantic import ValidationError

from luosi.artifacts.shape import ModelShape
from luosi.errors import InputError

Family = Literal["qwen3", "qwen2", "llama"]

ARCHITECTURES: dict[Family, str] = {
    "qwen3": "Qwen3ForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "llama": "LlamaForCausalLM",
}
LLAMA3_FIELDS = ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings")
_SUPPORTED = "convert the model elsewhere first; Luosi computes Qwen3, Qwen2 and Llama models in their plain form"


def shape_from_hf(config: Mapping[str, object]) -> ModelShape:
    """The shape that a Hugging Face `config.json` describes; absent fields take the defaults of transformers.

    Raises:
        InputError: Another architecture, or a feature we do not compute; names field, value seen, value expected.
    """
    family = _family(config)
    _refuse_unsupported(config, family)
    heads = _integer(config, "num_attention_heads")
    width = _integer(config, "hidden_size")
    kv_heads = heads if config.get("num_key_value_heads") is None else _integer(config, "num_key_value_heads")
    head_dim = (
        _integer(config, "head_dim") if config.get("head_dim") is not None else _default_head_dim(family, width, heads)
    )
    context = _integer(config, "max_position_embeddings")
    theta, scaling = _rope(config, context)
    try:
        return ModelShape(
            family=family,
            vocab_size=_integer(config, "vocab_size"),
            layers=_integer(config, "num_hidden_layers"),
            width=width,
            heads=heads,
            kv_heads=kv_heads,
            head_dim=head_dim,
            ff=_integer(config, "intermediate_size"),
            tied=bool(config.get("tie_word_embeddings", False)),
            rope_theta=theta,
            rope_scaling=scaling,
            norm_eps=_number(config, "rms_norm_eps", 1e-6),
            context=context,
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"config.json describes no model we know: {where} {first['msg']}", hint=_SUPPORTED) from error


def hf_config(shape: ModelShape, *, bos_id: int | None, eos_id: int | None, pad_id: int | None) -> dict[str, object]:
    """A `config.json` for transformers 4 (`rope_theta`, `rope_scaling`, `torch_dtype`) and 5 (`rope_parameters`, `dtype`)."""
    scaling = _written_scaling(shape)
    rope = {"rope_theta": shape.rope_theta, **(scaling or {"rope_type": "default"})}
    config: dict[str, object] = {
        "architectures": [ARCHITECTURES[shape.family]],
        "model_type": shape.family,
        "vocab_size": shape.vocab_size,
        "hidden_size": shape.width,
        "intermediate_size": shape.ff,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": shape.context,
        "rms_norm_eps": shape.norm_eps,
        "tie_word_embeddings": shape.tied,
        "attention_dropout": 0.0,
        "rope_theta": shape.rope_theta,
        "rope_scaling": scaling,
        "rope_parameters": rope,
        "bos_token_id": bos_id,
        "eos_token_id": eos_id,
        "pad_token_id": pad_id,
        "use_cache": True,
        "torch_dtype": "float32",
        "dtype": "float32",
    }
    if shape.family == "llama":
        return config | {"attention_bias": False, "mlp_bias": False}
    windows = {"use_sliding_window": False, "sliding_window": None, "max_window_layers": shape.layers}
    return config | windows | ({"attention_bias": False} if shape.family == "qwen3" else {})


def _refuse(field: str, value: object, expected: str) -> InputError:
    return InputError(f"config.json: {field} is {value!r}, expected {expected}", hint=_SUPPORTED)


def _family(config: Mapping[str, object]) -> Family:
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type not in ARCHITECTURES:
        raise _refuse("model_type", model_type, "one of qwen3, qwen2, llama")
    architectures = config.get("architectures")
    if architectures is not None and architectures != [ARCHITECTURES[model_type]]:
        raise _refuse("architectures", architectures, f"[{ARCHITECTURES[model_type]!r}]")
    return model_type


def _refuse_unsupported(config: Mapping[str, object], family: Family) -> None:
    if config.get("quantization_config") is not None:
        method = config["quantization_config"]
        raise _refuse("quantization_config", method, "none: weights in F32, BF16 or F16")
    if config.get("hidden_act", "silu") not in ("silu", "swish"):
        raise _refuse("hidden_act", config["hidden_act"], "'silu'")
    for field in ("attention_bias", "mlp_bias"):
        if config.get(field) and not (family == "qwen2" and field == "attention_bias"):
            raise _refuse(field, config[field], "false")
    layer_types = config.get("layer_types")
    if isinstance(layer_types, list):
        others = sorted({str(kind) for kind in layer_types} - {"full_attention"})
        if others:
            raise _refuse("layer_types", others[0], "'full_attention' in every layer")
    elif family != "llama" and config.get("use_sliding_window") and config.get("sliding_window", 4096) is not None:
        first_windowed = _integer(config, "max_window_layers") if "max_window_layers" in config else 28
        if first_windowed < _integer(config, "num_hidden_layers"):
            raise _refuse("use_sliding_window", True, "false, or max_window_layers not below num_hidden_layers")
    if config.get("partial_rotary_factor") not in (None, 1, 1.0):
        raise _refuse("partial_rotary_factor", config["partial_rotary_factor"], "1.0")


def _default_head_dim(family: Family, width: int, heads: int) -> int:
    if family == "qwen3":
        return 128
    if width % heads:
        raise _refuse("num_attention_heads", heads, f"a divisor of hidden_size {width}, as there is no head_dim")
    return width // heads


def _rope(config: Mapping[str, object], context: int) -> tuple[float, dict[str, float | str | bool] | None]:
    """(theta, Llama 3 scaling or None); `rope_scaling` wins over `rope_parameters`, as in transformers."""
    field = "rope_scaling" if config.get("rope_scaling") else "rope_parameters"
    rope = config.get(field) or {}
    if not isinstance(rope, Mapping):
        raise _refuse(field, rope, "an object")
    if rope.get("partial_rotary_factor") not in (None, 1, 1.0):
        raise _refuse(f"{field}.partial_rotary_factor", rope["partial_rotary_factor"], "1.0")
    theta = _number(rope, "rope_theta", _number(config, "rope_theta", 10_000.0), within=f"{field}.")
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind == "default":
        return theta, None
    if kind != "llama3":
        raise _refuse(f"{field}.rope_type", kind, "'default' or 'llama3'")
    given = {"original_max_position_embeddings": context, **rope}
    missing = [name for name in LLAMA3_FIELDS if name not in given]
    if missing:
        raise _refuse(f"{field}.{missing[0]}", None, "a number, which llama3's scaling needs")
    numbers = {name: _number(given, name, 0.0, within=f"{field}.") for name in LLAMA3_FIELDS}
    if numbers["high_freq_factor"] <= numbers["low_freq_factor"]:
        low = numbers["low_freq_factor"]
        raise _refuse(f"{field}.high_freq_factor", numbers["high_freq_factor"], f"more than low_freq_factor {low}")
    return theta, {"rope_type": "llama3", **numbers}


def _written_scaling(shape: ModelShape) -> dict[str, object] | None:
    if shape.rope_scaling is None:
        return None
    # transformers checks that this one is a whole number, and warns of 8192.0
    original = int(float(shape.rope_scaling["original_max_position_embeddings"]))
    return {**shape.rope_scaling, "original_max_position_embeddings": original}


def _integer(config: Mapping[str, object], field: str) -> int:
    value = config.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise _refuse(field, value, "a positive whole number")
    return value


def _number(config: Mapping[str, object], field: str, default: float, *, within: str = "") -> float:
    value = config.get(field, default)
    if value is None:
        return default
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value < math.inf:
        raise _refuse(within + field, value, "a positive number")
    return float(value)
