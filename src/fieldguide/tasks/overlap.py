"""Exact and near-duplicates: the one place that says when two rows count as the same text.

*Exact*: equal after Unicode NFKC, case folding and collapsing white space. *Near*: the sets of character shingles of the two
texts (sentence punctuation set aside) have a Jaccard similarity of at least the threshold, 0.8 unless told otherwise. A shingle is
5 characters, or 2 in scripts written without spaces (Chinese, Japanese, Thai …), so that it is about a word. At 0.8 two texts
may differ by about one short word in fifteen: "transfer 100 to Anna" and "transfer 200 to Anna" (similarity .4) stay apart, as does
any change of a word inside a short question; a text shorter than a shingle has no near-duplicates but its exact ones.

Candidates come from MinHash signatures cut into bands (Broder 1997; Leskovec, Rajaraman and Ullman, *Mining of Massive
Datasets*, section 3.4), and each is verified on the exact sets. Within a band a row is compared with a bounded number of others, so that time grows
with the number of rows even where a file repeats one template. Above `NEAR_LIMIT` distinct texts only exact duplicates are found.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np

NEAR_LIMIT = 200_000
"""Distinct texts above which near-duplicates are not looked for."""
THRESHOLD = 0.8
WIDTH, UNSPACED_WIDTH = 5, 2
SLOTS = 128
CLIP = 10_000
"""Characters of a text that are compared; the rest of a longer one is not."""
CHUNK = 4_000_000
"""Characters shingled at once."""
CHUNK_ROWS = 20_000
"""Texts shingled at once, at most."""
NEIGHBOURS = 4
"""Others in a band's bucket with which a row is compared, besides the bucket's first."""
MAX_FAILURES = 8
"""Verified pairs that may turn out too different before a text is looked at no more (likelier pairs come first): a bound for templated files."""

_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_MARKS = str.maketrans(dict.fromkeys(".,;!?\"'“”‘’…。，！？、；", " "))


def normalise(text: str) -> str:
    """The form in which two texts are exact duplicates: NFKC, case folded, white space collapsed."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.casefold().split())


def near_duplicate_groups(texts: Sequence[str], threshold: float = THRESHOLD) -> np.ndarray:
    """Group number of each text, shape (texts,): equal for texts joined by a chain of duplicates, numbered by first appearance."""
    distinct: dict[str, int] = {}
    places = [distinct.setdefault(normalise(text), len(distinct)) for text in texts]
    parents = list(range(len(distinct)))

    def root(i: int) -> int:
        while parents[i] != i:
            parents[i] = parents[parents[i]]
            i = parents[i]
        return i

    if len(distinct) <= NEAR_LIMIT:
        for i, j, _ in _similar(list(distinct), threshold, None, lambda i, j: root(i) == root(j)):
            a, b = sorted((root(i), root(j)))
            parents[b] = a
    numbers: dict[int, int] = {}
    return np.array([numbers.setdefault(root(place), len(numbers)) for place in places], dtype=np.int64)


def overlapping(a: Sequence[str], b: Sequence[str], threshold: float = THRESHOLD) -> list[tuple[int, int, float]]:
    """(i, j, similarity) for every `a[i]` that `b` repeats exactly (1.0) or nearly, with the most similar `b[j]` found; ascending i."""
    first: dict[str, int] = {}
    for j, text in enumerate(b):
        first.setdefault(normalise(text), j)
    keys = [normalise(text) for text in a]
    fresh: dict[str, int] = {}  # texts of a that b does not hold exactly → their number
    for key in keys:
        if key not in first:
            fresh.setdefault(key, len(fresh))
    best: dict[int, tuple[float, int]] = {}  # number → (similarity, -j): the larger is the better
    if fresh and first and len(fresh) + len(first) <= NEAR_LIMIT:
        places = list(first.values())
        for i, k, similarity in _similar([*fresh, *first], threshold, len(fresh), lambda i, j: False):
            best[i] = max(best.get(i, (0.0, 0)), (similarity, -places[k - len(fresh)]))
    found: list[tuple[int, int, float]] = []
    for i, key in enumerate(keys):
        if key in first:
            found.append((i, first[key], 1.0))
        elif fresh[key] in best:
            similarity, j = best[fresh[key]]
            found.append((i, -j, similarity))
    return found


def repeats(candidates: Sequence[str], under_test: Sequence[str], threshold: float = THRESHOLD) -> np.ndarray:
    """Which candidates (demonstrations, say) exactly or nearly repeat a text under test; shape (candidates,), bool."""
    mask = np.zeros(len(candidates), dtype=bool)
    mask[[i for i, _, _ in overlapping(candidates, under_test, threshold)]] = True
    return mask


def _similar(
    texts: Sequence[str], threshold: float, edge: int | None, settled: Callable[[int, int], bool]
) -> Iterator[tuple[int, int, float]]:
    """(i, j, similarity) of distinct normalised texts whose shingle sets reach the threshold; with an `edge`, only i < edge ≤ j.

    Pairs that `settled` says are known already are passed over.
    """
    failures = [0] * len(texts)
    bare = [_bare(text)[:CLIP] for text in texts]
    unspaced = np.array([not text.isascii() and 2 * len(_UNSPACED.findall(text)) > len(text.replace(" ", "")) for text in bare], dtype=bool)
    for width, members in ((WIDTH, np.flatnonzero(~unspaced)), (UNSPACED_WIDTH, np.flatnonzero(unspaced))):
        if len(members) < 2:
            continue

        @lru_cache(maxsize=20_000)
        def shingles(i: int, width: int = width) -> frozenset[str]:
            return frozenset(bare[i][k : k + width] for k in range(max(len(bare[i]) - width + 1, 1)))

        signatures = _signatures([bare[i] for i in members], width)
        seen: set[tuple[int, int]] = set()
        for left, right in _candidates(signatures, threshold, None if edge is None else members < edge):
            agreement = _agreement(signatures, left, right)
            likely = np.argsort(-agreement, kind="stable")[: int((agreement >= threshold - 0.1).sum())]  # three standard errors at 128 slots
            for i, j in zip(members[left[likely]].tolist(), members[right[likely]].tolist(), strict=True):
                if (i, j) in seen or min(failures[i], failures[j]) >= MAX_FAILURES or settled(i, j):
                    continue
                seen.add((i, j))
                one, two = shingles(i), shingles(j)
                both = len(one & two)
                similarity = both / (len(one) + len(two) - both)
                if similarity >= threshold:
                    yield i, j, similarity
                else:
                    failures[i], failures[j] = failures[i] + 1, failures[j] + 1


def _bare(text: str) -> str:
    """A normalised text without sentence punctuation, unless nothing else is left."""
    return " ".join(text.translate(_MARKS).split()) or text


def _signatures(texts: Sequence[str], width: int) -> np.ndarray:
    """MinHash signatures, shape (texts, SLOTS), uint32."""
    blocks: list[np.ndarray] = []
    start = 0
    while start < len(texts):
        end, size = start, 0
        while end < len(texts) and end - start < CHUNK_ROWS and size < CHUNK:
            size += len(texts[end])
            end += 1
        blocks.append(_signature_block(texts[start:end], width))
        start = end
    return np.concatenate(blocks)


def _signature_block(texts: Sequence[str], width: int) -> np.ndarray:
    """Signatures of one block: all shingles hashed at once over the joined code points, then handed to rensa."""
    from rensa import RMinHash

    padded = [text.ljust(width, "\0") for text in texts]
    lengths = np.fromiter(map(len, padded), dtype=np.int64, count=len(padded))
    points = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    counts = lengths - width + 1  # shingles a text
    offsets = np.concatenate([[0], np.cumsum(counts)])
    begins = np.repeat(np.cumsum(lengths) - lengths - offsets[:-1], counts) + np.arange(offsets[-1])
    hashes = np.zeros(len(begins), dtype=np.uint64)
    for k in range(width):
        hashes = _mix(hashes * np.uint64(0x100000001B3) + points[begins + k] + np.uint64(1))
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(hashes, offsets.astype(np.uint64), SLOTS, 7)
    return np.array(matrix.to_rows(), dtype=np.uint32)


def _mix(x: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014): spreads every bit over the word."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _band_width(threshold: float) -> int:
    """The widest band at which a pair at the threshold shares at least one band with probability .995."""
    fits = [r for r in range(1, 17) if 1 - (1 - threshold**r) ** (SLOTS // r) >= 0.995]
    return max(fits, default=1)


def _candidates(signatures: np.ndarray, threshold: float, is_left: np.ndarray | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each band, pairs of rows that share it: (left, right) indices. With `is_left`, left rows are paired with the others only."""
    width = _band_width(threshold)
    rows = np.arange(len(signatures))
    for band in range(SLOTS // width):
        keys = np.zeros(len(signatures), dtype=np.uint64)
        for slot in range(band * width, (band + 1) * width):
            keys = _mix(keys * np.uint64(0x100000001B3) + signatures[:, slot] + np.uint64(1))
        order = np.lexsort((rows, keys) if is_left is None else (rows, is_left, keys))  # the others stand before left rows
        ordered = keys[order]
        heads = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        start = np.repeat(heads, np.diff(np.append(heads, len(rows))))  # (rows,): where the bucket of each place begins
        place = np.arange(len(rows))
        if is_left is None:
            pairs = [(place[place - d >= start] - d, place[place - d >= start]) for d in range(1, NEIGHBOURS + 1)]
            far = place[place - start > NEIGHBOURS]
            pairs.append((start[far], far))
        else:
            side = is_left[order]
            left = place[side]
            pairs = []
            for d in range(2 * NEIGHBOURS):
                other = start[left] + d
                real = (other < left) & ~side[np.minimum(other, len(rows) - 1)]
                pairs.append((left[real], other[real]))
        yield order[np.concatenate([p for p, _ in pairs])], order[np.concatenate([q for _, q in pairs])]


def _agreement(signatures: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The share of slots in which two rows agree, an estimate of their Jaccard similarity; shape (pairs,)."""
    shares = [np.zeros(0)]
    for start in range(0, len(left), 100_000):
        part = slice(start, start + 100_000)
        shares.append((signatures[left[part]] == signatures[right[part]]).mean(axis=1))
    return np.concatenate(shares)
