"""Adapters of each kind, by Muon, in the last layers only: what they cost, what is shipped, kills, what is told, bad input."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from luosi.artifacts import BaseModel, Corpus, Facts, ModelShape, TokenDataset, Tokenizer
from luosi.artifacts.base import read_jsonl, write_json, write_jsonl
from luosi.errors import BudgetExceeded, InputError
from luosi.models.flops import forward_flop, linear_sizes, lora_parameters, training_flop
from luosi.models.lora import ROWS
from luosi.models.tokenizer import load_tokenizer
from luosi.models.weights import read_state
from luosi.pipeline.key import canonical
from luosi.stages.finetune.data import supply
from luosi.stages.finetune.stage import FinetuneStage, step_flop
from luosi.stages.pretrain.stage import PretrainStage
from luosi.stages.tokenize.stage import TokenizeStage
from luosi.stages.train_tokenizer.stage import TrainTokenizerStage
from tests.training_kit import MACHINE, Recorder, inputs_of, small_corpus

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


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"top_layers": 1},
        {"optimizer": "adamw", "top_layers": 1},
        {"optimizer": "adamw", "adapter": "rslora", "alpha": 8.0},
        {"optimizer": "adamw", "adapter": "dora"},
        {"optimizer": "adamw", "adapter": "dora", "precision": "fp32"},
        {"optimizer": "adamw", "base_weights": "int8"},
    ],
)
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
            expected = before[name] + (4.0 if changes.get("adapter") == "rslora" else 8.0) * b @ a
            if (lengths := adapter.get("base_model.model." + name.removesuffix("weight") + ROWS)) is not None:
                assert not torch.allclose(lengths, before[name].norm(dim=1), rtol=1e-3)
                expected *= (lengths / expected.norm(dim=1))[:, None]
            assert (lengths is not None) == (changes.get("adapter") == "dora")
            torch.testing.assert_close(tensor, expected)
            touched.add(name.split(".")[2])
    assert touched == ({"1"} if "top_layers" in changes else {"0", "1"})


@pytest.mark.parametrize(
    "changes",
    [{}, {"optimizer": "adamw", "adapter": "dora"}, {"optimizer": "adamw", "base_weights": "int8"}],
)
def test_an_adapter_cut_short_ends_in_the_same_bytes(
    base: tuple[Corpus, BaseModel], tmp_path: Path, changes: dict[str, object]
) -> None:
    def stop(step: int) -> None:
        if step == 8:
            raise BudgetExceeded("stop")

    whole, cut = Recorder(tmp_path / "whole"), Recorder(tmp_path / "cut", at_step=stop)
    adapt(base, whole, **changes)
    with pytest.raises(BudgetExceeded):
        adapt(base, cut, **changes)
    adapt(base, Recorder(tmp_path / "cut"), **changes)
    files = [path.relative_to(whole.out) for path in whole.out.rglob("*") if path.is_file()]
    assert Path("adapter/adapter_model.safetensors") in files
    for name in files:
        assert (whole.out / name).read_bytes() == (cut.out / name).read_bytes(), name


def test_layers_below_the_adapters_cost_no_way_back() -> None:
    config = FinetuneStage.Config(sequence=512, batch_tokens=512)
    whole = step_flop(config, SHAPE)
    adapters = lora_parameters(SHAPE, config.rank, config.targets)
    assert whole == training_flop(SHAPE, 512, 512, trainable="lora", adapter_parameters=adapters)
    assert step_flop(config.model_copy(update={"top_layers": 4}), SHAPE) == whole
    half = step_flop(config.model_copy(update={"top_layers": 2}), SHAPE)
    upper = SHAPE.model_copy(update={"layers": 2})
    trained = training_flop(upper, 512, 512, trainable="lora", adapter_parameters=adapters // 2)
    assert half == pytest.approx(trained + forward_flop(SHAPE, 512, 512) - forward_flop(upper, 512, 512))


@pytest.mark.parametrize(
    ("given", "pairs", "context", "expected"),
    [
        ({}, False, 2048, (256, 256)),
        ({"sequence": 512, "batch_tokens": 1024}, False, None, (512, 1024)),
        ({}, False, 64, (64, 64)),
        ({"sequence": 768}, True, 2048, (768, 768)),
        ({}, True, 2048, (512, 512)),
        ({}, True, None, (512, 512)),
    ],
)
def test_rows_and_steps_that_are_not_set_fit_the_material(
    given: dict[str, object], pairs: bool, context: int | None, expected: tuple[int, int]
) -> None:
    config = FinetuneStage.Config.model_validate(given).settled(pairs=pairs, context=context)
    assert (config.sequence, config.batch_tokens) == expected
    assert config.settled(pairs=not pairs, context=context) == config


def test_int8_spares_what_is_multiplied_beside_an_adapter_and_no_more() -> None:
    def memory(**changes: object) -> float:
        config = FinetuneStage.Config.model_validate(changes)
        return FinetuneStage().estimate(config, {"model": [Facts(shape=SHAPE)]}, MACHINE).memory_bytes

    a_layer = SHAPE.matrix_parameters // SHAPE.layers
    assert memory() - memory(base_weights="int8") == SHAPE.layers * a_layer
    few = {"top_layers": 1, "targets": ["q_proj", "gate_proj"]}  # beside k and v, and up
    alone = sum(math.prod(linear_sizes(SHAPE)[name]) for name in ("o_proj", "down_proj"))
    assert memory(**few) - memory(**few, base_weights="int8") == a_layer - alone


def test_one_worker_has_nothing_to_share_out(base: tuple[Corpus, BaseModel], tmp_path: Path) -> None:
    alone, sharing = Recorder(tmp_path / "alone"), Recorder(tmp_path / "sharing")
    adapt(base, alone, optimizer="adamw", base_weights="int8")
    config = FinetuneStage.Config.model_validate({**SETTINGS, "optimizer": "adamw", "base_weights": "int8"})
    roles = inputs_of(corpus=base[0], model=base[1])
    FinetuneStage().run(config, FinetuneStage.Runtime(threads=1, shard=True), roles, sharing)
    name = Path("adapter/adapter_model.safetensors")
    assert (alone.out / name).read_bytes() == (sharing.out / name).read_bytes()


def test_steps_without_rows_and_rows_of_nothing_are_refused() -> None:
    with pytest.raises(ValidationError, match="batch_tokens 300 needs a sequence that divides it"):
        FinetuneStage.Config(batch_tokens=300)
    with pytest.raises(ValidationError, match="nothing to predict"):
        FinetuneStage.Config(sequence=1)


def test_new_settings_leave_old_keys_alone_and_are_for_adapters() -> None:
    plain = FinetuneStage.Config()
    assert not {"top_layers", "optimizer", "adapter"} & set(canonical(plain))  # type: ignore[call-overload]
    assert "adapter" in canonical(FinetuneStage.Config(adapter="dora"))  # type: ignore[operator]
    lora = {
        "optimizer": "muon",
        "adapter": "rslora",
        "base_weights": "int8",
        "rank": 8,
        "alpha": 8.0,
        "targets": ["q_proj"],
    }
    for field, value in {"top_layers": 2, **lora}.items():
        with pytest.raises(ValidationError, match=f'{field} is for method "lora"'):
            FinetuneStage.Config.model_validate({"method": "full", "learning_rate": 1e-4, field: value})


def test_doras_lengths_are_priced_and_not_for_muon() -> None:
    lora, dora = (step_flop(FinetuneStage.Config.model_validate({"adapter": kind}), SHAPE) for kind in ("lora", "dora"))
    assert dora - lora == 2 * 16 * SHAPE.matrix_parameters
    for also in ({"adapter": "dora"}, {"precision": "fp32"}, {"compile": True}):
        with pytest.raises(
            ValidationError, match='base_weights "int8" is for "lora" and "rslora" in bf16, not compiled'
        ):
            FinetuneStage.Config.model_validate({"base_weights": "int8", **also})
    with pytest.raises(ValidationError, match='adapter "rslora" needs its own alpha: 8 at rank 16'):
        FinetuneStage.Config(adapter="rslora")
    with pytest.raises(ValidationError, match='optimizer "muon" is for matrices'):
        FinetuneStage.Config(adapter="dora", optimizer="muon")


@pytest.mark.parametrize(
    ("targets", "message"), [(["q_porj"], "'q_proj', 'k_proj'.*'down_proj'.*q_porj"), ([], "at least 1 item")]
)
def test_unknown_targets_are_refused_before_anything_is_priced(targets: list[str], message: str) -> None:
    with pytest.raises(ValidationError, match=f"(?s)targets.*{message}"):
        FinetuneStage.Config.model_validate({"targets": targets})


def test_a_rank_beyond_a_matrix_is_refused(base: tuple[Corpus, BaseModel], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="rank is 17, but k_proj is a matrix of 16 x 32") as raised:
        adapt(base, Recorder(tmp_path), rank=17)
    assert "leave k_proj out of targets" in raised.value.hint


class Told(Recorder):
    """Remembers what it is told of steps."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.metrics: list[dict[str, float]] = []

    def progress(self, done: float, total: float, unit: str, **metrics: float) -> None:
        self.metrics.append(metrics)


@pytest.mark.parametrize("replay", [0.0, 0.5])
def test_bits_per_byte_are_told_of_a_corpus(base: tuple[Corpus, BaseModel], tmp_path: Path, replay: float) -> None:
    """Their ratio to the loss is that of positions to bytes in the rows that were learned from."""
    context = Told(tmp_path)
    changes = {"replay": replay, "tokens": 6400}
    adapt(base, context, **changes)
    told = [one["bpb"] / one["loss"] for one in context.metrics if one]
    assert len(told) == 50 and max(told) - min(told) < 1e-9
    config = FinetuneStage.Config.model_validate({**SETTINGS, **changes})
    rows = supply(config, base[1].path, inputs_of(corpus=base[0], model=base[1]), context).rows
    first = [rows.row(number) for number in range(100)]
    tokenizer = load_tokenizer(base[1].path)
    decoded = "".join(
        tokenizer.decode(row.tokens_T[row.tokens_T > 0].tolist(), skip_special_tokens=False) for row in first
    )
    assert told[0] == pytest.approx(6400 / len(decoded.encode()) / math.log(2), rel=0.02)


def test_rows_are_chosen_for_what_recurs_or_drawn_by_chance(base: tuple[Corpus, BaseModel], tmp_path: Path) -> None:
    corpus = small_corpus(tmp_path / "corpus")
    rows = list(read_jsonl(corpus.path / "train.jsonl"))
    law = [number for number, row in enumerate(rows) if row["source"] == "law"]
    often, clause = set(law[::4]), rows[law[0]]["text"]
    for number in law:
        odd = "".join(random.Random(number).choices("abcdefghijklmnopqrstuvwxyz ", k=len(clause)))
        rows[number]["text"] = clause if number in often else odd
    write_jsonl(corpus.path / "train.jsonl", rows)
    share = {}
    for choose in (True, False):
        config = FinetuneStage.Config.model_validate({**SETTINGS, "replay": 0.0, "tokens": 256, "choose": choose})
        given = supply(config, base[1].path, inputs_of(corpus=corpus, model=base[1]), Recorder(tmp_path / str(choose)))
        read = [name for number in range(4) for name in given.rows.row(number).documents]
        share[choose] = sum(name in {rows[number]["id"] for number in often} for name in read) / len(read)
    assert share[True] >= 0.6 > 2 * share[False], share


def test_rows_longer_than_any_document_are_said_and_hold_several(
    base: tuple[Corpus, BaseModel], tmp_path: Path
) -> None:
    corpus = small_corpus(tmp_path / "corpus")
    rows = [{**row, "text": "a notice of the grant"} for row in read_jsonl(corpus.path / "train.jsonl")]
    write_jsonl(corpus.path / "train.jsonl", rows)
    context = Recorder(tmp_path / "short")
    adapt((corpus, base[1]), context)
    assert any("no document that is read is longer than" in line and "rows of 64" in line for line in context.said)
    usual = Recorder(tmp_path / "usual")
    adapt(base, usual)
    assert not usual.said


def test_workers_without_a_row_each_are_refused_before_anything_is_read(
    base: tuple[Corpus, BaseModel], tmp_path: Path
) -> None:
    config, roles = FinetuneStage.Config(tokens=512), inputs_of(corpus=base[0], model=base[1])
    with pytest.raises(InputError) as error:
        FinetuneStage().run(config, FinetuneStage.Runtime(workers=2), roles, Recorder(tmp_path))
    assert error.value.message == "a batch of 1 row does not divide among 2 workers"
    assert error.value.hint == "set sequence to 64 and batch_tokens to 128, or leave runtime.workers at 1"


def test_replay_that_cannot_be_is_said(base: tuple[Corpus, BaseModel], tmp_path: Path) -> None:
    corpus = small_corpus(tmp_path / "corpus", sources=("law",))
    context = Recorder(tmp_path / "run")
    adapt((corpus, base[1]), context, replay=0.25)
    assert context.said == ["nothing is replayed: law is the corpus's only source with text to train on"]


def test_a_source_without_text_does_not_stop_the_others(base: tuple[Corpus, BaseModel], tmp_path: Path) -> None:
    corpus = small_corpus(tmp_path / "corpus", sources=("law",))
    write_json(corpus.path / "report.json", {"order": ["law", "all held out"], "sources": {}})
    context = Recorder(tmp_path / "run")
    adapt((corpus, base[1]), context)
    assert context.said == ["nothing is replayed: law is the corpus's only source with text to train on"]


def test_too_little_text_is_counted_and_said(base: tuple[Corpus, BaseModel], tmp_path: Path) -> None:
    context = Recorder(tmp_path / "run")
    facts = adapt((small_corpus(tmp_path / "corpus", documents=4), base[1]), context)
    assert float(facts.figures["epochs"]) > 4
    assert any(f"the text is read {float(facts.figures['epochs']):.1f} times" in line for line in context.said)
