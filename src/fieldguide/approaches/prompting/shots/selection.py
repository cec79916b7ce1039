"""Which training rows a prompt shows, and in what order: pure functions of vectors, sizes, texts and a seed.

Rows are named by their place among n training rows. Vectors are (n, D) embeddings of unit length, so that their products are cosines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from fieldguide.tasks.overlap import repeats

DIGITS = 6
"""Decimals of a cosine that count: those below depend on which texts were embedded together."""
BLOCK = 32
"""Rows compared with the one to answer at a time."""


def nearest(vectors: np.ndarray, asked: np.ndarray) -> list[int]:
    """All rows by their cosine with the vector `asked` (D,), the most similar first, equal ones in training order.

    The retrieval of KATE (Liu et al. 2022, DeeLIO at ACL 2022, arXiv:2101.06804, section 3), with cosine for their distance.
    """
    return np.argsort(-np.round(vectors @ asked, DIGITS), kind="stable").tolist()


def covering(vectors: np.ndarray) -> Iterator[int]:
    """Rows in the order in which a greedy search adds them to S to raise f(S) = Σ_i max_{j ∈ S} cos(i, j) most: facility location over n rows.

    The greedy S reaches, counted from cosine −1, at least 1 − 1/e of what the best S of its size does (Nemhauser, Wolsey and Fisher 1978,
    Mathematical Programming 14). Lin and Bilmes (2009, Interspeech) choose examples to label so; Su et al. (2022, arXiv:2209.01975) compare it, as
    "MFL", with their vote-k, which counts votes of nearest neighbours instead. Takes n² numbers of memory, and n² steps for each row that is asked
    for.
    """
    likeness = np.round(vectors.astype(np.float64) @ vectors.T.astype(np.float64), DIGITS)  # (n, n)
    covered, taken = np.full(len(vectors), -1.0), np.zeros(len(vectors), dtype=bool)  # (n,): the largest cosine with S so far; whether in S
    for _ in range(len(vectors)):
        gains = np.round(np.maximum(likeness - covered, 0.0).sum(axis=1), DIGITS)  # (n,)
        best = int(np.argmax(np.where(taken, -1.0, gains)))
        taken[best] = True
        covered = np.maximum(covered, likeness[best])
        yield best


def unlike(preferred: Iterable[int], texts: Sequence[str], asked: str) -> Iterator[int]:
    """The preferred rows in their order, without those whose text repeats `asked` exactly or nearly (`tasks.overlap`)."""
    rows = iter(preferred)
    while block := list(islice(rows, BLOCK)):
        yield from (i for i, same in zip(block, repeats([texts[i] for i in block], [asked]), strict=True) if not same)


def filled(preferred: Iterable[int], sizes: Sequence[int], room: float, shots: int, widest: float | None = None) -> list[int]:
    """The first `shots` (all for 0) of the preferred rows that fit into `room` tokens together, up to the first that does not.

    Where rows cannot be cut, `widest` is the tokens that one may take: larger ones are passed over; if that leaves none, the smallest that fits alone
    is taken.
    """
    taken, spare, left, least = list[int](), list[int](), room, min(sizes, default=0)
    for i in preferred:
        if widest is not None and sizes[i] > min(widest, left):
            if sizes[i] <= min(room, sizes[spare[0]] if spare else room):
                spare = [i]
            continue
        if sizes[i] > left:
            break
        left -= sizes[i]
        taken.append(i)
        if len(taken) == shots or left < least:
            break
    return taken or spare


def arranged(picked: Sequence[int], order: str, seed: int, blocks: Sequence[str] = ()) -> list[int]:
    """The picked rows, nearest or most preferred first, in the order in which a prompt shows them.

    "near-first" leaves them, "near-last" turns them round, "seeded" shuffles them; "label-blocks" shuffles them and the names in `blocks`
    (n,), and puts rows of one name together.
    """
    if order in ("near-first", "near-last"):
        return list(picked) if order == "near-first" else list(picked)[::-1]
    shuffled = [picked[i] for i in np.random.default_rng([seed, 3301]).permutation(len(picked))]
    if order == "seeded":
        return shuffled
    names = sorted(set(blocks))
    rank = dict(zip(names, np.random.default_rng([seed, 3313]).permutation(len(names)).tolist(), strict=True))
    return sorted(shuffled, key=lambda i: rank[blocks[i]])
