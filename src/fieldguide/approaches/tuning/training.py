"""The training loop of a classifier: length buckets, warm-up and decay, early stopping on a slice of its own labels."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from fieldguide.approaches.tuning.classifier import Classifier

WARM_UP = 0.1  # share of all steps
WEIGHT_DECAY = 0.01
CLIP = 1.0  # the gradient's norm
POOL = 8  # batches shuffled and then sorted by length together


@dataclass(frozen=True)
class Schedule:
    epochs: int
    batch: int
    learning_rate: float
    head_learning_rate: float
    held_out: float
    """Share of rows kept for early stopping; 0 for none."""
    patience: int


def train_classifier(
    classifier: Classifier,
    texts: Sequence[tuple[str, ...]],
    numbers: np.ndarray,
    schedule: Schedule,
    seed: int,
    progress: Callable[[str, float], None],
) -> None:
    """Train in place on rows (n) and label places (n,), and leave the best weights by held-out accuracy, then loss.

    The same seed gives the same weights: dropout and batch order come from generators seeded here.
    """
    held = hold_out(numbers, schedule.held_out, seed)
    fit, kept = np.flatnonzero(~held), np.flatnonzero(held)
    encoded = classifier.encode(texts)
    lengths = np.array([len(row) for row in encoded["input_ids"]])
    order = np.random.default_rng([seed, 4099])
    optimiser, scheduler = _optimiser(classifier, schedule, schedule.epochs * math.ceil(len(fit) / schedule.batch))
    targets = torch.from_numpy(numbers)
    best: tuple[float, float] | None = None
    best_weights: Any = None
    stale = 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for epoch in range(schedule.epochs):
            classifier.train()
            for batch in buckets(fit, lengths, schedule.batch, order):
                logits = classifier(encoded, batch)
                loss = torch.nn.functional.cross_entropy(logits, targets[batch].to(logits.device))
                loss.backward()
                torch.nn.utils.clip_grad_norm_(classifier.parameters(), CLIP)
                optimiser.step()
                scheduler.step()
                optimiser.zero_grad(set_to_none=True)
            progress(f"epoch {epoch + 1} of {schedule.epochs}", (epoch + 1) / schedule.epochs)
            if not len(kept):
                continue
            score = _score(classifier, encoded, kept, targets)
            if best is None or score > best:
                best, best_weights, stale = score, copy.deepcopy(classifier.state_dict()), 0
            elif (stale := stale + 1) >= schedule.patience:
                break
    if best_weights is not None:
        classifier.load_state_dict(best_weights)
    classifier.eval()


def hold_out(numbers: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which rows to hold out, as a mask (n,): about `share` of each label, in turn from the commonest, and never a label's last row."""
    mask = np.zeros(len(numbers), dtype=bool)
    wanted = round(share * len(numbers))
    rng = np.random.default_rng([seed, 4093])
    queues = {label: list(rng.permutation(np.flatnonzero(numbers == label))) for label in np.unique(numbers)}
    sizes = {label: len(queue) for label, queue in queues.items()}
    for _ in range(wanted):
        label = max(queues, key=lambda v: (len(queues[v]) / sizes[v] if len(queues[v]) > 1 else -1.0, sizes[v]))
        if len(queues[label]) < 2:
            break
        mask[queues[label].pop()] = True
    return mask


def buckets(rows: np.ndarray, lengths: np.ndarray, batch: int, order: np.random.Generator) -> list[np.ndarray]:
    """The rows in batches of similar length: shuffled, sorted by length within pools of batches, the batches shuffled again."""
    shuffled = order.permutation(rows)
    pools = [shuffled[i : i + batch * POOL] for i in range(0, len(shuffled), batch * POOL)]
    ordered = [pool[np.argsort(lengths[pool], kind="stable")] for pool in pools]
    batches = [pool[i : i + batch] for pool in ordered for i in range(0, len(pool), batch)]
    return [batches[i] for i in order.permutation(len(batches))]


def _optimiser(classifier: Classifier, schedule: Schedule, steps: int) -> tuple[Any, Any]:
    """AdamW with the head's own learning rate and no decay on biases and norms; linear warm-up, then linear decay to 0."""
    groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
    for name, weight in classifier.named_parameters():
        groups.setdefault((name.startswith("head."), weight.ndim > 1), []).append(weight)
    optimiser = torch.optim.AdamW(
        [
            {"params": weights, "lr": schedule.head_learning_rate if head else schedule.learning_rate, "weight_decay": WEIGHT_DECAY if wide else 0.0}
            for (head, wide), weights in groups.items()
        ],
        fused=True,
    )
    warm = max(1, round(WARM_UP * steps))
    return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, lambda i: min((i + 1) / warm, max(0.0, (steps - i) / max(1, steps - warm))))


def _score(classifier: Classifier, encoded: dict[str, list[list[int]]], kept: np.ndarray, targets: torch.Tensor) -> tuple[float, float]:
    """Accuracy and minus the loss on the held-out rows: higher is better in both."""
    logits = torch.from_numpy(classifier.logits_of(encoded, kept))
    truth = targets[torch.from_numpy(kept)]
    return float((logits.argmax(1) == truth).float().mean()), -float(torch.nn.functional.cross_entropy(logits, truth))
