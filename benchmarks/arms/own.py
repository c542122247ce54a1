"""Luosi: the `pretrain` stage as it runs in a recipe, with its own defaults; nothing of the training is written again here.

The model is looked at while it learns (the stage does not hand it out) by listening to the call of the training loop. Counting the
words for its first weights is on the clock (of its FLOP, a ten-thousandth of the training's, no account is kept). What the stage
writes is opened with transformers and compared, so that the score is that of files others can use.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from texts import FOLDER

from arms.meter import Meter
from arms.runs import SEQUENCE, Data, Run, Trained, qwen
from luosi import Workspace
from luosi.cost import Cost, Machine
from luosi.models.transformer import Transformer
from luosi.models.weights import load_model
from luosi.stages.export.parity import same_logits
from luosi.stages.pretrain import scratch
from luosi.stages.pretrain.config import Config, Runtime
from luosi.stages.pretrain.stage import PretrainStage
from luosi.training.estimates import muon_flop

NEVER_S = 1e9
"""No arm saves on the way."""


def config(run: Run) -> Config:
    """The stage's defaults at the run's shape and length, compiled as every arm is, every learning rate times the scale."""
    shape = qwen(run.shape)
    plain = Config(
        layers=shape.layers, width=shape.width, heads=shape.heads, kv_heads=shape.kv_heads, head_dim=shape.head_dim,
        ff=shape.ff, sequence=SEQUENCE, batch_tokens=run.batch_tokens, steps=run.steps, seed=run.seed, compile=True,
    )  # fmt: skip
    rates = {name: value * run.scale for name, value in plain if name.endswith("_lr")}
    return plain.model_copy(update=rates)


def settings(run: Run) -> dict[str, Any]:
    """All that the run depends on besides the text."""
    return {
        "model": "luosi pretrain",
        "version": PretrainStage.version,
        "rows": "documents end to end, masked",
        **config(run).model_dump(exclude={"seed", "steps"}),
    }


class Watching:
    """A stage's Context that tells the meter of every step and adds up what the stage says it spends."""

    def __init__(self, folder: Path, meter: Meter, machine: Machine) -> None:
        self.out, self.scratch = folder / "out", folder / "scratch"
        self.machine, self.stop_reason = machine, ""
        self.model: Transformer | None = None
        self.flop = 0.0
        self.tokens = 0.0
        self.said: list[str] = []
        self._meter = meter
        self.out.mkdir()
        self.scratch.mkdir()

    def progress(self, done: float, total: float, unit: str, **metrics: float) -> None:
        """Called by the loop before the first step and after every one."""
        if done and self.model is not None:
            self._meter.step(int(self.tokens), self.model)
        else:
            self._meter.start()

    def say(self, message: str) -> None:
        """Kept for the notes."""
        self.said.append(message)

    def spend(self, cost: Cost) -> None:
        """Once a step."""
        self.flop += cost.flop
        self.tokens += cost.tokens


def learn(run: Run, data: Data, meter: Meter, folder: Path, *, compiled: bool | None = None) -> tuple[Watching, Any]:
    """Let the stage train and write its files into `folder`/out; what was watched, and the stage's facts."""
    context = Watching(folder, meter, Workspace(FOLDER / "workspace").machine())
    loop, count = scratch.train, scratch.word_vectors

    def listened(model: Transformer, *arguments: Any) -> Any:
        context.model = model
        return loop(model, *arguments)

    def timed(*arguments: Any) -> Any:
        with meter.counted():
            return count(*arguments)

    wanted = config(run) if compiled is None else config(run).model_copy(update={"compile": compiled})
    runtime = Runtime(threads=1, checkpoint_every_s=NEVER_S)
    scratch.train, scratch.word_vectors = listened, timed
    try:
        facts = scratch.pretrain(wanted, runtime, data.made.tokens, data.made.tokenizer, context)
    finally:
        scratch.train, scratch.word_vectors = loop, count
    return context, facts


def train(run: Run, data: Data, meter: Meter) -> Trained:
    """Train, score what was written, and compare it with transformers."""
    with tempfile.TemporaryDirectory() as temporary:
        context, facts = learn(run, data, meter, Path(temporary))
        model = load_model(context.out)
        meter.end(model)
        rows = data.rows(seed=0)
        parity = same_logits(model, context.out, [rows.row(number).tokens_T.tolist() for number in range(4)])
    shape = model.shape
    return Trained(
        model_flop=context.flop,
        optimizer_flop=muon_flop(shape) * meter.steps,
        matrix_parameters=shape.matrix_parameters,
        parameters=shape.parameters,
        notes={"parity": parity, "figures": facts.figures, "said": context.said, "steps": meter.steps},
    )
