"""Models as folders: trained weights, tokenizers, token data, and the bundles that ship.

A ModelArtifact is a Hugging Face folder in F32 that `transformers` can open. A Bundle is what users run: a GGUF file, beside
it the tokenizer and configuration, and for an exported (not yet compressed) one the Hugging Face folder too.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from luosi.artifacts.base import Artifact
from luosi.artifacts.shape import ModelShape


class Tokenizer(Artifact):
    """`tokenizer.json` (Hugging Face tokenizers), `tokenizer_config.json`, `special_tokens_map.json`."""

    required = ("tokenizer.json", "tokenizer_config.json")

    @property
    def digest(self) -> str:
        """SHA-256 of `tokenizer.json`."""
        return hashlib.sha256((self.path / "tokenizer.json").read_bytes()).hexdigest()


class TokenDataset(Artifact):
    """Token ids of whole documents, end to end: `tokens.bin` (little-endian uint16 or uint32), `offsets.bin` (uint64, one more
    than documents), `ids.json` (document ids in order), `index.json` ({"dtype", "documents", "tokens", "bytes", "eos", "tokenizer": its digest})."""

    required = ("tokens.bin", "offsets.bin", "ids.json", "index.json")


class ModelArtifact(Artifact):
    """A Hugging Face folder: `config.json`, `model.safetensors` (F32), tokenizer files, and `shape.json` (ModelShape)."""

    required = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "shape.json")

    def shape(self) -> ModelShape:
        """The model's sizes."""
        return ModelShape.model_validate(self.json("shape.json"))


class BaseModel(ModelArtifact):
    """An open model as imported, or one trained from scratch (then with `curve.jsonl`: step, tokens, loss)."""


class TunedModel(ModelArtifact):
    """An adapted model: merged weights, `adapter/` in peft's format where a LoRA made it, `curve.jsonl`."""


class Bundle(Artifact):
    """What ships: `model.gguf`, `bundle.json` ({"precision", "name"} and, if it has one, "system_prompt"), tokenizer files, `config.json`, `shape.json`; an exported
    one also has `hf/`, a Hugging Face folder in F32, and `adapter/` where there is one."""

    required = ("model.gguf", "bundle.json", "tokenizer.json", "shape.json")

    @property
    def gguf(self) -> Path:
        """The file an engine loads."""
        return self.path / "model.gguf"

    @property
    def precision(self) -> str:
        """F32, F16, Q8_0, Q4_0, or as imported."""
        return str(self.json("bundle.json")["precision"])

    def shape(self) -> ModelShape:
        """The model's sizes."""
        return ModelShape.model_validate(self.json("shape.json"))


class Folder(Artifact):
    """Whatever a `command` step wrote."""
