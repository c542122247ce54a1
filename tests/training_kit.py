"""For the tests of training: a context that records, a small corpus, and a training that can be killed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from safetensors.torch import save_file

import luosi.training.checkpoints
from luosi.artifacts import Artifact, Corpus, Facts, ModelShape
from luosi.artifacts.base import write_json, write_jsonl
from luosi.cost import Cost, Machine
from luosi.models.first_weights import initialise
from luosi.models.transformer import Transformer
from luosi.pipeline.stage import Input, Inputs
from luosi.training.batches import PackedRows
from luosi.training.loop import Result, train
from luosi.training.optimizers import Optimizers, muon_and_adamw
from luosi.training.schedules import Course
from luosi.training.settings import Settings

SHAPE = ModelShape(
    family="qwen3", vocab_size=320, layers=2, width=32, heads=2, kv_heads=1, head_dim=16, ff=64, context=64
)
MACHINE = Machine(
    name="test", cores=2, memory_bytes=8 << 30, fp32_flops=1e11, bf16_flops=4e11, watts_busy=60, source="measured"
)


class Recorder:
    """A stage's context that remembers what it was told; `at_step` is called with the steps done and may raise."""

    machine = MACHINE
    stop_reason = ""

    def __init__(self, folder: Path, at_step: Callable[[int], None] = lambda step: None) -> None:
        self.out, self.scratch = folder / "out", folder / "scratch"
        self.out.mkdir(parents=True, exist_ok=True)
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.said: list[str] = []
        self.steps: list[int] = []
        self.told: list[dict[str, float]] = []
        self.cost = Cost()
        self._at_step = at_step

    def progress(self, done: float, total: float, unit: str, **metrics: float) -> None:
        self.steps.append(int(done))
        self.told.append(metrics)
        self._at_step(int(done))

    def say(self, message: str) -> None:
        self.said.append(message)

    def spend(self, cost: Cost) -> None:
        self.cost += cost


def inputs_of(**roles: Artifact) -> Inputs:
    return Inputs({role: [Input("k1-0", role, artifact, Facts())] for role, artifact in roles.items()})


def settings(**changes: object) -> Settings:
    """Of 20 steps of 4 rows of 32 tokens; `changes` are of Settings or of its Course."""
    course: dict[str, Any] = {"steps": 20, "rows": 4, "length": 32, "warmup_fraction": 0.1, "decay_fraction": 0.4}
    course |= {name: changes.pop(name) for name in course if name in changes}
    values: dict[str, Any] = {
        "course": Course(**course), "precision": "fp32", "compile": False, "seed": 0,
        "flop": lambda step: float(step.rows), "threads": 1,
    }  # fmt: skip
    return Settings(**{**values, **changes})


def counting_rows(length: int = 32) -> PackedRows:
    """Rows of documents that count up in small steps: easy to learn, different from each other."""
    documents = [np.arange(40 + n % 17) * (1 + n % 5) % 300 + 16 for n in range(50)]
    offsets = np.concatenate([[0], np.cumsum([len(d) for d in documents])]).astype(np.int64)
    ids = [f"document-{n}" for n in range(50)]
    return PackedRows(np.concatenate(documents), offsets, ids, length=length, start=0, end=0, seed=0)


def small_model() -> tuple[Transformer, Optimizers]:
    model = Transformer(SHAPE)
    initialise(model, 0)
    return model, muon_and_adamw(model, matrix_lr=0.01, vector_lr=0.01, weight_decay=0.1)


def small_training(context: Recorder, **changes: object) -> tuple[Transformer, Result]:
    model, optimizers = small_model()
    return model, train(model, counting_rows(), optimizers, settings(**changes), context)


def small_corpus(folder: Path, sources: Sequence[str] = ("law", "code"), documents: int = 120) -> Corpus:
    """Two sources of made-up sentences."""
    folder.mkdir(parents=True, exist_ok=True)
    words = {
        "law": ["licensee", "licensor", "warranty", "liability", "notice", "grant"],
        "code": ["def", "return", "list", "int"],
    }
    rng = np.random.default_rng(0)
    rows: list[dict[str, object]] = []
    for number in range(documents):
        source = sources[number % len(sources)]
        picked = rng.choice([*words[source], "the", "of", "and", "a", "to"], 60)
        numbers = rng.integers(0, 10_000, 5)
        text = " ".join(picked) + f".\n{numbers.tolist()} — ünïcode <|endoftext|>\n"
        rows.append({"id": f"{source}/{number}", "source": source, "text": text, "family": "", "language": "en"})
    write_jsonl(folder / "train.jsonl", rows)
    write_jsonl(folder / "heldout.jsonl", [])
    write_jsonl(folder / "dropped.jsonl", [])
    write_json(folder / "report.json", {"order": list(sources), "sources": {}})
    return Corpus(folder)


def killable_training(folder: Path, told: Connection) -> None:
    """For a process of its own: train with a checkpoint after every step, tell each step, leave the end in `folder`."""
    luosi.training.checkpoints.STANDSTILL = math.inf
    model, result = small_training(Recorder(folder, at_step=told.send), steps=40, checkpoint_every_s=0.0)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, folder / "end.safetensors")
    (folder / "curve.json").write_bytes(orjson.dumps(list(result.curve())))
