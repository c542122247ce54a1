"""Stable digests: the same order and the same draw on every machine, whatever order things were found in."""

from __future__ import annotations

import hashlib
import random


def digest(*parts: object) -> bytes:
    """16 bytes that depend on every part and on where one part ends and the next begins."""
    whole = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = str(part).encode("utf-8", errors="surrogatepass")
        whole.update(len(data).to_bytes(8, "little") + data)
    return whole.digest()


def generator(*parts: object) -> random.Random:
    """A random generator seeded by the parts: draws for one thing do not depend on what was drawn for others."""
    return random.Random(int.from_bytes(digest(*parts), "little"))
