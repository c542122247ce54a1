"""One run of benchmarks/adapt.py, in a process of its own: adapt, measure, merge, score; prints one JSON line.

    python benchmarks/adapt_arms.py '{"arm": "luosi", "domain": "legal", ...}' --work FOLDER [--peers FOLDER]

CPU seconds are the process's, all threads (one is set): `train` from before the first step to after the last, `whole` from the
process's start to the adapted model (or, for peft, its adapter) on the disk. The peak of resident memory is taken then, before
scoring. The scorer is Luosi's own `evaluate` on the merged weights, bf16, the same for every arm; transformers must compute the same from them
(`parity`).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SEQUENCE = 512
"""Tokens in a row of peft's arm, unless its settings say another."""
PARITY_TOKENS = 128
POOL_BYTES = 3_000_000
"""Of the domain's training text, whole documents drawn by the run's seed, is cut into rows for peft: many times what it reads."""


class Watch:
    """A stage's context, or a Trainer's callback: notes the process's CPU seconds at each step."""

    stop_reason = ""

    def __init__(self, folder: Path, machine: Any) -> None:
        self.out, self.scratch, self.machine = folder / "out", folder / "scratch", machine
        self.out.mkdir()
        self.scratch.mkdir()
        self.flop = 0.0
        self.times: list[float] = []

    def progress(self, done: float, total: float, unit: str, **metrics: float) -> None:
        """A step is done."""
        self.times.append(time.process_time())

    def say(self, message: str) -> None:
        """To the log."""
        print(message, file=sys.stderr)

    def spend(self, cost: Any) -> None:
        """FLOP of a step."""
        self.flop += cost.flop


def measured(watch: Watch) -> dict[str, float]:
    """What a finished run took."""
    return {
        "train_cpu_s": round(watch.times[-1] - watch.times[0], 2),
        "whole_cpu_s": round(time.process_time(), 2),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "flop": watch.flop,
    }


def luosi(run: dict[str, Any], model: Path, corpus: Path, folder: Path) -> dict[str, float]:
    """Luosi's own stage, its defaults but for what the run sets."""
    from luosi.api.stages import STAGES
    from luosi.artifacts import BaseModel, Corpus, Facts
    from luosi.pipeline.stage import Input, Inputs
    from luosi.plan.machine import catalogue

    stage = next(stage for stage in STAGES if stage.name == "finetune")
    config = stage.Config.model_validate({"tokens": run["tokens"], "seed": run["seed"], **run["settings"]})
    roles = {"model": BaseModel(model), "corpus": Corpus(corpus)}
    inputs = Inputs({role: [Input("k1-0", role, artifact, Facts())] for role, artifact in roles.items()})
    watch = Watch(folder, catalogue({stage.name: stage}))
    stage.run(config, stage.Runtime(threads=1), inputs, watch)
    return measured(watch)


def peft(run: dict[str, Any], model: Path, corpus: Path, folder: Path) -> dict[str, float]:
    """LoRA by peft, trained by transformers' Trainer on rows cut from the joined documents, as its run_clm example does."""
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM, Trainer, TrainerCallback, TrainingArguments
    from transformers.trainer_utils import set_seed

    from luosi.models.flops import lora_parameters, training_flop
    from luosi.models.weights import read_shape

    settings = run["settings"]
    set_seed(run["seed"])
    sequence = settings.get("sequence", SEQUENCE)
    rows = joined_rows(model, corpus, run["domain"], run["seed"], sequence)
    base = AutoModelForCausalLM.from_pretrained(model, dtype=getattr(torch, settings["dtype"]))
    adapted = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", **settings["lora"]))
    micro = settings["trainer"]["per_device_train_batch_size"] * sequence
    steps = run["tokens"] // (micro * settings["trainer"].get("gradient_accumulation_steps", 1))
    arguments = TrainingArguments(
        output_dir=str(folder / "trainer"),
        use_cpu=True,
        bf16=True,
        max_steps=steps,
        save_strategy="no",
        report_to=[],
        logging_strategy="no",
        disable_tqdm=True,
        seed=run["seed"],
        dataloader_pin_memory=False,
        **settings["trainer"],
    )
    watch = Watch(folder, None)

    class Timer(TrainerCallback):  # type: ignore[misc]
        """Notes the times."""

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            watch.progress(0, steps, "steps")

        def on_step_end(self, *_: Any, **__: Any) -> None:
            watch.progress(0, steps, "steps")

    Trainer(model=adapted, args=arguments, train_dataset=rows, callbacks=[Timer()]).train()
    adapted.save_pretrained(folder / "out" / "adapter")
    shape = read_shape(model)
    targets = sorted({name.split(".")[-1] for name in adapted.targeted_module_names})
    size = lora_parameters(shape, adapted.peft_config["default"].r, targets)
    watch.flop = training_flop(shape, run["tokens"], sequence, trainable="lora", adapter_parameters=size)
    result = measured(watch)
    # merged into the weights as they were given, not as rounded for training
    whole = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    PeftModel.from_pretrained(whole, folder / "out" / "adapter").merge_and_unload().save_pretrained(folder / "out")
    return result


def joined_rows(model: Path, corpus: Path, domain: str, seed: int, length: int) -> list[dict[str, list[int]]]:
    """The domain's documents end to end, each behind the token the model starts a document with, cut into rows of `length` tokens."""
    from luosi.artifacts import Corpus
    from luosi.training.tokens import document_marks, encode, sample

    start = document_marks(model).start
    documents = sample(Corpus(corpus), [domain], max_bytes=POOL_BYTES, seed=seed)
    ids = [token for _, tokens in encode(model, documents) for token in (start, *tokens.tolist())]
    rows = [ids[begin : begin + length] for begin in range(0, len(ids) - length + 1, length)]
    return [{"input_ids": row, "labels": row} for row in rows]


def unmodified(run: dict[str, Any], model: Path, corpus: Path, folder: Path) -> dict[str, float]:
    """Nothing is done."""
    (folder / "out").symlink_to(model)
    return {}


ARMS: dict[str, Callable[[dict[str, Any], Path, Path, Path], dict[str, Any]]] = {
    "luosi": luosi,
    "peft_tuned": peft,
    "peft_default": peft,
    "unmodified": unmodified,
}


def parity(weights: Path, model: Path, corpus: Path, source: str) -> dict[str, Any]:
    """That transformers computes the same logits from the merged weights, on held-out text; raises where it does not."""
    from luosi.artifacts import Corpus
    from luosi.models.weights import model_from_state, read_shape, read_state
    from luosi.stages.export.parity import same_logits
    from luosi.training.tokens import encode

    documents = list(Corpus(corpus).documents("heldout", source))[:2]
    rows = [tokens[:PARITY_TOKENS].tolist() for _, tokens in encode(model, documents)]
    return same_logits(model_from_state(read_shape(model), read_state(weights)), weights, rows)


def score(weights: Path, model: Path, corpus: Path, sources: list[str]) -> dict[str, float]:
    """Held-out bits per byte of each source."""
    import torch

    from luosi.artifacts import Corpus
    from luosi.models.likelihood import LanguageModel
    from luosi.models.precision import autocast, round_linear_weights
    from luosi.models.tokenizer import load_tokenizer
    from luosi.models.weights import model_from_state, read_shape, read_state
    from luosi.pipeline.journal import Journal
    from luosi.stages.evaluate.likelihood import document_bits
    from luosi.training.tokens import document_marks

    network = model_from_state(read_shape(model), read_state(weights))
    round_linear_weights(network)
    lm = LanguageModel(network, load_tokenizer(model), document_marks(model).start)
    figures = {}
    for source in sources:
        documents = list(Corpus(corpus).documents("heldout", source))
        with tempfile.TemporaryDirectory() as folder, torch.inference_mode(), autocast("bf16", "cpu"):
            journal: Journal[list[float]] = Journal(Path(folder) / "journal")
            bits = document_bits(lm, documents, journal, lambda _: None)
        figures[source] = sum(bits) / sum(len(document.text.encode()) for document in documents)
    return figures


def main() -> None:
    """Do the run that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--work", required=True)
    parser.add_argument("--peers", default="")
    given = parser.parse_args()
    run = json.loads(given.run)
    os.environ["OMP_NUM_THREADS"] = "1"
    if given.peers:
        sys.path.insert(0, given.peers)
    places = json.loads((Path(given.work) / "places.json").read_text())
    model, corpus = Path(places["model"]), Path(places[run["domain"]])
    with tempfile.TemporaryDirectory(dir=given.work) as folder:
        figures = ARMS[run["arm"]](run, model, corpus, Path(folder))
        print(figures, file=sys.stderr)
        bits = score(Path(folder) / "out", model, corpus, run["score"])
        figures |= {"parity": parity(Path(folder) / "out", model, corpus, run["domain"])} if bits else {}
    print(json.dumps({**figures, "bits_per_byte": {name: round(value, 6) for name, value in bits.items()}}))


if __name__ == "__main__":
    main()
