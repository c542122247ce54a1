"""A process of its own that tells how many bytes LZMA needs for each of many texts after one long prefix.

Compressing the prefix again for every text would take hours. LZMA's state cannot be copied through Python, but a process can: the
prefix is compressed once, then a fork per text goes on from there and is thrown away. Exact, and a few milliseconds a text. Raw
LZMA1 streams: no headers, no checksum; the end marker is in both sizes and cancels. Started by xz.py as
`python -m luosi.stages.evaluate.compressor`, for a fork is safe only in a process without threads; standard library only.

Standard input: one JSON line {"dictionary": bytes, "prefix": bytes, "texts": [bytes, ...]}, then the bytes of the prefix and the
texts. Standard output: one line per text, the bytes it adds to the compressed prefix.
"""

from __future__ import annotations

import json
import lzma
import os
import sys
from typing import BinaryIO

BLOCK_BYTES = 1 << 18


def serve(stdin: BinaryIO) -> None:
    """Answer one request; see the module's docstring for its form."""
    request = json.loads(stdin.readline())
    lzma1 = {"id": lzma.FILTER_LZMA1, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": request["dictionary"]}
    compressor = lzma.LZMACompressor(lzma.FORMAT_RAW, filters=[lzma1])
    left = request["prefix"]
    while left:
        block = stdin.read(min(left, BLOCK_BYTES))
        if not block:
            return  # whoever asked is gone
        compressor.compress(block)
        left -= len(block)
    texts = [stdin.read(length) for length in request["texts"]]
    alone = _size(compressor, b"")
    for text in texts:
        print(_size(compressor, text) - alone, flush=True)


def _size(compressor: lzma.LZMACompressor, text: bytes) -> int:
    """Bytes still to come if `text` were next and last; the compressor itself stays as it is."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        size = len(compressor.compress(text)) + len(compressor.flush())
        os.write(writer, str(size).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return int(answer)


if __name__ == "__main__":
    serve(sys.stdin.buffer)
