"""The sizes in a model's config.json, as Hugging Face folders hold it: dense, grouped-query, latent attention, experts.

Names differ by family; what a file leaves out is what that family's code takes. Light: no numpy, no transformers. A vision or sound part
beside the text model is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from luosi.errors import InputError
from luosi.estimate.architecture import Architecture

_PLAIN = ("gpt", "opt", "bloom", "mpt", "falcon", "phi", "starcoder2", "nemotron", "codegen", "xglm")
"""Families (by the start of `model_type`) whose feed-forward net has two matrices."""
_GATED = ("phi3", "phi4", "phimoe", "falcon_h1", "falcon3", "gpt_oss", "optimus")
"""Those among them that have three after all."""
_TIED = ("gpt2", "gpt_bigcode", "opt", "bloom", "mpt", "falcon", "gemma", "cohere")
"""Families whose head is the embedding unless the file says otherwise."""

_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
_WIDTH = ("hidden_size", "n_embd", "d_model")
_HEADS = ("num_attention_heads", "n_head", "n_heads")
_KV_HEADS = ("num_key_value_heads", "num_kv_heads", "kv_n_heads", "multi_query_group_num")
_FF = ("intermediate_size_mlp", "intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size")
_EXPERTS = ("num_local_experts", "n_routed_experts", "num_experts", "moe_num_experts")
_CHOSEN = ("num_experts_per_tok", "moe_topk", "moe_k")


def of_config(path: Path) -> Architecture:
    """The sizes that a config.json, or the folder that holds it, gives.

    Raises:
        InputError: There is no such file, it is not a JSON object, or a size is missing or no whole number above 0.
    """
    file = path / "config.json" if path.is_dir() else path
    try:
        held = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"there is no file {file}", hint="a model's folder holds a config.json") from None
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise InputError(f"{file} cannot be read as JSON: {error}") from None
    if not isinstance(held, dict):
        raise InputError(f"{file} holds no JSON object", hint="give the config.json of a Hugging Face folder")
    inner = held.get("text_config") or held.get("llm_config") or {}
    sizes = _Sizes({**held, **inner} if isinstance(inner, dict) else held, file)
    return _architecture(sizes, file.parent.name or file.stem)


class _Sizes:
    """The file's numbers, asked for by all the names they go by."""

    def __init__(self, held: Mapping[str, Any], file: Path) -> None:
        self.held, self.file = held, file
        self.family = str(held.get("model_type", "")).lower()

    def get(self, *names: str, default: int | None = None) -> int:
        """A whole number: above 0 where it must be there, 0 or more where it has a default."""
        given = next((name for name in names if self.held.get(name) is not None), None)
        if given is None:
            if default is None:
                raise InputError(f"{self.file} has no {names[0]}", hint="give the config.json of a language model")
            return default
        value = self.held[given]
        if isinstance(value, list) and value:  # Ernie gives its text's experts first, then its pictures'.
            value = value[0]
        if (
            isinstance(value, bool)
            or not isinstance(value, int)
            or not (0 if default is not None else 1) <= value <= 10**9
        ):
            raise InputError(f"{self.file}: {given} is {value!r}, not a whole number above 0")
        return value

    def starts(self, families: tuple[str, ...]) -> bool:
        return self.family.startswith(families)


def _architecture(sizes: _Sizes, name: str) -> Architecture:
    layers, width, heads = sizes.get(*_LAYERS), sizes.get(*_WIDTH), sizes.get(*_HEADS)
    latent = sizes.get("kv_lora_rank", default=0)
    head_dim = sizes.get("head_dim", default=0) or max(1, width // heads)
    if latent:
        head_dim = (sizes.get("qk_nope_head_dim") + sizes.get("v_head_dim")) // 2
    dense_ff = sizes.get(*_FF, default=0) or 4 * width
    experts = sizes.get(*_EXPERTS, default=0)
    experts = experts if experts > 1 else 0
    expert_ff = sizes.get("moe_intermediate_size", "expert_ffn_hidden_size", default=0) or sizes.get(
        "intermediate_size", default=dense_ff
    )
    shared = sizes.get("shared_expert_intermediate_size", "shared_intermediate_size", default=0) or (
        (1 if sizes.family.startswith("llama4") else sizes.get("n_shared_experts", "moe_num_shared_experts", default=0))
        * expert_ff
    )
    return Architecture(
        name=name,
        layers=layers,
        width=width,
        heads=heads,
        kv_heads=1
        if sizes.held.get("multi_query") is True and sizes.family == "falcon"
        else sizes.get(*_KV_HEADS, default=0) or heads,
        head_dim=head_dim,
        ff=dense_ff,
        vocab=sizes.get("vocab_size", "padded_vocab_size"),
        gated=not sizes.starts(_PLAIN) or sizes.starts(_GATED),
        tied=bool(sizes.held.get("tie_word_embeddings", sizes.starts(_TIED))),
        experts=experts,
        active_experts=sizes.get(*_CHOSEN, default=1) if experts else 0,
        expert_ff=expert_ff if experts else 0,
        shared_ff=shared if experts else 0,
        dense_layers=min(layers, _dense_layers(sizes, layers)) if experts else 0,
        kv_latent=latent,
        q_latent=sizes.get("q_lora_rank", default=0) if latent else 0,
        rope_dim=sizes.get("qk_rope_head_dim", default=0) if latent else 0,
        window=_window(sizes, layers),
    )


def _dense_layers(sizes: _Sizes, layers: int) -> int:
    """Layers without experts: the first ones, those listed, or all but every n-th."""
    listed = sizes.held.get("mlp_only_layers")
    first = sizes.get("first_k_dense_replace", "moe_layer_start_index", default=0) + (
        len(listed) if isinstance(listed, list) else 0
    )
    every = sizes.get("interleave_moe_layer_step", "decoder_sparse_step", default=1) or 1
    return first + (layers - first) * (every - 1) // every


def _window(sizes: _Sizes, layers: int) -> int:
    """Tokens that most layers look back at; 0 where at least half of them see all."""
    window = sizes.get("sliding_window", "sliding_window_size", default=0)
    if not window or sizes.held.get("use_sliding_window") is False:
        return 0
    kinds = sizes.held.get("layer_types")
    if isinstance(kinds, list) and kinds:
        return window if sum("sliding" in str(kind) for kind in kinds) > len(kinds) / 2 else 0
    return 0 if sizes.family.startswith(("gemma2", "gpt_oss")) else window
