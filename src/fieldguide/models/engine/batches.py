"""Texts of unlike length in padded batches: length-sorted, within a budget of tokens.

Legend: B texts in a batch, L tokens in the longest of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

BATCH_TOKENS = 4096
"""Tokens in a batch, padding included: large enough to fill two cores, small enough to stay in their caches."""


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places in batches of at most `BATCH_TOKENS` padded tokens, the longest first."""
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and lengths[batch[0]] * (len(batch) + 1) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def padded(rows: Sequence[Sequence[int]], blank: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens and mask, both (B, L), padded at the end."""
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[blank] * (longest - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return ids.to(device), mask.to(device)
