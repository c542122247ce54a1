"""The frozen model's own way of computing: the plain model's values and gradients, nothing kept below the lowest adapter."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from luosi.models.lora import Kind, add_lora
from luosi.models.precision import autocast
from luosi.models.transformer import Transformer
from luosi.training.frozen import freeze
from tests.models_kit import lora_parameters, noisy_model, random_tokens, small_shape

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
SEGMENTS = torch.arange(40)[None].repeat(2, 1) // 17


def adapted(family: str, targets: tuple[str, ...] = TARGETS, top_layers: int = 0, kind: Kind = "lora") -> Transformer:
    model = noisy_model(small_shape(family))
    add_lora(model, rank=4, alpha=8.0, targets=targets, seed=1, top_layers=top_layers, kind=kind)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in lora_parameters(model):
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(0.1 * noise if parameter.ndim == 2 else parameter * (1 + 0.2 * noise))
    return model


def gradients(model: Transformer, tokens: Tensor, precision: str) -> tuple[Tensor, dict[str, Tensor]]:
    """States, and the gradients of their sum weighted by fixed noise."""
    with autocast(precision, "cpu"):  # type: ignore[arg-type]
        states = model.hidden(tokens, segments_BT=SEGMENTS)
    (states.float() * torch.randn(states.shape, generator=torch.Generator().manual_seed(3))).sum().backward()
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return states.detach().float(), found


def off(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm() / other.norm())


@pytest.mark.parametrize("family", ["qwen3", "qwen2", "llama"])
@pytest.mark.parametrize("targets", [TARGETS, ("v_proj", "gate_proj", "down_proj")])
@pytest.mark.parametrize("kind", ["lora", "rslora", "dora"])
def test_states_and_gradients_are_no_further_from_fp32_than_the_plain_models(
    family: str, targets: tuple[str, ...], kind: Kind
) -> None:
    tokens = random_tokens(2, 40)
    exact, exact_gradients = gradients(adapted(family, targets, kind=kind), tokens, "fp32")
    plain, plain_gradients = gradients(adapted(family, targets, kind=kind), tokens, "bf16")
    model = adapted(family, targets, kind=kind)
    freeze(model)
    states, found = gradients(model, tokens, "bf16")
    assert found.keys() == exact_gradients.keys() and all("lora_" in name for name in found)
    assert off(states, exact) < 1.5 * off(plain, exact) + 1e-3
    for name, gradient in found.items():
        assert off(gradient, exact_gradients[name]) < 2 * off(plain_gradients[name], exact_gradients[name]) + 0.01, name


@pytest.mark.parametrize("family", ["qwen3", "qwen2", "llama"])
@pytest.mark.parametrize("targets", [TARGETS, ("v_proj", "gate_proj", "down_proj")])
@pytest.mark.parametrize("kind", ["lora", "rslora"])
def test_matrices_in_int8_take_half_the_memory_and_stay_close(
    family: str, targets: tuple[str, ...], kind: Kind
) -> None:
    tokens = random_tokens(2, 40)
    reference, model = (adapted(family, targets, kind=kind) for _ in range(2))
    for one in (reference, model):
        with torch.no_grad():
            one.get_parameter("model.layers.0.mlp.up_proj.weight")[3] = 0.0
    exact, exact_gradients = gradients(reference, tokens, "fp32")
    freeze(model, int8=True)
    states, found = gradients(model, tokens, "bf16")
    assert found.keys() == exact_gradients.keys()
    assert 0.001 < off(states, exact) < 0.06
    for name, gradient in found.items():
        assert off(gradient, exact_gradients[name]) < 0.15, name
    kept = {name: p.dtype for name, p in model.named_parameters() if "proj.weight" in name and p.ndim == 2}
    assert {kept[name] for name in kept if name.split(".")[-2] in targets} == {torch.int8}


def test_with_adapters_above_only_nothing_below_is_touched() -> None:
    model = adapted("llama", top_layers=1)
    names = [name for name, p in model.named_parameters() if p.requires_grad]
    assert names and all(name.startswith("model.layers.1.") for name in names)
    freeze(model)
    assert model.state_dict().keys() == adapted("llama", top_layers=1).state_dict().keys()
    lower = model.model.layers[0]
    seen: list[bool] = []
    lower.register_forward_hook(lambda _, inputs, output: seen.append(output.requires_grad))
    _, found = gradients(model, random_tokens(2, 40), "bf16")
    assert sorted(found) == sorted(names) and seen == [False]
