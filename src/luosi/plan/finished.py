"""Finished: what this workspace's finished runs measured, read from the manifests of its store: models from scratch with their
parameters, text and bits per byte; open models on their text, before and after adapting. Opens no data.

A run counts once, on the source that its corpus is for, as scored from a file of 8 bits or more. Knows no laws.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from luosi.artifacts import Manifest
from luosi.plan.laws import AdaptedRun, ScratchRun, Training

COARSE = ("Q4_0",)
"""Precisions that cost bits of their own: 0.07 bits per byte for a 135 M model (docs/log.md)."""


@dataclass(frozen=True)
class History:
    """What was measured: `open_bpb` by (digest of the model, digest of the text)."""

    scratch: tuple[ScratchRun, ...] = ()
    adapted: tuple[AdaptedRun, ...] = ()
    open_bpb: Mapping[tuple[str, str], float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Score:
    """Bits per byte of a model that came about by `steps` (the last first), on the text `text` of a corpus."""

    bpb: float
    text: str
    corpus: str
    steps: tuple[Manifest, ...]


def read_history(manifests: Iterable[Manifest]) -> History:
    """What `manifests` (of a whole store) tell; a run whose inputs were deleted since is left out."""
    known = {manifest.key: manifest for manifest in manifests}
    found = sorted((one for one in known.values() if one.stage == "evaluate"), key=lambda one: one.created_at)
    scores = [score for one in found if (score := _score(one, known))]
    scratch = {(score.steps[0].key, score.text): score for score in scores if score.steps[0].stage == "pretrain"}
    opened = {(score.steps[0].key, score.corpus): score for score in scores if score.steps[0].stage == "import_model"}
    adapted: dict[tuple[str, str], AdaptedRun] = {}
    for score in scores:
        before = opened.get((score.steps[-1].key, score.corpus))
        if score.steps[0].stage == "finetune" and before:
            tokens = sum(step.facts.tokens or 0 for step in score.steps if "corpus" in step.inputs)
            if tokens:
                run = AdaptedRun(score.text, _digest(score.steps[-1]), tokens, before.bpb, score.bpb)
                adapted[score.steps[0].key, score.text] = run
    runs = (_scratch_run(score, known) for score in scratch.values())
    return History(
        scratch=tuple(run for run in runs if run),
        adapted=tuple(adapted.values()),
        open_bpb={(_digest(score.steps[0]), score.text): score.bpb for score in opened.values()},
    )


def _score(evaluated: Manifest, known: Mapping[str, Manifest]) -> _Score | None:
    corpus = known.get(_input(evaluated, "corpus"))
    sources: Any = corpus.config.get("sources") if corpus else None
    if corpus is None or not sources or evaluated.facts.precision in COARSE:
        return None
    bpb = evaluated.facts.figures.get(f"bits_per_byte {sources[0]['name']}")
    steps, at = [], known.get(_input(evaluated, "bundle"))
    while at is not None:
        if at.stage in ("pretrain", "finetune", "import_model"):
            steps.append(at)
        at = known.get(_input(at, "bundle") or _input(at, "model"))
    if not isinstance(bpb, float) or bpb <= 0 or not steps or steps[-1].stage == "finetune":
        return None
    return _Score(bpb, str(sources[0]["sha256"]), corpus.key, tuple(steps))


def _scratch_run(score: _Score, known: Mapping[str, Manifest]) -> ScratchRun | None:
    """None where the model was trained on another corpus than it was scored on, or that is not known any more."""
    facts = score.steps[0].facts
    data = known.get(_input(score.steps[0], "tokens"))
    if data is None or _input(data, "corpus") != score.corpus or facts.shape is None:
        return None
    text, tokens, seen = data.facts.text_bytes, data.facts.tokens, facts.tokens
    if not text or not tokens or not seen:
        return None
    return ScratchRun(Training(score.text, facts.shape.matrix_parameters, seen * text / tokens, text), score.bpb)


def _input(manifest: Manifest, role: str) -> str:
    """The key of the artifact in that role; "" for none."""
    return next(iter(manifest.inputs.get(role, [])), "")


def _digest(imported: Manifest) -> str:
    return str(imported.config.get("sha256", ""))
