"""Low-rank adapters (Hu et al. 2021, arXiv:2106.09685): train W + s B A with W frozen; ship it merged into the weights and as an
adapter in peft's format.

"lora": s = alpha / rank. "rslora": s = alpha / sqrt(rank), which keeps what is learned per step alike at any rank (Kalajdzievski
2023, arXiv:2312.03732). "dora": s = alpha / rank, and the length of each row of the sum is a parameter of its own (Liu et al. 2024,
arXiv:2402.09353).

A module keeps its name when it gets an adapter, so the base's parameters keep Hugging Face's names and the adapter's are
peft's without its prefix. Trains nothing itself; knows no data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from luosi.artifacts.base import write_json
from luosi.errors import InputError
from luosi.models.flops import linear_sizes
from luosi.models.transformer import Transformer
from luosi.models.weights import save_tensors

PEFT_PREFIX = "base_model.model."
ROWS = "lora_magnitude_vector"
"""peft's name of DoRA's row lengths."""

SMALL = 1e-12
"""The least length of a row: one of zeros stays zero."""

Kind = Literal["lora", "rslora", "dora"]


class Delta(NamedTuple):
    """What an adapter makes of a weight [outputs, inputs]."""

    b: Tensor
    """[outputs, rank], times s."""
    a: Tensor
    """[rank, inputs]."""
    rows: Tensor | None
    """The length that each row gets, [outputs]; None to leave it as the sum has it."""

    def onto(self, weight: Tensor) -> Tensor:
        """W + b a, fp32, with DoRA's rows of the given lengths."""
        whole = weight.float() + self.b @ self.a
        return whole if self.rows is None else whole * (self.rows / _lengths(whole))[:, None]


class LoraLinear(nn.Module):
    """A frozen linear layer with an adapter beside it: `lora_A` [rank, inputs] and `lora_B` [outputs, rank], for DoRA
    `lora_magnitude_vector` [outputs] too."""

    def __init__(
        self, base: nn.Linear, rank: int, alpha: float, generator: torch.Generator, kind: Kind = "lora"
    ) -> None:
        super().__init__()
        self.kind: Kind = kind
        self.rank = rank
        self.alpha = alpha
        self.scale = alpha / (math.sqrt(rank) if kind == "rslora" else rank)
        self.weight = base.weight
        self.bias = base.bias
        lengths = _lengths(base.weight.detach().float()) if kind == "dora" else None
        self.register_parameter(ROWS, None if lengths is None else nn.Parameter(lengths))
        self.lora_magnitude_vector: nn.Parameter | None
        self.register_buffer("squares", None if lengths is None else lengths.square(), persistent=False)
        self.squares: Tensor | None
        self.lora_A = nn.Linear(base.in_features, rank, bias=False, device=base.weight.device)
        self.lora_B = nn.Linear(rank, base.out_features, bias=False, device=base.weight.device)
        limit = 1 / math.sqrt(base.in_features)
        noise = torch.rand(self.lora_A.weight.shape, generator=generator) * (2 * limit) - limit
        with torch.no_grad():
            self.lora_A.weight.copy_(noise)
            self.lora_B.weight.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """[..., inputs] -> [..., outputs]; all three products obey autocast."""
        added = self.lora_B(self.lora_A(x)) * self.scale
        if self.lora_magnitude_vector is None:
            y: Tensor = F.linear(x, self.weight, self.bias) + added
            return y
        y = F.linear(x, self.weight) + added
        # a factor of 1.001 is 1 in bf16
        y = (y * (self.lora_magnitude_vector / self.row_lengths())).to(y.dtype)
        return y if self.bias is None else y + self.bias.to(y.dtype)

    @torch.no_grad()
    def row_lengths(self, gain: Tensor | None = None) -> Tensor:
        """Of W + s B A, [outputs] fp32, a constant to the gradients as in DoRA's section 4.3. The sum is never formed:
        |w + b A|^2 = |w|^2 + 2 b (A w) + b (A A^T) b for a row w and its b.

        Args:
            gain: [inputs], where `weight` holds W diag(gain); a column whose gain is 0 is taken for 0 in A w.
        """
        assert self.squares is not None
        with torch.autocast(self.weight.device.type, enabled=False):
            a, b = self.lora_A.weight, self.lora_B.weight * self.scale
            thinned = a if gain is None else torch.where(gain == 0, 0, a / gain)
            across = (self.weight @ thinned.T.to(self.weight.dtype)).float()
            squares = self.squares + (b * (2 * across + b @ (a @ a.T))).sum(1)
            return squares.clamp_min(SMALL**2).sqrt()

    def delta(self) -> Delta:
        """In fp32 on the CPU, detached."""
        b, a = (one.weight.detach().to("cpu", torch.float32) for one in (self.lora_B, self.lora_A))
        rows = self.lora_magnitude_vector
        return Delta(b * self.scale, a, None if rows is None else rows.detach().to("cpu", torch.float32))


def add_lora(
    model: Transformer,
    *,
    rank: int,
    alpha: float,
    targets: Sequence[str],
    seed: int,
    top_layers: int = 0,
    kind: Kind = "lora",
) -> None:
    """Freeze `model` and put an adapter beside every projection named in `targets`. It computes the same until trained.

    A is uniform within 1/sqrt(inputs) as in peft, B zero, DoRA's rows as long as they are; equal seeds give equal bits. With
    `top_layers` only so many of the last layers get adapters, and nothing needs to go back through those below.

    Raises:
        InputError: A target is no projection of a layer, there is none, the rank is not positive or more than a target has rows or
            columns, or there are fewer layers.
    """
    _check(model, rank, targets, top_layers)
    model.requires_grad_(False)
    generator = torch.Generator(device="cpu").manual_seed(seed)
    first = model.shape.layers - (top_layers or model.shape.layers)
    above = [(f"model.layers.{number}.{path}", child) for number, layer in list(enumerate(model.model.layers))[first:]
             for path, child in list(layer.named_modules())]  # fmt: skip
    for path, child in above:
        parent, _, name = path.rpartition(".")
        if name in targets:
            assert isinstance(child, nn.Linear), f"{path} has an adapter already"
            setattr(model.get_submodule(parent), name, LoraLinear(child, rank, alpha, generator, kind))


def _check(model: Transformer, rank: int, targets: Sequence[str], top_layers: int) -> None:
    known = linear_sizes(model.shape)
    unknown = [target for target in targets if target not in known]
    if unknown or not targets:
        seen = repr(unknown[0]) if unknown else "empty"
        raise InputError(f"LoRA's targets: {seen}, expected some of {', '.join(known)}")
    if rank < 1:
        raise InputError(f"LoRA's rank is {rank}, expected at least 1")
    narrowest = min(targets, key=lambda target: min(known[target]))
    most = min(known[narrowest])
    if rank > most:
        sizes = " x ".join(map(str, known[narrowest]))
        raise InputError(
            f"LoRA's rank is {rank}, but {narrowest} is a matrix of {sizes}: its rank is {most} at most",
            hint=f"set rank to {most} or less, or leave {narrowest} out of targets",
        )
    if not 0 <= top_layers <= model.shape.layers:
        raise InputError(f"LoRA's top_layers is {top_layers}, but the model has {model.shape.layers} layers")


def merged_state(model: Transformer) -> dict[str, Tensor]:
    """The model's weights under Hugging Face's names, adapters merged in, fp32, detached, on the CPU."""
    learned = deltas(model)
    state = {
        name: tensor.to("cpu", torch.float32) for name, tensor in model.state_dict().items() if ".lora_" not in name
    }
    with torch.autocast("cpu", enabled=False):
        return {name: learned[name].onto(tensor) if name in learned else tensor for name, tensor in state.items()}


def deltas(model: Transformer) -> dict[str, Delta]:
    """What the adapters of `model` make of its weights, by the weight's name; fp32 on the CPU."""
    return {f"{name}.weight": module.delta() for name, module in _adapters(model).items()}


def save_adapter(folder: Path, model: Transformer, base_name: str) -> None:
    """Write `adapter_config.json` and `adapter_model.safetensors` (F32), which peft's `PeftModel.from_pretrained` reads.

    Args:
        folder: Created if need be.
        model: With adapters from `add_lora`.
        base_name: Name or folder of the unmodified model, for whoever loads the adapter.
    """
    adapters = _adapters(model)
    assert adapters, "the model has no adapters"
    first = next(iter(adapters.values()))
    layers = sorted({int(name.split(".")[2]) for name in adapters})
    part = {"layers_to_transform": layers, "layers_pattern": "layers"} if len(layers) < model.shape.layers else {}
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_name,
        "r": first.rank,
        "lora_alpha": first.alpha,
        "target_modules": sorted({name.rsplit(".", 1)[1] for name in adapters}),
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "use_rslora": first.kind == "rslora",
        "use_dora": first.kind == "dora",
        "modules_to_save": None,
        **part,
    }
    write_json(folder / "adapter_config.json", config)
    state = {
        PEFT_PREFIX + name: tensor.detach().to("cpu", torch.float32).contiguous()
        for name, tensor in model.state_dict().items()
        if ".lora_" in name
    }
    save_tensors(state, folder / "adapter_model.safetensors")


def _lengths(matrix: Tensor) -> Tensor:
    """Of each row; never 0, as they divide."""
    lengths: Tensor = torch.linalg.vector_norm(matrix, dim=1)
    return lengths.clamp_min(SMALL)


def _adapters(model: Transformer) -> dict[str, LoraLinear]:
    return {name: module for name, module in model.named_modules() if isinstance(module, LoraLinear)}
