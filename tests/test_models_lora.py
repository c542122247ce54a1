"""LoRA: no change before training, merged equals unmerged after, only adapters learn, peft's files."""

from __future__ import annotations

import json
from pathlib import Path

import peft
import pytest
import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import load_file

from luosi.errors import InputError
from luosi.models.flops import linear_sizes
from luosi.models.lora import Kind, LoraLinear, add_lora, deltas, merged_state, save_adapter
from luosi.models.precision import autocast
from luosi.models.transformer import Transformer
from luosi.models.weights import model_from_state, save_model
from tests.models_kit import lora_parameters, noisy_model, random_tokens, small_shape, tokenizer_folder

FAMILIES = pytest.mark.parametrize("family", ["qwen3", "qwen2", "llama"])
KINDS = pytest.mark.parametrize("kind", ["lora", "rslora", "dora"])
ALL = tuple(linear_sizes(small_shape()))


def adapted(
    family: str = "qwen3", targets: tuple[str, ...] = ALL, kind: Kind = "lora", top_layers: int = 0
) -> Transformer:
    """A model whose adapters are far from zero, and DoRA's rows longer or shorter than they were."""
    model = noisy_model(small_shape(family))
    add_lora(model, rank=4, alpha=8.0, targets=targets, seed=1, kind=kind, top_layers=top_layers)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in lora_parameters(model):
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(0.1 * noise if parameter.ndim == 2 else parameter * (1 + 0.1 * noise))
    return model


@FAMILIES
@KINDS
def test_a_fresh_adapter_changes_nothing_and_keeps_the_bases_names(family: str, kind: Kind) -> None:
    plain, model = noisy_model(small_shape(family)), noisy_model(small_shape(family))
    add_lora(model, rank=4, alpha=8.0, targets=ALL, seed=0, kind=kind)
    tokens = random_tokens(2, 9)
    torch.testing.assert_close(model(tokens), plain(tokens), rtol=0, atol=0 if kind != "dora" else 1e-5)
    state = merged_state(model)
    assert state.keys() == plain.state_dict().keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in plain.state_dict().items())


@FAMILIES
@KINDS
@pytest.mark.parametrize("targets", [ALL, ("v_proj",), ("gate_proj", "down_proj")])
def test_merged_weights_compute_what_the_adapter_does(family: str, kind: Kind, targets: tuple[str, ...]) -> None:
    model = adapted(family, targets, kind)
    tokens = random_tokens(2, 30)
    with torch.no_grad():
        with_adapter, without = model(tokens), noisy_model(small_shape(family))(tokens)
        merged = model_from_state(model.shape, merged_state(model))(tokens)
    assert (merged - with_adapter).abs().max() <= 5e-5 * with_adapter.std()
    assert (without - with_adapter).abs().max() > 0.1 * with_adapter.std()


@KINDS
def test_only_adapters_learn(kind: Kind) -> None:
    model = noisy_model(small_shape())
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    add_lora(model, rank=4, alpha=8.0, targets=ALL, seed=0, kind=kind)
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert [id(parameter) for parameter in trainable] == [id(parameter) for parameter in lora_parameters(model)]
    optimizer = torch.optim.AdamW(lora_parameters(model), lr=1e-2)
    tokens = random_tokens(4, 30)
    losses = []
    for _ in range(8):
        with autocast("bf16", "cpu"):
            logits = model(tokens[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.1
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in before.items())


def test_products_obey_autocast_and_merging_does_not() -> None:
    model = adapted()
    layer = model.get_submodule("model.layers.0.self_attn.q_proj")
    exact = merged_state(model)
    with autocast("bf16", "cpu"):
        assert layer(torch.randn(1, 3, 64)).dtype == torch.bfloat16
        inside = merged_state(model)
    assert all(torch.equal(inside[name], tensor) and tensor.dtype == torch.float32 for name, tensor in exact.items())


def test_seeds_decide_the_start() -> None:
    def start(seed: int) -> list[torch.Tensor]:
        model = noisy_model(small_shape())
        add_lora(model, rank=4, alpha=8.0, targets=ALL, seed=seed)
        return [parameter.detach() for parameter in lora_parameters(model)]

    assert all(torch.equal(a, b) for a, b in zip(start(3), start(3), strict=True))
    assert not torch.equal(start(3)[0], start(4)[0])


def test_adapter_files_have_pefts_names_and_shapes(tmp_path: Path) -> None:
    model = adapted(targets=("q_proj", "down_proj"))
    save_adapter(tmp_path / "adapter", model, "base")
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert (config["peft_type"], config["task_type"], config["bias"]) == ("LORA", "CAUSAL_LM", "none")
    assert (config["r"], config["lora_alpha"], config["target_modules"]) == (4, 8.0, ["down_proj", "q_proj"])
    state = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    expected: dict[str, tuple[int, ...]] = {}
    for layer in range(2):
        for parent, target in (("self_attn", "q_proj"), ("mlp", "down_proj")):
            outputs, inputs = linear_sizes(model.shape)[target]
            name = f"base_model.model.model.layers.{layer}.{parent}.{target}"
            expected |= {f"{name}.lora_A.weight": (4, inputs), f"{name}.lora_B.weight": (outputs, 4)}
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == expected


@FAMILIES
@KINDS
@pytest.mark.parametrize("top_layers", [0, 1])
@pytest.mark.filterwarnings("ignore::FutureWarning:transformers")
def test_peft_loads_the_adapter_and_merges_what_ships(tmp_path: Path, family: str, kind: Kind, top_layers: int) -> None:
    model = adapted(family, kind=kind, top_layers=top_layers)
    save_adapter(tmp_path / "adapter", model, "base")
    base = noisy_model(small_shape(family))
    save_model(tmp_path / "base", base.state_dict(), base.shape, tokenizer_folder(tmp_path / "tokenizer"))
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=torch.float32)
    loaded = peft.PeftModel.from_pretrained(theirs, tmp_path / "adapter").eval()
    tokens = random_tokens(2, 9)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(tokens).logits, model(tokens), rtol=1e-3, atol=1e-4)
    merged, ours = loaded.merge_and_unload().state_dict(), merged_state(model)
    assert any(not torch.equal(tensor, base.state_dict()[name]) for name, tensor in ours.items())
    for name, tensor in ours.items():
        torch.testing.assert_close(merged[name], tensor)


def test_doras_lengths_take_the_gradient_of_the_paper_with_the_norm_held_constant() -> None:
    """Against autograd through m / norm (W + s B A) x with the norm detached, written out."""
    layer = adapted("qwen2", kind="dora").get_submodule("model.layers.0.self_attn.q_proj")
    assert isinstance(layer, LoraLinear) and layer.lora_magnitude_vector is not None
    x, weight = torch.randn(5, 64), torch.randn(5, layer.weight.shape[0])
    parameters = [layer.lora_magnitude_vector, layer.lora_A.weight, layer.lora_B.weight]
    m, a, b = parameters
    whole = layer.weight + 2.0 * b @ a
    y = x @ (m / whole.norm(dim=1).detach() * whole.T).squeeze() + layer.bias
    torch.testing.assert_close(layer(x), y)
    expected = torch.autograd.grad((y * weight).sum(), parameters)
    for found, wanted in zip(torch.autograd.grad((layer(x) * weight).sum(), parameters), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_a_row_of_zeros_does_not_divide_by_zero() -> None:
    model = noisy_model(small_shape())
    with torch.no_grad():
        model.get_parameter("model.layers.0.mlp.up_proj.weight")[3] = 0.0
    add_lora(model, rank=4, alpha=8.0, targets=ALL, seed=0, kind="dora")
    model(random_tokens(2, 9)).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in lora_parameters(model))
    assert all(tensor.isfinite().all() for tensor in merged_state(model).values())


@pytest.mark.parametrize(
    ("targets", "rank", "message"),
    [
        (("q_porj",), 4, "'q_porj', expected some of q_proj"),
        ((), 4, "empty"),
        (ALL, 0, "rank is 0"),
        (("q_proj", "down_proj"), 65, "rank is 65, but q_proj is a matrix of 128 x 64: its rank is 64 at most"),
    ],
)
def test_wrong_targets_and_ranks_are_refused(targets: tuple[str, ...], rank: int, message: str) -> None:
    model = noisy_model(small_shape())
    with pytest.raises(InputError, match=message):
        add_lora(model, rank=rank, alpha=8.0, targets=targets, seed=0)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_adapters_in_the_last_layers_only_say_so_to_peft(tmp_path: Path) -> None:
    model = noisy_model(small_shape())
    add_lora(model, rank=4, alpha=8.0, targets=("q_proj", "up_proj"), seed=0, top_layers=1)
    assert {name.split(".")[2] for name, p in model.named_parameters() if p.requires_grad} == {"1"}
    save_adapter(tmp_path, model, "base")
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (config["layers_to_transform"], config["layers_pattern"]) == ([1], "layers")
    with pytest.raises(InputError, match="top_layers is 3, but the model has 2"):
        add_lora(noisy_model(small_shape()), rank=4, alpha=8.0, targets=ALL, seed=0, top_layers=3)


@KINDS
def test_what_the_adapters_make_of_a_weight_is_told_by_its_name(kind: Kind) -> None:
    model = adapted(kind=kind)
    state = noisy_model(small_shape()).state_dict()
    for name, delta in deltas(model).items():
        state[name] = delta.onto(state[name])
    for name, tensor in merged_state(model).items():
        torch.testing.assert_close(state[name], tensor)
