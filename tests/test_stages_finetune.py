"""Adapters by Muon, and adapters in the last layers only: what they cost, what is shipped, and kills."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from luosi.artifacts import BaseModel, Corpus, Facts, ModelShape, TokenDataset, Tokenizer
from luosi.artifacts.base import read_jsonl
from luosi.errors import BudgetExceeded
from luosi.models.flops import forward_flop, lora_parameters, training_flop
from luosi.models.weights import read_state
from luosi.pipeline.key import canonical
from luosi.stages.finetune.stage import FinetuneStage, step_flop
from luosi.stages.pretrain.stage import PretrainStage
from luosi.stages.tokenize.stage import TokenizeStage
from luosi.stages.train_tokenizer.stage import TrainTokenizerStage
from tests.training_kit import Recorder, inputs_of, small_corpus

SETTINGS = {"rank": 4, "sequence": 64, "batch_tokens": 128, "tokens": 2500, "optimizer": "muon", "learning_rate": 0.01}
SHAPE = ModelShape(
    family="llama", vocab_size=1000, layers=4, width=64, heads=4, kv_heads=2, head_dim=16, ff=128, context=64
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Corpus, BaseModel]:
    """A corpus, and a model of two layers that has hardly learned."""
    folder = tmp_path_factory.mktemp("base")
    corpus = small_corpus(folder / "corpus")
    one, two, three = (Recorder(folder / name) for name in ("tokenizer", "tokens", "model"))
    stage = TrainTokenizerStage()
    stage.run(stage.Config(vocab_size=352), stage.Runtime(), inputs_of(corpus=corpus), one)
    roles = inputs_of(corpus=corpus, tokenizer=Tokenizer(one.out))
    TokenizeStage().run(TokenizeStage.Config(), TokenizeStage.Runtime(), roles, two)
    config = PretrainStage.Config(
        layers=2, width=32, heads=2, kv_heads=1, head_dim=16, ff=64, sequence=64, batch_tokens=256, steps=3
    )
    roles = inputs_of(tokens=TokenDataset(two.out), tokenizer=Tokenizer(one.out))
    PretrainStage().run(config, PretrainStage.Runtime(threads=1), roles, three)
    return corpus, BaseModel(three.out)


def adapt(base: tuple[Corpus, BaseModel], context: Recorder, **changes: object) -> Facts:
    config = FinetuneStage.Config.model_validate({**SETTINGS, **changes})
    roles = inputs_of(corpus=base[0], model=base[1])
    return FinetuneStage().run(config, FinetuneStage.Runtime(threads=1), roles, context)


@pytest.mark.parametrize("changes", [{}, {"top_layers": 1}, {"optimizer": "adamw", "top_layers": 1}])
def test_what_ships_is_the_unrounded_model_and_what_the_adapter_adds(
    base: tuple[Corpus, BaseModel], tmp_path: Path, changes: dict[str, object]
) -> None:
    context = Recorder(tmp_path)
    adapt(base, context, **changes)
    losses = [float(str(row["loss"])) for row in read_jsonl(context.out / "curve.jsonl")]
    assert losses[-1] < losses[0] - 0.1
    adapter = load_file(context.out / "adapter" / "adapter_model.safetensors")
    before, shipped = read_state(base[1].path), read_state(context.out)
    touched = set()
    for name, tensor in shipped.items():
        a = adapter.get("base_model.model." + name.removesuffix("weight") + "lora_A.weight")
        if a is None:
            assert torch.equal(tensor, before[name])
        else:
            b = adapter["base_model.model." + name.removesuffix("weight") + "lora_B.weight"]
            torch.testing.assert_close(tensor, before[name] + 8.0 * b @ a)
            touched.add(name.split(".")[2])
    assert touched == ({"1"} if changes else {"0", "1"})


def test_a_lora_by_muon_cut_short_ends_in_the_same_bytes(base: tuple[Corpus, BaseModel], tmp_path: Path) -> None:
    def stop(step: int) -> None:
        if step == 8:
            raise BudgetExceeded("stop")

    whole, cut = Recorder(tmp_path / "whole"), Recorder(tmp_path / "cut", at_step=stop)
    adapt(base, whole)
    with pytest.raises(BudgetExceeded):
        adapt(base, cut)
    adapt(base, Recorder(tmp_path / "cut"))
    files = [path.relative_to(whole.out) for path in whole.out.rglob("*") if path.is_file()]
    assert Path("adapter/adapter_model.safetensors") in files
    for name in files:
        assert (whole.out / name).read_bytes() == (cut.out / name).read_bytes(), name


def test_layers_below_the_adapters_cost_no_way_back() -> None:
    config = FinetuneStage.Config()
    whole = step_flop(config, SHAPE)
    adapters = lora_parameters(SHAPE, config.rank, config.targets)
    assert whole == training_flop(SHAPE, 512, 512, trainable="lora", adapter_parameters=adapters)
    assert step_flop(config.model_copy(update={"top_layers": 4}), SHAPE) == whole
    half = step_flop(config.model_copy(update={"top_layers": 2}), SHAPE)
    upper = SHAPE.model_copy(update={"layers": 2})
    trained = training_flop(upper, 512, 512, trainable="lora", adapter_parameters=adapters // 2)
    assert half == pytest.approx(trained + forward_flop(SHAPE, 512, 512) - forward_flop(upper, 512, 512))


def test_new_settings_leave_old_keys_alone_and_are_for_adapters() -> None:
    assert not {"top_layers", "optimizer"} & set(canonical(FinetuneStage.Config()))  # type: ignore[call-overload]
    for field, value in (("top_layers", 2), ("optimizer", "muon")):
        with pytest.raises(ValidationError, match=f'{field} is for method "lora"'):
            FinetuneStage.Config.model_validate({"method": "full", "learning_rate": 1e-4, field: value})
