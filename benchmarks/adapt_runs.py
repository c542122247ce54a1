"""Which runs benchmarks/adapt.py consists of, in order, given the lines that are there: trials, then what they decided."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from adapt_arms import SEQUENCE

BUDGET = 65_536
"""Tokens that peft_tuned learns from."""
BUDGETS = (BUDGET // 2, BUDGET)
"""Of both arms; where Luosi's larger one falls short of the target, the table says that it is extrapolated."""
TRIAL = BUDGET // 2
SEEDS, TRIAL_SEED = (0, 1, 2), 100
FIRST, SECOND, THIRD = DOMAINS = "legal", "phenotypes", "docstrings"
FINALS = [*((seed, FIRST) for seed in SEEDS), (SEEDS[0], SECOND), (SEEDS[0], THIRD)]
SCALES = (0.5, 1.0, 2.0, 4.0)
RATE = 1e-3
"""Multiplied by SCALES in the trials, so that each arm's best rate has worse ones on both sides."""
BATCHES = (512, 256, 128, 2048, 8192)
"""Tokens of a step of peft's arm: the rates are tried with the first; Luosi's arm has its default."""
LEADERS = 2
"""Settings of each arm that are tried on the second domain too, over the whole budget: one text, one seed and half the budget do not tell
them apart."""
ROUNDS, ROUND_SEED, ROUND_TOKENS = 3, 200, 8192
"""The arms in turn, so often, to take seconds a token and memory: a shared machine's speed changes from hour to hour, what is learned does
not."""

Run = dict[str, Any]
"""Arm, domain, tokens, seed, settings and what to score; a line says what came of it too."""


def peft_settings(rate: float, batch: int, dtype: str = "bfloat16") -> dict[str, Any]:
    """LoRA as it is usually tuned; rows of up to SEQUENCE tokens, four at a time where the batch has them; the frozen weights in `dtype`."""
    sequence = min(SEQUENCE, batch)
    rows = min(4, batch // sequence)
    trainer = {
        "learning_rate": rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0.03,
        "weight_decay": 0.0,
        "per_device_train_batch_size": rows,
        "gradient_accumulation_steps": batch // sequence // rows,
    }
    lora = {"r": 16, "lora_alpha": 32, "lora_dropout": 0.0, "target_modules": "all-linear"}
    short = {"sequence": sequence} if sequence < SEQUENCE else {}
    return {"trainer": trainer, "lora": lora, "dtype": dtype, **short}


def runs(rows: Sequence[Run]) -> Iterator[Run]:
    """Everything to run, in order; what depends on a trial comes once the trial's line is there."""
    for domain in DOMAINS:
        yield {"arm": "unmodified", "domain": domain, "tokens": 0, "seed": 0, "settings": {}, "score": [*DOMAINS]}
    tried = {
        "peft_tuned": trials("peft_tuned", FIRST, [peft_settings(RATE * scale, BATCHES[0]) for scale in SCALES]),
        "luosi": trials("luosi", FIRST, [{"learning_rate": RATE * scale} for scale in SCALES]),
    }
    for arm in tried:
        yield from tried[arm]
    if rates := best_first(rows, tried["peft_tuned"], [FIRST]):
        peak = rates[0]["trainer"]["learning_rate"]
        # a batch n times as large is tried at sqrt(n) times the rate, at most twice
        more = [peft_settings(peak * min(2.0, (batch / BATCHES[0]) ** 0.5), batch) for batch in BATCHES[1:]]
        tried["peft_tuned"] += (batches := trials("peft_tuned", FIRST, more))
        # for information: frozen weights in fp32 take 0.6 GB more
        yield from [*batches, *trials("peft_tuned", FIRST, [peft_settings(peak, BATCHES[0], "float32")])]
    chosen = {"peft_default": {"trainer": {"per_device_train_batch_size": 8}, "lora": {}, "dtype": "float32"}}
    for arm in tried:
        again = trials(arm, SECOND, best_first(rows, tried[arm], [FIRST])[:LEADERS])
        yield from again
        if settings := best_first(rows, again, [FIRST, SECOND]):
            chosen[arm] = settings[0]
    if len(chosen) <= len(tried):
        return
    for number in range(ROUNDS):
        for arm, settings in chosen.items():
            run = {
                "arm": arm,
                "domain": FIRST,
                "tokens": ROUND_TOKENS,
                "seed": ROUND_SEED + number,
                "settings": settings,
            }
            yield run | {"score": []}
    for seed, domain in FINALS:
        for arm in tried:
            for tokens in BUDGETS:
                final = {"arm": arm, "domain": domain, "tokens": tokens, "seed": seed, "settings": chosen[arm]}
                yield final | {"score": [*DOMAINS]}
    run = {"arm": "peft_default", "domain": FIRST, "tokens": BUDGET, "seed": 0, "settings": chosen["peft_default"]}
    yield run | {"score": [*DOMAINS]}


def trials(arm: str, domain: str, settings: Sequence[dict[str, Any]]) -> list[Run]:
    """With each of the settings, half the budget of the first domain, all of the second's; another seed than the finals'."""
    trial = {"domain": domain, "tokens": TRIAL if domain == FIRST else BUDGET, "seed": TRIAL_SEED, "score": [domain]}
    return [{"arm": arm, **trial, "settings": one} for one in settings]


def best_first(rows: Sequence[Run], tried: Sequence[Run], domains: Sequence[str]) -> list[dict[str, Any]]:
    """The trials' settings, the lowest mean logarithm of bits per byte over the domains first; none while a trial is missing."""
    means = []
    for run in tried:
        lines = [line(rows, trial) for domain in domains for trial in trials(run["arm"], domain, [run["settings"]])]
        bits = [math.log(row["bits_per_byte"][row["domain"]]) for row in lines if row]
        if len(bits) < len(domains):
            return []
        means.append(statistics.fmean(bits))
    return [tried[number]["settings"] for number in sorted(range(len(tried)), key=means.__getitem__)]


def line(rows: Sequence[Run], run: Run) -> Run | None:
    """The run's line, if it is there."""
    return next((row for row in rows if all(row[name] == value for name, value in run.items())), None)


def name_of(run: Run) -> str:
    """A run in a line."""
    settings = run["settings"]
    rate = settings.get("learning_rate") or settings.get("trainer", {}).get("learning_rate")
    return f"{run['arm']:12} {run['domain']:10} {run['tokens']:6} tokens, seed {run['seed']}, rate {rate}"
