"""The transformer computes what Hugging Face's does, packs documents without mixing them, and caches without changing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from luosi.artifacts import ModelShape
from luosi.models.first_weights import initialise
from luosi.models.precision import autocast, best_precision
from luosi.models.transformer import KVCache, Transformer, rotary_frequencies
from luosi.models.weights import save_model
from tests.models_kit import LLAMA3, noisy_model, random_tokens, small_shape, tokenizer_folder

FAMILIES = pytest.mark.parametrize("family", ["qwen3", "qwen2", "llama"])


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Threads cost these tiny products more than they give."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def close(a: Tensor, b: Tensor) -> bool:
    return bool((a - b).abs().max() <= 2e-5 * b.std())


@FAMILIES
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("scaling", [None, LLAMA3])
@pytest.mark.parametrize("kv_heads", [1, 4])
def test_logits_equal_transformers(
    family: str, tied: bool, scaling: dict[str, float] | None, kv_heads: int, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    shape = small_shape(family, tied=tied, rope_scaling=scaling, kv_heads=kv_heads, rope_theta=5e5)
    ours = noisy_model(shape)
    save_model(tmp_path / "model", ours.state_dict(), shape, tokenizer_folder(tmp_path / "tokenizer"))
    theirs, report = AutoModelForCausalLM.from_pretrained(tmp_path / "model", output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    assert theirs.dtype == torch.float32
    tokens = random_tokens(2, 100)
    with torch.no_grad():
        a, b = ours(tokens).double(), theirs(tokens).logits.double()
    assert (a - b).abs().max() <= 1e-4 * b.std()
    divergence = (b.softmax(-1) * (b.log_softmax(-1) - a.log_softmax(-1))).sum(-1)
    assert divergence.max() <= 1e-9


def test_llama3_frequencies_equal_transformers() -> None:
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    scaling = LLAMA3 | {"original_max_position_embeddings": 8192}
    config = LlamaConfig(head_dim=128, rope_parameters={"rope_theta": 5e5, **scaling})
    expected, factor = ROPE_INIT_FUNCTIONS["llama3"](config)
    ours = rotary_frequencies(small_shape("llama", head_dim=128, rope_theta=5e5, rope_scaling=scaling))
    assert factor == 1.0
    torch.testing.assert_close(ours, expected, rtol=1e-6, atol=0)


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5), restart=st.booleans(), seed=st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_packed_documents_are_scored_as_if_alone(lengths: list[int], restart: bool, seed: int) -> None:
    model = noisy_model(small_shape())
    documents = [random_tokens(1, length, seed=seed + place) for place, length in enumerate(lengths)]
    segments = torch.cat([torch.full_like(document, place) for place, document in enumerate(documents)], 1)
    positions = torch.cat([torch.arange(length)[None] for length in lengths], 1) if restart else None
    with torch.no_grad():
        packed = model(torch.cat(documents, 1), segments_BT=segments, positions_BT=positions)
        alone = torch.cat([model(document) for document in documents], 1)
    assert close(packed, alone)


@given(cuts=st.lists(st.integers(1, 19), max_size=4), segmented=st.booleans())
@settings(max_examples=15, deadline=None)
def test_in_pieces_with_a_cache_as_in_one_go(cuts: list[int], segmented: bool) -> None:
    model = noisy_model(small_shape("qwen2"))
    tokens = random_tokens(2, 20)
    segments = torch.arange(20).div(7, rounding_mode="floor").expand(2, -1) if segmented else None
    bounds = [0, *sorted(set(cuts)), 20]
    cache = KVCache()
    with torch.no_grad():
        whole = model(tokens, segments_BT=segments)
        pieces = [
            model(tokens[:, a:b], segments_BT=None if segments is None else segments[:, a:b], cache=cache)
            for a, b in pairwise(bounds)
        ]
    assert cache.length == 20
    assert close(torch.cat(pieces, 1), whole)


@pytest.mark.parametrize("segmented", [False, True])
def test_choices_share_one_context(segmented: bool) -> None:
    model = noisy_model(small_shape())
    context, choices = random_tokens(1, 12), random_tokens(4, 5, seed=1)
    cache = KVCache()
    with torch.no_grad():
        model.hidden(context, segments_BT=torch.zeros_like(context) if segmented else None, cache=cache)
        shared = model(choices, segments_BT=torch.zeros_like(choices) if segmented else None, cache=cache.expand(4))
        alone = model(torch.cat((context.expand(4, -1), choices), 1))[:, 12:]
    assert cache.length == 12 and close(shared, alone)


def test_a_cropped_cache_goes_on_from_there() -> None:
    model = noisy_model(small_shape())
    tokens, other = random_tokens(1, 12), random_tokens(1, 4, seed=1)
    cache = KVCache()
    with torch.no_grad():
        model.hidden(tokens, segments_BT=torch.zeros_like(tokens), cache=cache)
        cache.crop(7)
        logits = model(other, segments_BT=torch.zeros_like(other), cache=cache)
        expected = model(torch.cat((tokens[:, :7], other), 1))[:, 7:]
    assert cache.length == 11 and close(logits, expected)


@given(place=st.integers(0, 14), seed=st.integers(0, 9))
@settings(max_examples=15, deadline=None)
def test_the_future_does_not_reach_back(place: int, seed: int) -> None:
    model = noisy_model(small_shape("llama"), seed)
    tokens = random_tokens(1, 15, seed=seed)
    changed = tokens.clone()
    changed[0, place] = (changed[0, place] + 1) % 300
    with torch.no_grad():
        a, b = model(tokens), model(changed)
    assert torch.equal(a[:, :place], b[:, :place]) and not torch.equal(a[:, place], b[:, place])


@FAMILIES
def test_bf16_stays_near_fp32_and_logits_are_fp32(family: str) -> None:
    model = noisy_model(small_shape(family), scale=0.1)
    tokens = random_tokens(2, 30)
    with torch.no_grad():
        exact = model(tokens)
        with autocast("bf16", "cpu"):
            rounded = model(tokens)
            with autocast("fp32", "cpu"):
                inner = model(tokens)
    assert rounded.dtype == torch.float32 and torch.equal(inner, exact)
    assert 0 < (rounded - exact).abs().max() < 0.1 * exact.std()
    # logits rounded to bf16 would leave its grid's 8 bits
    assert not torch.equal(rounded.bfloat16().float(), rounded)


@pytest.mark.parametrize("segmented", [False, True])
def test_captured_whole_by_the_compiler(segmented: bool) -> None:
    """Equal but for the order of sums: compiled, attention computes all scores at once."""
    model = noisy_model(small_shape())
    tokens = random_tokens(2, 16)
    segments = (torch.arange(16) // 5).expand(2, -1) if segmented else None
    compiled = torch.compile(model.forward, backend="eager", fullgraph=True, dynamic=False)
    found, expected = compiled(tokens, segments_BT=segments), model(tokens, segments_BT=segments)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_gradients_are_bit_identical_from_run_to_run(precision: str) -> None:
    tokens = random_tokens(2, 40)
    segments = (torch.arange(40) // 9).expand(2, -1)

    def gradients() -> list[Tensor]:
        model = Transformer(small_shape())
        initialise(model, 7)
        with autocast("bf16" if precision == "bf16" else "fp32", "cpu"):
            logits = model(tokens[:, :-1], segments_BT=segments[:, :-1])
        F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten()).backward()
        return [parameter.grad for parameter in model.parameters() if parameter.grad is not None]

    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        first, second = gradients(), gradients()
    finally:
        torch.use_deterministic_algorithms(before)
    assert len(first) == len(list(Transformer(small_shape()).parameters()))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@FAMILIES
@pytest.mark.parametrize("tied", [True, False])
def test_initialise_is_seeded_and_starts_near_uniform(family: str, tied: bool) -> None:
    shape: ModelShape = small_shape(family, tied=tied)
    models = [Transformer(shape) for _ in range(3)]
    state_of_torch = torch.random.get_rng_state()
    for model, seed in zip(models, (1, 1, 2), strict=True):
        initialise(model, seed)
    assert torch.equal(torch.random.get_rng_state(), state_of_torch)
    states = [model.state_dict() for model in models]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["model.embed_tokens.weight"], states[2]["model.embed_tokens.weight"])
    tokens = random_tokens(4, 60)
    with torch.no_grad():
        loss = F.cross_entropy(models[0](tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
    assert loss.item() == pytest.approx(torch.tensor(shape.vocab_size).log().item(), rel=0.1)


def test_best_precision_is_bf16_only_where_the_processor_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for capabilities, expected in [({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True}, "bf16"), ({}, "fp32")]:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=capabilities: found)
        assert best_precision("cpu") == expected
    assert best_precision("mps") == "fp32"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("segmented", [False, True])
def test_cuda_computes_the_same(segmented: bool) -> None:
    model = noisy_model(small_shape())
    tokens = random_tokens(2, 40)
    segments = (torch.arange(40) // 9).expand(2, -1) if segmented else None
    with torch.no_grad():
        here = model(tokens, segments_BT=segments)
        model.cuda()
        there = model(tokens.cuda(), segments_BT=None if segments is None else segments.cuda()).cpu()
    assert (there - here).abs().max() <= 1e-4 * here.std()
