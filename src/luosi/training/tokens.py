"""Text of a corpus to token ids: a seeded choice of documents, and their encoding in bounded memory.

What stands in a text is text: "<|endoftext|>" in a document becomes ordinary tokens, never the special one. Knows neither
batches nor models.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, batched
from pathlib import Path

import numpy as np
import numpy.typing as npt

from luosi.artifacts import Corpus, Document
from luosi.models.tokenizer import document_start, load_tokenizer, special_ids
from luosi.training.batches import shuffled
