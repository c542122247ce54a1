"""Artifacts: the typed folders that stages hand to each other. One file per group of types; see base.py for the contract."""

from luosi.artifacts.base import Artifact, Facts, FileDigest, Manifest
from luosi.artifacts.corpus import Corpus, Document, Exam, Question
from luosi.artifacts.evidence import Scorecard, Verdict
from luosi.artifacts.model import BaseModel, Bundle, Folder, ModelArtifact, TokenDataset, Tokenizer, TunedModel
from luosi.artifacts.shape import ModelShape

__all__ = [
    "Artifact", "BaseModel", "Bundle", "Corpus", "Document", "Exam", "Facts", "FileDigest", "Folder", "Manifest",
    "ModelArtifact", "ModelShape", "Question", "Scorecard", "TokenDataset", "Tokenizer", "TunedModel", "Verdict",
]  # fmt: skip

KINDS: dict[str, type[Artifact]] = {
    kind.__name__: kind
    for kind in (BaseModel, Bundle, Corpus, Exam, Folder, Scorecard, TokenDataset, Tokenizer, TunedModel, Verdict)
}
"""Artifact types by the name a manifest carries; a stage of the user's own may add to it."""
