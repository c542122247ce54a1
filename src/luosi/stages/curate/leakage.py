"""How much of each held-out text stands word for word in the training text: the share of its 13-word runs found there.

13 words is GPT-3's rule (Brown et al. 2020, appendix C). Knows nothing of sources or of how families come about.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from luosi.text.words import ngrams, word_hashes

RUN_WORDS = 13


def leak_shares(texts: Sequence[tuple[int, str]], corpus: Iterable[tuple[int, str]]) -> list[float]:
    """For each text the share of its distinct 13-word runs that occur in a text of another family.

    Args:
        texts: (family, text) of the held-out documents, or of candidates for it.
        corpus: (family, text) of what they are compared with; those of the same family do not count.

    A text of fewer than 13 words is one run. Memory holds the runs of `texts` only.
    """
    runs = [np.unique(ngrams(word_hashes(text), RUN_WORDS)) for _, text in texts]
    pool = np.unique(np.concatenate([np.zeros(0, np.uint64), *runs]))
    first = np.full(len(pool), -1)  # the first family a run was seen in
    more = np.zeros(len(pool), bool)  # whether it was seen in another one too
    for family, text in corpus if len(pool) else ():
        found = ngrams(word_hashes(text), RUN_WORDS)
        places = np.minimum(np.searchsorted(pool, found), len(pool) - 1)
        places = places[pool[places] == found]
        more[places[(first[places] >= 0) & (first[places] != family)]] = True
        first[places[first[places] < 0]] = family
    shares = []
    for (family, _), run in zip(texts, runs, strict=True):
        places = np.searchsorted(pool, run)
        elsewhere = more[places] | ((first[places] >= 0) & (first[places] != family))
        shares.append(float(elsewhere.mean()) if len(run) else 0.0)
    return shares
