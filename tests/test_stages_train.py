"""The stages that train: tokenizer, token dataset, a model from scratch, adapted models; on a made-up corpus, tiny shapes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from safetensors.torch import load_file

from luosi.artifacts import BaseModel, Corpus, Facts, ModelShape, Pairs, Passage, TokenDataset, Tokenizer, TunedModel
from luosi.artifacts.base import folder_digests, read_jsonl, write_json, write_jsonl
from luosi.artifacts.retrieval import Pair
from luosi.errors import BudgetExceeded, InputError
from luosi.models.chat import Chat
from luosi.models.generate import greedy
from luosi.models.lora import add_lora, merged_state
from luosi.models.tokenizer import document_start, load_tokenizer
from luosi.models.weights import load_model, read_state
from luosi.pipeline.key import canonical
from luosi.retrieval.prompt import messages
from luosi.stages.finetune.data import supply
from luosi.stages.finetune.stage import FinetuneStage, step_flop
from luosi.stages.pretrain.stage import PretrainStage
from luosi.stages.tokenize.stage import TokenizeStage
from luosi.stages.train_tokenizer.stage import TrainTokenizerStage
from tests.training_kit import MACHINE, Recorder, inputs_of, small_corpus

TINY = {
    "layers": 1, "width": 32, "heads": 2, "kv_heads": 1, "head_dim": 16, "ff": 64, "sequence": 64,
    "batch_tokens": 256, "steps": 30, "precision": "fp32",
}  # fmt: skip
ADAPT = {"rank": 4, "sequence": 64, "batch_tokens": 256, "tokens": 5000, "learning_rate": 0.01, "precision": "fp32"}


@dataclass
class Made:
    corpus: Corpus
    tokenizer: Tokenizer
    tokens: TokenDataset
    model: BaseModel
    model_facts: Facts


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The chain up to a model from scratch."""
    folder = tmp_path_factory.mktemp("chain")
    corpus = small_corpus(folder / "corpus")
    one, two, three = (Recorder(folder / name) for name in ("tokenizer", "tokens", "model"))
    stage = TrainTokenizerStage()
    stage.run(stage.Config(vocab_size=352), stage.Runtime(), inputs_of(corpus=corpus), one)
    tokenizer = Tokenizer(one.out)
    TokenizeStage().run(
        TokenizeStage.Config(), TokenizeStage.Runtime(), inputs_of(corpus=corpus, tokenizer=tokenizer), two
    )
    tokens = TokenDataset(two.out)
    facts = PretrainStage().run(
        PretrainStage.Config(**TINY),
        PretrainStage.Runtime(threads=1),
        inputs_of(tokens=tokens, tokenizer=tokenizer),
        three,
    )
    return Made(corpus, tokenizer, tokens, BaseModel(three.out), facts)


@settings(deadline=None)
@given(text=st.text())
def test_the_tokenizer_gives_back_any_text(made: Made, text: str) -> None:
    tokenizer = load_tokenizer(made.tokenizer.path)
    tokenizer.encode_special_tokens = True
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False).ids, skip_special_tokens=False) == text


def test_the_tokenizer_has_the_asked_size_its_special_tokens_and_the_same_bytes_each_time(
    made: Made, tmp_path: Path
) -> None:
    tokenizer = load_tokenizer(made.tokenizer.path)
    assert tokenizer.get_vocab_size() == 352
    first = [tokenizer.id_to_token(number) for number in range(4)]
    assert first == ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|spare_0|>"]
    stage, again = TrainTokenizerStage(), Recorder(tmp_path)
    stage.run(stage.Config(vocab_size=352), stage.Runtime(), inputs_of(corpus=made.corpus), again)
    for path in made.tokenizer.path.iterdir():
        assert path.read_bytes() == (again.out / path.name).read_bytes()


def test_too_little_text_for_the_vocabulary_says_how_many_tokens_there_are(made: Made, tmp_path: Path) -> None:
    stage = TrainTokenizerStage()
    with pytest.raises(InputError, match=r"hold only \d+ tokens worth having, 8192 were asked for") as raised:
        stage.run(stage.Config(vocab_size=8192), stage.Runtime(), inputs_of(corpus=made.corpus), Recorder(tmp_path))
    assert "lower vocab_size to" in raised.value.hint
    with pytest.raises(ValidationError, match="multiple of 32"):
        stage.Config(vocab_size=1000)


def test_a_limit_on_the_text_takes_whole_documents_chosen_by_the_seed(made: Made, tmp_path: Path) -> None:
    stage = TrainTokenizerStage()
    config = stage.Config(vocab_size=320, max_bytes=3000)
    facts = stage.run(config, stage.Runtime(), inputs_of(corpus=made.corpus), Recorder(tmp_path))
    assert facts.text_bytes is not None and 3000 <= facts.text_bytes < 4000


def test_the_dataset_holds_every_document_once_and_special_tokens_in_text_are_text(made: Made) -> None:
    index = made.tokens.json("index.json")
    tokens = np.fromfile(made.tokens.path / "tokens.bin", dtype="<u2")
    offsets = np.fromfile(made.tokens.path / "offsets.bin", dtype="<u8").astype(int)
    ids = orjson.loads((made.tokens.path / "ids.json").read_bytes())
    documents = {document.id: document.text for document in made.corpus.documents("train")}
    assert sorted(ids) == sorted(documents) and ids != list(documents)
    tokenizer = load_tokenizer(made.tokenizer.path)
    for number, name in enumerate(ids):
        piece = tokens[offsets[number] : offsets[number + 1]].tolist()
        assert tokenizer.decode(piece, skip_special_tokens=False) == documents[name]
        assert 0 not in piece
    assert index["dtype"] == "uint16" and index["tokens"] == len(tokens) == offsets[-1]
    assert index["eos"] == document_start(made.tokenizer.path) == 0


def test_tokens_of_another_tokenizer_are_refused(made: Made, tmp_path: Path) -> None:
    stage, other = TrainTokenizerStage(), Recorder(tmp_path / "other")
    stage.run(stage.Config(vocab_size=320), stage.Runtime(), inputs_of(corpus=made.corpus), other)
    with pytest.raises(InputError, match="another tokenizer"):
        PretrainStage().run(
            PretrainStage.Config(**TINY),
            PretrainStage.Runtime(threads=1),
            inputs_of(tokens=made.tokens, tokenizer=Tokenizer(other.out)),
            Recorder(tmp_path / "model"),
        )


def test_rows_longer_than_any_document_and_workers_without_rows_are_told(made: Made, tmp_path: Path) -> None:
    stage, roles = PretrainStage(), inputs_of(tokens=made.tokens, tokenizer=made.tokenizer)
    context = Recorder(tmp_path / "long")
    long = stage.Config(**{**TINY, "sequence": 1024, "batch_tokens": 1024, "steps": 1, "start": "random"})
    stage.run(long, stage.Runtime(threads=1), roles, context)
    assert any("no document that is read is longer than" in one and "rows of 1024" in one for one in context.said)
    with pytest.raises(
        InputError, match="4 rows does not divide among 3 workers\nhint: set sequence to 64 and batch_tokens to 384"
    ):
        stage.run(stage.Config(**TINY), stage.Runtime(workers=3), roles, Recorder(tmp_path / "uneven"))


def test_a_corpus_without_text_is_refused(made: Made, tmp_path: Path) -> None:
    empty = small_corpus(tmp_path / "empty", documents=0)
    with pytest.raises(InputError, match="no training text"):
        TokenizeStage().run(
            TokenizeStage.Config(),
            TokenizeStage.Runtime(),
            inputs_of(corpus=empty, tokenizer=made.tokenizer),
            Recorder(tmp_path / "tokens"),
        )
    with pytest.raises(InputError, match="no training text of law"):
        adapt(made, Recorder(tmp_path / "tuned"), corpus=empty)


def test_pretraining_learns_and_its_files_open(made: Made) -> None:
    curve = list(read_jsonl(made.model.path / "curve.jsonl"))
    assert [row["step"] for row in curve] == list(range(1, 31))
    assert curve[-1]["tokens"] == made.model_facts.tokens == 30 * 256
    assert curve[-1]["loss"] < curve[0]["loss"] - 1
    model = load_model(made.model.path)
    assert made.model.shape() == made.model_facts.shape == model.shape
    assert model.shape.vocab_size == 352 and model.shape.context == 64
    assert model(torch.zeros(1, 3, dtype=torch.long)).isfinite().all()


def adapt(made: Made, context: Recorder, *, corpus: Corpus | None = None, **changes: object) -> Facts:
    config = FinetuneStage.Config.model_validate({**ADAPT, **changes})
    return FinetuneStage().run(
        config, FinetuneStage.Runtime(threads=1), inputs_of(model=made.model, corpus=corpus or made.corpus), context
    )


def loss_on(model_folder: Path, made: Made, source: str) -> float:
    model, tokenizer = load_model(model_folder), load_tokenizer(made.tokenizer.path)
    texts = [document.text for document in made.corpus.documents("train", source)]
    ids = torch.tensor([tokenizer.encode(text).ids[:64] for text in texts])
    with torch.no_grad():
        return float(torch.nn.functional.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten()))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_lora_learns_and_ships_merged_in_fp32_beside_its_adapter(made: Made, tmp_path: Path, precision: str) -> None:
    context = Recorder(tmp_path)
    facts = adapt(made, context, precision=precision)
    tuned = TunedModel(context.out)
    assert facts.tokens == 20 * 256 and facts.shape == made.model.shape()
    assert loss_on(tuned.path, made, "law") < loss_on(made.model.path, made, "law") - 0.02
    adapter = load_file(tuned.path / "adapter" / "adapter_model.safetensors")
    model = load_model(made.model.path)
    add_lora(model, rank=4, alpha=32.0, targets=FinetuneStage.Config().targets, seed=1)
    model.load_state_dict({name.removeprefix("base_model.model."): t for name, t in adapter.items()}, strict=False)
    merged, shipped, base = merged_state(model), read_state(tuned.path), read_state(made.model.path)
    for name, tensor in shipped.items():
        torch.testing.assert_close(tensor, merged[name], rtol=1e-6, atol=1e-7)
    assert torch.equal(shipped["model.embed_tokens.weight"], base["model.embed_tokens.weight"])
    assert not any(str(tmp_path) in path.read_text(errors="replace") for path in (tuned.path / "adapter").iterdir())


def test_a_lora_cut_short_ends_in_the_same_bytes(made: Made, tmp_path: Path) -> None:
    def stop(step: int) -> None:
        if step == 8:
            raise BudgetExceeded("stop")

    whole, cut = Recorder(tmp_path / "whole"), Recorder(tmp_path / "cut", at_step=stop)
    adapt(made, whole, precision="bf16")
    with pytest.raises(BudgetExceeded):
        adapt(made, cut, precision="bf16")
    adapt(made, Recorder(tmp_path / "cut"), precision="bf16")
    files = sorted(path.relative_to(whole.out) for path in whole.out.rglob("*") if path.is_file())
    assert Path("adapter/adapter_model.safetensors") in files and Path("curve.jsonl") in files
    for name in files:
        assert (whole.out / name).read_bytes() == (cut.out / name).read_bytes(), name


def test_replay_keeps_what_was_known(made: Made, tmp_path: Path) -> None:
    without, half = Recorder(tmp_path / "without"), Recorder(tmp_path / "half")
    adapt(made, without, method="full", rank=16, replay=0.0)
    adapt(made, half, method="full", rank=16, replay=0.5)
    assert loss_on(half.out, made, "code") < loss_on(without.out, made, "code")
    assert not (half.out / "adapter").exists()


def test_text_read_over_and_over_is_said_and_rows_beyond_the_context_are_refused(made: Made, tmp_path: Path) -> None:
    context = Recorder(tmp_path)
    adapt(made, context, corpus=small_corpus(tmp_path / "corpus", documents=4))
    assert any("is read" in line for line in context.said)
    with pytest.raises(InputError, match="sequence is 128, but the model was made for 64"):
        adapt(made, Recorder(tmp_path / "long"), sequence=128)


CITIES = {"A": "red", "B": "green", "C": "blue", "D": "pink"}
LEARN = {
    **ADAPT, "sequence": 192, "batch_tokens": 384, "rank": 8, "tokens": 384, "epochs": 40.0, "decay_fraction": 0.5,
}  # fmt: skip


@dataclass
class Taught:
    model: BaseModel
    pairs: Pairs


@pytest.fixture(scope="module")
def taught(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Taught:
    """A model with room for questions, and pairs to teach it: half with passages."""
    folder = tmp_path_factory.mktemp("taught")
    context = Recorder(folder / "model")
    config = PretrainStage.Config(**{**TINY, "sequence": 192, "batch_tokens": 384, "steps": 10, "start": "random"})
    roles = inputs_of(tokens=made.tokens, tokenizer=made.tokenizer)
    PretrainStage().run(config, PretrainStage.Runtime(threads=1), roles, context)
    return Taught(BaseModel(context.out), pairs_of(folder / "pairs", CITIES))


def pairs_of(folder: Path, answers: dict[str, str]) -> Pairs:
    folder.mkdir()
    rows: list[dict[str, object]] = []
    for number, (name, colour) in enumerate(answers.items()):
        passage = Passage(number=number, document="d", file="f.txt", text=f"{name} is {colour}.")
        question = f"Colour of {name}?"
        for shown in ((), (passage,)):
            pair = Pair(id=f"{name}{len(shown)}", question=question, answer=colour, passages=shown, origin="template")
            rows.append(pair.model_dump())
    write_jsonl(folder / "pairs.jsonl", rows)
    write_jsonl(folder / "dropped.jsonl", [])
    write_json(folder / "report.json", {})
    return Pairs(folder)


def teach(taught: Taught, context: Recorder, corpus: Corpus | None = None, **changes: object) -> Facts:
    config = FinetuneStage.Config.model_validate({**LEARN, **changes})
    replayed = {"corpus": corpus} if corpus else {}
    roles = inputs_of(model=taught.model, pairs=taught.pairs, **replayed)
    return FinetuneStage().run(config, FinetuneStage.Runtime(threads=1), roles, context)


def answer(folder: Path, question: str, system: str = "") -> str:
    chat, tokenizer = Chat(folder), load_tokenizer(folder)
    ids = chat.ids(messages(question, system=system))
    said = greedy(load_model(folder), [ids], 12).tokens[0]
    return tokenizer.decode(said, skip_special_tokens=False).split("<|im_end|>")[0]


def test_pairs_are_learned_by_heart_and_the_turn_is_ended(taught: Taught, tmp_path: Path) -> None:
    context = Recorder(tmp_path)
    facts = teach(taught, context, method="full", rank=16, learning_rate=0.01, epochs=60.0, system_prompt="Be brief.")
    assert facts.figures["epochs"] == pytest.approx(60, abs=1) and float(facts.figures["final_loss"]) < 0.1
    assert {name: answer(context.out, f"Colour of {name}?", "Be brief.") for name in CITIES} == CITIES
    rows = list(read_jsonl(context.out / "curve.jsonl"))
    assert len(rows) * 384 == facts.tokens == context.cost.tokens and not context.said
    config = FinetuneStage.Config.model_validate({**LEARN, "method": "full", "rank": 16})
    whole = len(rows) * step_flop(config, taught.model.shape())
    assert 0.5 * whole < context.cost.flop < whole
    assert TunedModel(context.out).shape() == taught.model.shape()


def test_bits_per_byte_of_answers_are_told(taught: Taught, tmp_path: Path) -> None:
    context = Recorder(tmp_path)
    teach(taught, context, epochs=2.0)
    tokenizer = load_tokenizer(taught.model.path)
    learned = sum(
        len(tokenizer.encode(colour + "<|im_end|>", add_special_tokens=False).ids) for colour in CITIES.values()
    )
    size = sum(len(colour.encode()) for colour in CITIES.values())
    last = context.told[-1]
    assert last["bpb"] == pytest.approx(last["loss"] / math.log(2) * learned / size)


def test_few_pairs_for_many_tokens_are_said(taught: Taught, tmp_path: Path) -> None:
    context = Recorder(tmp_path)
    facts = teach(taught, context, epochs=0.0, tokens=384 * 10)
    assert f"every pair is read {float(facts.figures['epochs']):.1f} times, by heart" in context.said[0]


def test_learning_from_pairs_cut_short_ends_in_the_same_bytes(taught: Taught, made: Made, tmp_path: Path) -> None:
    def stop(step: int) -> None:
        if step == 5:
            raise BudgetExceeded("stop")

    whole, cut = Recorder(tmp_path / "whole"), Recorder(tmp_path / "cut", at_step=stop)
    teach(taught, whole, made.corpus, precision="bf16", epochs=5.0, replay=0.3)
    with pytest.raises(BudgetExceeded):
        teach(taught, cut, made.corpus, precision="bf16", epochs=5.0, replay=0.3)
    teach(taught, Recorder(tmp_path / "cut"), made.corpus, precision="bf16", epochs=5.0, replay=0.3)
    assert folder_digests(whole.out) == folder_digests(cut.out)
    without = Recorder(tmp_path / "without")
    teach(taught, without, precision="bf16", epochs=5.0)
    assert len(list(read_jsonl(without.out / "curve.jsonl"))) < len(list(read_jsonl(whole.out / "curve.jsonl")))


def test_pairs_that_do_not_fit_are_counted_and_no_pairs_are_an_input_error(taught: Taught, tmp_path: Path) -> None:
    context = Recorder(tmp_path / "some")
    long = pairs_of(tmp_path / "long", {**CITIES, "E": "very " * 200})
    config = FinetuneStage.Config.model_validate({**LEARN, "epochs": 1.0})
    FinetuneStage().run(config, FinetuneStage.Runtime(threads=1), inputs_of(model=taught.model, pairs=long), context)
    assert context.said[0] == "2 of 10 pairs are longer than 192 tokens and are left out"
    never = "every pair is longer than 192 tokens\nhint: (set a longer sequence, of up to|take a model of more context)"
    for answers, message in (({"E": "very " * 200}, never), ({}, "no pairs to train on")):
        pairs = pairs_of(tmp_path / f"p{len(answers)}", answers)
        with pytest.raises(InputError, match=message):
            roles = inputs_of(model=taught.model, pairs=pairs)
            FinetuneStage().run(config, FinetuneStage.Runtime(threads=1), roles, Recorder(tmp_path / "none"))


def test_passages_are_dropped_until_a_pair_fits_but_never_the_right_one(taught: Taught, tmp_path: Path) -> None:
    def passage(document: str, text: str) -> Passage:
        return Passage(number=0, document=document, file="f.txt", text=text)

    shown = (passage("a", "one " * 50), passage("right", "Oslo is red."), passage("b", "two " * 60))
    pair = Pair(id="p", question="Colour of Oslo?", answer="red", document="right", passages=shown, origin="template")
    config = FinetuneStage.Config.model_validate({**LEARN, "epochs": 1.0})
    folder = tmp_path / "pairs"
    pairs_of(folder, {})
    write_jsonl(folder / "pairs.jsonl", [pair.model_dump()])
    context = Recorder(tmp_path / "some")
    rows = supply(config, taught.model.path, inputs_of(model=taught.model, pairs=Pairs(folder)), context).rows
    said = load_tokenizer(taught.model.path).decode(rows.row(0).tokens_T.tolist())
    assert "Oslo is red." in said and "one one" not in said and "two two" not in said and not context.said


def test_what_is_trained_on_must_be_given_and_meant(taught: Taught, made: Made, tmp_path: Path) -> None:
    stage, context = FinetuneStage(), Recorder(tmp_path)
    with pytest.raises(InputError, match="nothing to train on"):
        stage.run(stage.Config(sequence=64, batch_tokens=64), stage.Runtime(), inputs_of(model=taught.model), context)
    for changes, field in (({"epochs": 2.0}, "epochs"), ({"system_prompt": "Be brief."}, "system_prompt")):
        with pytest.raises(InputError, match=f"{field} is for pairs"):
            adapt(made, context, **changes)


def test_the_settings_for_pairs_leave_older_keys_alone() -> None:
    config = FinetuneStage.Config()
    assert not {"epochs", "system_prompt"} & set(canonical(config))  # type: ignore[call-overload]
    assert "epochs" in canonical(FinetuneStage.Config(epochs=2.0))  # type: ignore[operator]


def test_the_price_of_pairs_follows_their_number_and_text() -> None:
    shape = ModelShape(
        family="llama", vocab_size=49152, layers=30, width=576, heads=9, kv_heads=3, head_dim=64, ff=1536, context=8192
    )
    config = FinetuneStage.Config(epochs=2.0)

    def flop(**facts: int) -> float:
        roles = {"model": [Facts(shape=shape)], "pairs": [Facts(**facts)]}
        return FinetuneStage().estimate(config, roles, MACHINE).flop

    assert flop(pairs=400) == pytest.approx(2 * flop(pairs=200), rel=0.02)
    assert flop(pairs=200, text_bytes=1_000_000) > 3 * flop(pairs=200, text_bytes=100_000)


def test_settings_that_do_not_fit_each_other_are_refused() -> None:
    config = FinetuneStage.Config
    with pytest.raises(ValidationError, match="needs its own learning_rate"):
        config(method="full")
    with pytest.raises(ValidationError, match="not a multiple of sequence"):
        config(batch_tokens=100, sequence=64)
    with pytest.raises(ValidationError, match="not a multiple of kv_heads"):
        PretrainStage.Config(heads=3, kv_heads=2)


def test_prices_grow_with_the_work_and_predictions_come_true(made: Made) -> None:
    corpus = Facts(documents=120, text_bytes=1_000_000)
    tokenizer = TrainTokenizerStage().predict(TrainTokenizerStage.Config(vocab_size=352), {"corpus": [corpus]})
    tokens = TokenizeStage().predict(TokenizeStage.Config(), {"corpus": [corpus], "tokenizer": [tokenizer]})
    roles = {"tokens": [tokens], "tokenizer": [tokenizer]}
    assert PretrainStage().predict(PretrainStage.Config(**TINY), roles).shape == made.model_facts.shape
    short = PretrainStage().estimate(PretrainStage.Config(steps=1000), roles, MACHINE)
    long = PretrainStage().estimate(PretrainStage.Config(steps=2000), roles, MACHINE)
    assert long.flop == 2 * short.flop and long.seconds.p50 > 1.9 * short.seconds.p50 - 2
    small_steps = PretrainStage().estimate(PretrainStage.Config(steps=16_000, batch_tokens=256), roles, MACHINE)
    assert small_steps.flop == pytest.approx(short.flop) and small_steps.seconds.p50 > 2 * short.seconds.p50
    model = Facts(shape=ModelShape(
        family="llama", vocab_size=49152, layers=30, width=576, heads=9, kv_heads=3, head_dim=64, ff=1536, context=8192,
    ))  # fmt: skip
    roles = {"model": [model], "corpus": [corpus]}
    lora = FinetuneStage().estimate(FinetuneStage.Config(), roles, MACHINE)
    full = FinetuneStage().estimate(FinetuneStage.Config(method="full", learning_rate=1e-4), roles, MACHINE)
    assert 0.6 < lora.flop / full.flop < 0.75 and lora.memory_bytes < full.memory_bytes
    assert FinetuneStage().predict(FinetuneStage.Config(), roles).shape == model.shape
