"""Artifacts: the typed folders that stages hand to each other. One file per group of types; see base.py for the contract."""

from luosi.artifacts.answers import Answers
from luosi.artifacts.base import Artifact, Facts, FileDigest, Manifest
from luosi.artifacts.corpus import Corpus, Document, Exam, Question
from luosi.artifacts.evidence import Scorecard, Verdict
from luosi.artifacts.model import BaseModel, Bundle, Folder, ModelArtifact, TokenDataset, Tokenizer, TunedModel
from luosi.artifacts.retrieval import Index, Pairs, Passage
from luosi.artifacts.shape import ModelShape

__all__ = [
    "Answers", "Artifact", "BaseModel", "Bundle", "Corpus", "Document", "Exam", "Facts", "FileDigest", "Folder", "Index", "Manifest",
    "ModelArtifact", "ModelShape", "Pairs", "Passage", "Question", "Scorecard", "TokenDataset", "Tokenizer", "TunedModel", "Verdict",
]  # fmt: skip

KINDS: dict[str, type[Artifact]] = {
    kind.__name__: kind
    for kind in (
        Answers,
        BaseModel,
        Bundle,
        Corpus,
        Exam,
        Folder,
        Index,
        Pairs,
        Scorecard,
        TokenDataset,
        Tokenizer,
        TunedModel,
        Verdict,
    )
}
"""Artifact types by the name a manifest carries; a stage of the user's own may add to it."""
