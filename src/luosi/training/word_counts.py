"""Vectors of words from counting which stand side by side, before anything is trained: seconds, and no model.

Positive pointwise mutual information of neighbours, with contexts' counts smoothed (Levy, Goldberg & Dagan 2015), factorised (Levy & Goldberg
2014) by subspace iteration from random vectors (Halko, Martinsson & Tropp 2011, arXiv 0909.4061). Knows no models.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

COUNTED_TOKENS = 4_000_000
"""At most; more change little."""
BLOCK = 4096
"""Tokens counted at a stretch: evenly spaced blocks stand for a larger text."""
SMOOTHING = 0.75
ITERATIONS = 4
CHUNK = 2_000_000


def word_vectors(tokens_N: npt.NDArray[np.integer], vocab_size: int, width: int, seed: int) -> Tensor:
    """[V, width] fp32: a vector of unit deviation for each word with neighbours, zeros for the others; the same bits on one thread.

    Args:
        tokens_N: Token ids in the order of the text; may be a memory map.
        vocab_size: V.
        width: Of a vector.
        seed: Of the directions: vectors are turned so that no dimension is special.
    """
    neighbours = _neighbours(tokens_N, vocab_size)
    if not neighbours.values().numel():
        return torch.zeros(vocab_size, width)
    information = _information(neighbours)
    generator = torch.Generator(device="cpu").manual_seed(seed)
    rank = min(width, vocab_size)
    basis_VR = torch.randn(vocab_size, rank, generator=generator)
    for _ in range(ITERATIONS):
        basis_VR = torch.linalg.qr(information @ basis_VR)[0]
    values_R, turned_RR = torch.linalg.eigh(basis_VR.T @ (information @ basis_VR))
    vectors_VR = basis_VR @ turned_RR * values_R.abs().sqrt()
    known_V = vectors_VR.norm(dim=1) > 1e-6
    if not known_V.any():  # one word over and over: its neighbours tell nothing
        return torch.zeros(vocab_size, width)
    vectors_VR = vectors_VR - vectors_VR[known_V].mean(0)
    turn_CC = torch.linalg.qr(torch.randn(width, width, generator=generator))[0]
    vectors_VC: Tensor = vectors_VR @ turn_CC[:rank]
    scale_V = torch.where(known_V, math.sqrt(width) / vectors_VC.norm(dim=1).clamp_min(1e-6), 0.0)
    return vectors_VC * scale_V[:, None]


def _neighbours(tokens_N: npt.NDArray[np.integer], vocab_size: int) -> Tensor:
    """How often two words stand side by side, in whichever order: sparse [V, V]."""
    codes, counts = np.empty(0, np.int64), np.empty(0, np.int64)
    for stretch in _stretches(tokens_N):
        found, times = np.unique(stretch[..., :-1].astype(np.int64) * vocab_size + stretch[..., 1:], return_counts=True)
        codes, places = np.unique(np.concatenate((codes, found)), return_inverse=True)
        counts = np.bincount(places, np.concatenate((counts, times))).astype(np.int64)
    indices = torch.from_numpy(np.stack(np.divmod(codes, vocab_size)))
    one_way = _sparse(indices, torch.from_numpy(counts).float(), vocab_size)
    return (one_way + one_way.T).coalesce()


def _stretches(tokens_N: npt.NDArray[np.integer]) -> list[npt.NDArray[np.integer]]:
    """Parts of about CHUNK tokens, [blocks, BLOCK] each, or all in one row where the text is short."""
    blocks = len(tokens_N) // BLOCK
    if not blocks:
        return [tokens_N[None]]
    taken = np.unique(np.linspace(0, blocks - 1, min(blocks, COUNTED_TOKENS // BLOCK)).astype(np.int64))
    whole = tokens_N[: blocks * BLOCK].reshape(blocks, BLOCK)
    return [whole[part] for part in np.array_split(taken, -(-len(taken) * BLOCK // CHUNK))]


def _information(counts_VV: Tensor) -> Tensor:
    """log p(word, neighbour) / p(word) p(neighbour) where it is above 0, the neighbour's chance smoothed; made symmetric, sparse."""
    (rows, columns), times = counts_VV.indices(), counts_VV.values()
    totals_V = torch.zeros(len(counts_VV)).index_add_(0, rows, times)
    smoothed_V = totals_V**SMOOTHING / (totals_V**SMOOTHING).sum()
    information = (times / (totals_V[rows] * smoothed_V[columns])).log()
    other = (times / (totals_V[columns] * smoothed_V[rows])).log()
    values = (0.5 * (information + other)).clamp_min(0.0)
    return _sparse(counts_VV.indices(), values, len(counts_VV)).coalesce()


def _sparse(indices_2N: Tensor, values_N: Tensor, size: int) -> Tensor:
    return torch.sparse_coo_tensor(indices_2N, values_N, (size, size), check_invariants=True)
