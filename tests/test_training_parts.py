"""Schedule, loss, optimizers and checkpoints, each against a reference or on a real disk."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from luosi.training.adamw import AdamW
from luosi.training.checkpoints import Checkpoint, Checkpoints
from luosi.training.loss import Draw, Words, cross_entropy_sum
from luosi.training.optimizers import Optimizers, adamw, muon_and_adamw
from luosi.training.schedules import wsd
from luosi.training.state import reproducible
from tests.training_kit import small_model


def test_the_rate_rises_stays_and_falls_to_nothing() -> None:
    rates = [wsd(step, 100, warmup_fraction=0.1, decay_fraction=0.2) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:81] == [1.0] * 72
    assert rates[90] == pytest.approx(0.5)
    assert rates[100] == 0.0
    assert [wsd(step, 3, warmup_fraction=0.0, decay_fraction=0.0) for step in range(3)] == [1.0] * 3


@pytest.mark.parametrize("tokens", [1, 255, 256, 257, 700])
def test_the_chunked_loss_is_torchs_with_the_same_gradients(tokens: int) -> None:
    generator = torch.Generator().manual_seed(tokens)
    hidden = torch.randn(tokens, 16, generator=generator, requires_grad=True)
    head = torch.randn(20_000, 16, generator=generator, requires_grad=True)
    targets = torch.randint(0, 20_000, (tokens,), generator=generator)
    loss = cross_entropy_sum(hidden, head, targets, "fp32")
    reference = torch.nn.functional.cross_entropy(hidden @ head.T, targets, reduction="sum")
    expected = torch.autograd.grad(reference, (hidden, head))
    torch.testing.assert_close(loss, reference)
    torch.testing.assert_close(torch.autograd.grad(loss * 2, (hidden, head)), tuple(2 * g for g in expected))


def test_a_frozen_head_costs_no_gradient_and_bf16_stays_close() -> None:
    hidden = torch.randn(300, 32, requires_grad=True)
    head, targets = torch.randn(512, 32) * 0.2, torch.randint(0, 512, (300,))
    exact = cross_entropy_sum(hidden, head, targets, "fp32")
    rounded = cross_entropy_sum(hidden, head, targets, "bf16")
    torch.testing.assert_close(rounded, exact, rtol=5e-3, atol=0)
    (gradient,) = torch.autograd.grad(rounded, hidden)
    assert gradient.isfinite().all() and head.grad is None


def drawn(count: int, shares: torch.Tensor, seed: int = 0) -> Draw:
    return Draw(count, shares, torch.Generator().manual_seed(seed))


def test_a_loss_over_drawn_words_is_near_the_whole_one_and_nearer_the_more_are_drawn() -> None:
    """Words of a Zipfian vocabulary, a head that has learned their frequencies: what a language model's is like."""
    generator = torch.Generator().manual_seed(1)
    shares = 1 / (torch.arange(2000) + 3.0)
    hidden = torch.cat((torch.randn(1500, 15, generator=generator), torch.ones(1500, 1)), 1).requires_grad_()
    head = torch.cat((0.3 * torch.randn(2000, 15, generator=generator), shares.log()[:, None]), 1).requires_grad_()
    targets = torch.multinomial(shares, 1500, replacement=True, generator=generator)
    whole = cross_entropy_sum(hidden, head, targets, "fp32")
    expected = torch.cat([g.flatten() for g in torch.autograd.grad(whole, (hidden, head))])

    def misses(count: int) -> tuple[float, float]:
        losses, cosines = [], []
        for seed in range(8):
            loss = cross_entropy_sum(hidden, head, targets, "fp32", drawn(count, shares, seed))
            gradient = torch.cat([g.flatten() for g in torch.autograd.grad(loss, (hidden, head))])
            losses.append((loss.detach() / whole.detach()).item() - 1)
            cosines.append(float(torch.nn.functional.cosine_similarity(gradient, expected, 0)))
        return abs(sum(losses) / len(losses)), 1 - sum(cosines) / len(cosines)

    few, many = misses(32), misses(512)
    assert few[0] < 0.01 and many[0] < 0.002
    assert many[1] < few[1] / 2 < 0.05


@pytest.mark.parametrize("count", [2, 4])
def test_workers_of_whole_chunks_draw_what_one_draws(count: int) -> None:
    """4,096 tokens of a step, four chunks: one worker takes them all, or each of several takes its share."""
    words = Words(16, torch.arange(512).float(), seed=5, rows=100)
    hidden, head, targets = torch.randn(4096, 8), torch.randn(512, 8), torch.randint(0, 512, (4096,))
    whole = cross_entropy_sum(hidden, head, targets, "fp32", words.draw(8))
    each = 4096 // count
    parts = [
        cross_entropy_sum(hidden[first:][:each], head, targets[first:][:each], "fp32", words.draw(8, first // 1024))
        for first in range(0, 4096, each)
    ]
    torch.testing.assert_close(sum(parts), whole, rtol=1e-6, atol=0)
    assert cross_entropy_sum(hidden, head, targets, "fp32", words.draw(12)) != whole


def test_with_no_word_drawn_the_softmax_is_over_the_targets_alone() -> None:
    hidden, head = torch.randn(50, 8), torch.randn(300, 8)
    targets = torch.randint(0, 300, (50,))
    columns, places = torch.unique(targets, return_inverse=True)
    loss = cross_entropy_sum(hidden, head, targets, "fp32", drawn(0, torch.ones(300)))
    torch.testing.assert_close(
        loss, torch.nn.functional.cross_entropy(hidden @ head[columns].T, places, reduction="sum")
    )


def test_the_same_seed_draws_the_same_and_every_word_may_be_a_target() -> None:
    hidden, head = torch.randn(64, 8), torch.randn(16, 8)
    targets = torch.arange(64) % 16
    whole = cross_entropy_sum(hidden, head, targets, "fp32")
    torch.testing.assert_close(cross_entropy_sum(hidden, head, targets, "fp32", drawn(4, torch.ones(16))), whole)
    once, again, other = (
        cross_entropy_sum(hidden, head, targets[:3].repeat(22)[:64], "fp32", drawn(4, torch.ones(16), seed))
        for seed in (1, 1, 2)
    )
    assert torch.equal(once, again) and not torch.equal(once, other)


def take_steps(optimizers: Optimizers, count: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        for parameter in optimizers.parameters.values():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizers.step(0.5)


def test_an_optimizers_state_goes_through_a_checkpoint_bit_for_bit(tmp_path: Path) -> None:
    model, optimizers = small_model()
    take_steps(optimizers, 3, seed=1)
    state = optimizers.state()
    assert any(name.startswith("momentum_buffer/model.layers.") for name in state)
    assert "exp_avg/model.embed_tokens.weight" in state
    Checkpoints(tmp_path).save(Checkpoint(3, state | {f"parameter/{n}": p for n, p in model.named_parameters()}, {}))
    saved = Checkpoints(tmp_path).newest()
    assert saved is not None
    take_steps(optimizers, 2, seed=2)
    other, restored = small_model()
    with torch.no_grad():
        for name, parameter in other.named_parameters():
            parameter.copy_(saved.tensors.pop(f"parameter/{name}"))
    restored.load(saved.tensors)
    take_steps(restored, 2, seed=2)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, other.get_parameter(name)), name


def test_muon_gets_the_layers_matrices_and_nothing_else() -> None:
    model, optimizers = small_model()
    take_steps(optimizers, 1, seed=0)
    by_muon = {name.split("/")[1] for name in optimizers.state() if name.startswith("momentum_buffer/")}
    assert by_muon == {n for n, p in model.named_parameters() if ".layers." in n and p.ndim == 2}


def test_adamw_is_torchs_bit_for_bit() -> None:
    drawn = torch.Generator().manual_seed(3)
    mine, theirs = ([torch.nn.Parameter(torch.ones(shape)) for shape in ((5, 3), (7,), (2, 2))] for _ in range(2))
    decays = (0.3, 0.0)
    own = AdamW([{"params": mine[:2], "weight_decay": decays[0]}, {"params": mine[2:]}], lr=0.01)
    groups = [
        {"params": part, "weight_decay": decay} for part, decay in zip((theirs[:2], theirs[2:]), decays, strict=True)
    ]
    reference = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.95), fused=True)
    for step in range(6):
        for one, other in zip(mine, theirs, strict=True):
            one.grad = other.grad = torch.randn(one.shape, generator=drawn)
        if step in (0, 3):
            mine[1].grad = theirs[1].grad = None
        for group in (*own.param_groups, *reference.param_groups):
            group["lr"] = 0.01 * (step + 1)
        own.step()
        reference.step()
        own.drop_gradients()
        assert all(one.grad is None for one in mine)
    for one, other in zip(mine, theirs, strict=True):
        assert torch.equal(one, other)
        assert {name: value.tolist() for name, value in own.state[one].items()} == {
            name: value.tolist() for name, value in reference.state[other].items()
        }


def test_training_without_compiling_does_not_import_the_compiler() -> None:
    train = """
import sys
from luosi.training.state import reproducible
from tests.training_kit import small_model
with reproducible(threads=1):
    model, optimizers = small_model()
    for parameter in optimizers.parameters.values():
        parameter.grad = parameter.detach().clone()
    optimizers.step(1.0)
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", train], check=True, cwd=Path(__file__).parents[1])


@pytest.mark.parametrize("compiles", [False, True])
def test_what_would_differ_from_run_to_run_is_refused_while_reproducible(compiles: bool) -> None:
    def overwrite() -> Tensor:
        return torch.zeros(2).put_(torch.tensor([0, 0]), torch.tensor([1.0, 2.0]))  # either may win

    threads = torch.get_num_threads()
    with reproducible(threads=threads + 1, compiles=compiles):
        assert torch.get_num_threads() == threads + 1
        with pytest.raises(RuntimeError, match="deterministic"):
            overwrite()
    assert torch.get_num_threads() == threads
    assert overwrite()[1] == 0


def test_only_matrices_decay() -> None:
    for make in (
        lambda m: adamw(m, learning_rate=0.1, weight_decay=0.5),
        lambda m: muon_and_adamw(m, matrix_lr=0.1, vector_lr=0.1, weight_decay=0.5),
    ):
        model, _ = small_model()
        optimizers = make(model)
        matrix, vector = model.model.layers[0].mlp.up_proj.weight, model.model.norm.weight
        plain = make(small_model()[0])
        for group, _ in plain._groups:
            group["weight_decay"] = 0.0
        undecayed = next(p for name, p in plain.parameters.items() if name.endswith("layers.0.mlp.up_proj.weight"))
        for one, weight in ((optimizers, matrix), (plain, undecayed)):
            for parameter in one.parameters.values():
                parameter.grad = torch.zeros_like(parameter)
            weight.grad = weight.detach().clone()
        optimizers.step(1.0)
        plain.step(1.0)
        assert matrix.norm() < undecayed.norm()
        assert torch.equal(vector, torch.ones_like(vector))


def checkpoint(step: int) -> Checkpoint:
    return Checkpoint(
        step, {"a": torch.full((5,), float(step)), "count": torch.tensor(step)}, {"threads": 2, "why": "é"}
    )


def test_checkpoints_come_back_and_only_two_stay(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "new")
    assert checkpoints.newest() is None
    for step in (9, 10, 200):
        checkpoints.save(checkpoint(step))
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "step-000000010.safetensors",
        "step-000000200.safetensors",
    ]
    newest = checkpoints.newest()
    assert newest is not None and newest.step == 200 and newest.notes == {"threads": 2, "why": "é"}
    assert torch.equal(newest.tensors["a"], torch.full((5,), 200.0)) and newest.tensors["count"].shape == ()


@pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01.", b"\xff" * 100])
def test_a_damaged_or_foreign_checkpoint_is_passed_over(tmp_path: Path, content: bytes) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(checkpoint(1))
    (tmp_path / "step-000000002.safetensors").write_bytes(content)
    save_file({"x": torch.zeros(1)}, tmp_path / "step-000000003.safetensors")
    (tmp_path / "unfinished.tmp").write_bytes(b"half")
    newest = checkpoints.newest()
    assert newest is not None and newest.step == 1


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(checkpoint(1))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(OSError, match="checkpoint of step 2 could not be written"):
            checkpoints.save(Checkpoint(2, {"big": torch.zeros(100_000)}, {}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000001.safetensors"]
