"""Low-rank adapters (Hu et al. 2021, arXiv 2106.09685): train W + (alpha / rank) B A with W frozen; ship it merged into the
weights and as an adapter in peft's format.

A module keeps its name when it gets an adapter, so the base's parameters keep Hugging Face's names and the adapter's are
peft's without its prefix. Trains nothing itself; knows no data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from luosi.artifacts.base import write_json
from luosi.errors import InputError
from luosi.models.flops import linear_sizes
from luosi.models.transformer import Transformer
from luosi.models.weights import save_tensors

PEFT_PREFIX = "base_model.model."


class LoraLinear(nn.Module):
    """A frozen linear layer with an adapter beside it: `lora_A` [rank, inputs] and `lora_B` [outputs, rank]."""

    def __init__(self, base: nn.Linear, rank: int, alpha: float, generator: torch.Generator) -> None:
        super().__init__()
        self.rank = rank
        self.alpha = alpha
        self.weight = base.weight
        self.bias = base.bias
        self.lora_A = nn.Linear(base.in_features, rank, bias=False, device=base.weight.device)
        self.lora_B = nn.Linear(rank, base.out_features, bias=False, device=base.weight.device)
        limit = 1 / math.sqrt(base.in_features)
        noise = torch.rand(self.lora_A.weight.shape, generator=generator) * (2 * limit) - limit
        with torch.no_grad():
            self.lora_A.weight.copy_(noise)
            self.lora_B.weight.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """[..., inputs] -> [..., outputs]; all three products obey autocast."""
        y: Tensor = F.linear(x, self.weight, self.bias) + self.lora_B(self.lora_A(x)) * (self.alpha / self.rank)
        return y

    def merged(self) -> Tensor:
        """W + (alpha / rank) B A, computed in fp32."""
        with torch.autocast(self.weight.device.type, enabled=False):
            delta = self.lora_B.weight.float() @ self.lora_A.weight.float()
            return self.weight.float() + delta * (self.alpha / self.rank)


def add_lora(
    model: Transformer, *, rank: int, alpha: float, targets: Sequence[str], seed: int, top_layers: int = 0
) -> None:
    """Freeze `model` and put an adapter beside every projection named in `targets`. It computes the same until trained.

    A is uniform within 1/sqrt(inputs) as in peft, B zero; equal seeds give equal bits. With `top_layers` only so many of the last
    layers get adapters, and nothing needs to go back through those below.

    Raises:
        InputError: A target is no projection of a layer, there is none, the rank is not positive, or there are fewer layers.
    """
    known = linear_sizes(model.shape)
    unknown = [target for target in targets if target not in known]
    if unknown or not targets:
        seen = repr(unknown[0]) if unknown else "empty"
        raise InputError(f"LoRA's targets: {seen}, expected some of {', '.join(known)}")
    if rank < 1:
        raise InputError(f"LoRA's rank is {rank}, expected at least 1")
    if not 0 <= top_layers <= model.shape.layers:
        raise InputError(f"LoRA's top_layers is {top_layers}, but the model has {model.shape.layers} layers")
    model.requires_grad_(False)
    generator = torch.Generator(device="cpu").manual_seed(seed)
    first = model.shape.layers - (top_layers or model.shape.layers)
    above = [(f"model.layers.{number}.{path}", child) for number, layer in list(enumerate(model.model.layers))[first:]
             for path, child in list(layer.named_modules())]  # fmt: skip
    for path, child in above:
        parent, _, name = path.rpartition(".")
        if name in targets:
            assert isinstance(child, nn.Linear), f"{path} has an adapter already"
            setattr(model.get_submodule(parent), name, LoraLinear(child, rank, alpha, generator))


def lora_parameters(model: Transformer) -> list[nn.Parameter]:
    """The trainable parameters that `add_lora` made, in the model's order."""
    return [parameter for name, parameter in model.named_parameters() if ".lora_" in name]


def merged_state(model: Transformer) -> dict[str, Tensor]:
    """The model's weights under Hugging Face's names, adapters merged in, fp32, detached."""
    state = {name: tensor.float() for name, tensor in model.state_dict().items() if ".lora_" not in name}
    for name, module in _adapters(model).items():
        state[f"{name}.weight"] = module.merged().detach()
    return state


def deltas(model: Transformer) -> dict[str, tuple[Tensor, Tensor]]:
    """What the adapters of `model` add, by the name of the weight: (B times alpha / rank, A), whose product it is; fp32 on the CPU."""
    return {
        f"{name}.weight": (
            module.lora_B.weight.detach().to("cpu", torch.float32) * (module.alpha / module.rank),
            module.lora_A.weight.detach().to("cpu", torch.float32),
        )
        for name, module in _adapters(model).items()
    }


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
        "use_rslora": False,
        "use_dora": False,
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


def _adapters(model: Transformer) -> dict[str, LoraLinear]:
    return {name: module for name, module in model.named_modules() if isinstance(module, LoraLinear)}
