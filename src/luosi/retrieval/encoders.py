"""Encoders: texts to vectors whose products say how alike the texts are in meaning. Read from a package's files, not imported.

`minilm` and `multilingual` are small BERTs computed by luosi.models.encoder, which brings torch; it is loaded only for them. Knows
nothing of indexes, nor of word vectors (word_vectors.py).
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


def load(name: str) -> TextEncoder | None:
    """The encoder of that name; None for those that are no more than words.

    Raises:
        MissingDependency, InputError: The package is not there, or at another version.
    """
    return _loaded(name, PACKAGES[name].locate()) if name in ("minilm", "multilingual") else None


@cache
def _loaded(name: str, file: Path) -> TextEncoder:
    """Once in a process: every index shares it."""
    return _minilm(file.parent) if name == "minilm" else _e5(file)


def check(package: Package) -> None:
    """See that a package's files are those it is pinned to, and what is read beside it.

    Raises:
        MissingDependency, InputError: They are not.
    """
    if package.beside:
        check(package.beside)
    file = package.locate()
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != package.sha256:
        raise InputError(
            f"{file} has digest {found}, expected {package.sha256} of {package.distribution} {package.version}",
            hint=package.install.replace("install", "install --force-reinstall"),
        )


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
