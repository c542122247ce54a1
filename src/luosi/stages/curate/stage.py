"""The curate stage: prices itself from the sources' sizes; the work is in work.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import ClassVar

from luosi.artifacts import Corpus, Facts
from luosi.cost import Estimate, Machine
from luosi.pipeline.stage import Context, Inputs, Stage, StageRuntime
from luosi.stages.curate.config import Config as CurateConfig
from luosi.stages.curate.config import Source
from luosi.text.streams import missing

UNKNOWN_BYTES = 5_000_000
"""What a source without `bytes` is taken to hold."""
KEPT = 0.8
"""Share of a source's bytes that reaches the corpus, where nothing is known of its duplicates."""
DOCUMENT_BYTES = 5_000
START_S = 0.6
BYTES_PER_S = {"files": 2.0e6, "package": 3.0e6, "docstrings": 1.0e6}
"""Bytes of text curated a second, by kind of source; one core, every phase. PDF and office files hold it
back, plain text goes twice as fast; docstrings are a quarter of what is parsed."""


class CurateStage(Stage[CurateConfig, StageRuntime]):
    """See the module."""

    name: ClassVar[str] = "curate"
    version: ClassVar[int] = 2
    Config = CurateConfig
    output = Corpus

    def predict(self, config: CurateConfig, inputs: Mapping[str, Sequence[Facts]]) -> Facts:
        """Sizes from the sources' bytes and limits; documents at DOCUMENT_BYTES each."""
        kept = {source.name: _kept_bytes(source) for source in config.sources}
        heldout = {
            name: min(config.heldout_max_bytes, int(config.heldout_fraction * size)) for name, size in kept.items()
        }
        train = {name: size - heldout[name] for name, size in kept.items()}
        return Facts(
            documents=_documents(sum(train.values())),
            text_bytes=sum(train.values()),
            source_bytes=train,
            heldout_bytes=sum(heldout.values()),
            heldout_documents=_documents(sum(heldout.values())),
        )

    def estimate(self, config: CurateConfig, inputs: Mapping[str, Sequence[Facts]], machine: Machine) -> Estimate:
        """Proportional to the bytes read; memory holds identities, not texts."""
        seconds = sum((source.bytes or UNKNOWN_BYTES) / BYTES_PER_S[source.kind] for source in config.sources)
        documents = sum(source.bytes or UNKNOWN_BYTES for source in config.sources) // DOCUMENT_BYTES
        return machine.estimate(self.name, seconds=START_S + seconds, memory_bytes=170_000_000 + 1_000 * documents)

    def run(self, config: CurateConfig, runtime: StageRuntime, inputs: Inputs, context: Context) -> Facts:
        """Read, clean, drop duplicates, split and write."""
        if find_spec("numpy") is None:
            raise missing("numpy", "comparing documents")
        from luosi.stages.curate.work import curate

        return curate(config, context.out, context.scratch, progress=context.progress, say=context.say)


def _kept_bytes(source: Source) -> int:
    kept = int(KEPT * (source.bytes or UNKNOWN_BYTES))
    return min(kept, source.max_bytes) if source.max_bytes else kept


def _documents(text_bytes: int) -> int:
    return max(1, round(text_bytes / DOCUMENT_BYTES))
