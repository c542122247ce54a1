"""Encoders: texts to vectors whose products say how alike the texts are in meaning. Read from a package's files, not imported.

`static` is a table of word pieces averaged (wordllama), numpy only. `minilm` and `multilingual` are small BERTs computed by
luosi.models.encoder, which brings torch; it is loaded only for them. Knows nothing of indexes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from luosi.errors import InputError
from luosi.retrieval.packages import PACKAGES, Package

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from luosi.models.encoder import Encoder

Vectors = npt.NDArray[np.float32]
MINILM_TOKENS = 256
"""What all-MiniLM-L6-v2 was trained on; a longer text is cut there."""


class TextEncoder(Protocol):
    """What turns texts into unit vectors. Thread-safe, but for the count of tokens."""

    width: int

    @property
    def tokens(self) -> int:
        """Tokens gone through so far."""

    def encode(self, texts: Sequence[str], *, question: bool) -> Vectors:
        """(len(texts), width), each row of length 1, or 0 for a text without words; `question` says on which side they stand."""


def load(name: str, *, check: bool = False) -> TextEncoder:
    """The encoder of that name.

    Args:
        check: Whether to compare the file's digest with the one it is pinned to.

    Raises:
        MissingDependency, InputError: The package is not there, or not the one it is pinned to.
    """
    package = PACKAGES[name]
    file = package.locate()
    if check:
        _check(file, package)
    return _loaded(name, file)


@cache
def _loaded(name: str, file: Path) -> TextEncoder:
    """Once in a process: every index shares it."""
    if name == "static":
        return Static(file)
    return _minilm(file.parent) if name == "minilm" else _e5(file)


def _check(file: Path, package: Package) -> None:
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != package.sha256:
        raise InputError(
            f"{file} has digest {found}, expected {package.sha256} of {package.distribution} {package.version}",
            hint=package.install.replace("install", "install --force-reinstall"),
        )


class Static:
    """The mean of the vectors of a text's word pieces.

    Args:
        file: wordllama's table in safetensors; its tokenizer lies in the package's folder `tokenizers`.
    """

    def __init__(self, file: Path) -> None:
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        (self._table,) = load_file(file).values()
        self.width = int(self._table.shape[1])
        self.tokens = 0
        (tokenizer,) = (file.parent.parent / "tokenizers").glob("*.json")
        self._tokenizer: Tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def encode(self, texts: Sequence[str], *, question: bool) -> Vectors:
        """See TextEncoder; questions and passages alike."""
        found = [e.ids for e in self._tokenizer.encode_batch(list(texts), add_special_tokens=False)]
        self.tokens += sum(map(len, found))
        result = np.zeros((len(texts), self.width), np.float32)
        for row, ids in enumerate(found):
            if ids:
                result[row] = self._table[ids].sum(0, dtype=np.float32)
        return result / np.maximum(np.linalg.norm(result, axis=1, keepdims=True), 1e-9)  # type: ignore[no-any-return]


class _Computed:
    """A small BERT; `sides` is what is put before a question and before a passage, `normal` replaces characters."""

    def __init__(self, encoder: Encoder, *, sides: tuple[str, str] = ("", ""), normal: Mapping[int, str] = {}) -> None:
        self._encoder, self._sides, self._normal = encoder, sides, normal
        self.width = encoder.width

    @property
    def tokens(self) -> int:
        """See TextEncoder."""
        return self._encoder.tokens

    def encode(self, texts: Sequence[str], *, question: bool) -> Vectors:
        """See TextEncoder."""
        side = self._sides[0 if question else 1]
        return self._encoder.encode([side + text.translate(self._normal) for text in texts])


def _minilm(folder: Path) -> TextEncoder:
    """all-MiniLM-L6-v2 (Wang et al. 2020; Reimers and Gurevych 2019)."""
    from luosi.models.encoder import load_folder

    return _Computed(load_folder(folder, most_tokens=MINILM_TOKENS))


def _e5(file: Path) -> TextEncoder:
    """multilingual-e5-small (Wang et al. 2024), which is told on which side a text stands."""
    from luosi.models.encoder import Encoder
    from luosi.retrieval.packed import Packed

    packed = Packed(file)
    encoder = Encoder(packed.weights, heads=packed.heads, eps=packed.eps, tokenizer=packed.tokenizer())
    return _Computed(encoder, sides=("query: ", "passage: "), normal=packed.normal)
