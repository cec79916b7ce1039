"""A simulated approach: it answers by a known law, so that its true quality, costs, confidence and failures are known exactly.

The law, a probit threshold model with shared factors (Ashford & Sowden 1970, Biometrics 26:535–546). Row i has the latent
difficulty √shared · z(i) + √own · a(i) + √(1 − shared − own) · b(i, seed, n), where z belongs to the row, a to row and approach,
b to row, approach, seed and label count: standard normals read off a stable hash. The row is answered right where its difficulty
lies below Φ⁻¹(q(n, seed)). So the chance of a right answer is q(n, seed) exactly, errors of two approaches correlate through z,
and errors of two seeds of one approach through a besides.

A simulated solver finds the right answer by hashing the row's text: that is the privilege of a simulation, and why no claim
about real approaches can rest on one. Nothing here sleeps, loads weights or draws from a global generator. Money is metered as
a backend meters it, so that a budget in dollars is kept, and at machine price 0 it is the simulated spend to the cent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import exp, log
from pathlib import Path
from typing import Any, Self
from unittest.mock import patch

import numpy as np
from scipy.special import expit, logit, ndtr, ndtri

from fieldguide.approaches.approach import Approach, FitContext, Solver, rungs_up_to
from fieldguide.models import meter
from fieldguide.models.pool import ModelPool
from fieldguide.records import Inputs, Prediction, Row, Unparsed, Usage
from fieldguide.registry import TABLE
from fieldguide.tasks.task import TaskSpec
from fieldguide.testing.hashed import hashes, normals, number, uniforms

MOVED = " (moved)"
"""Ends the text of a row that comes from a shifted population."""
LOWEST, HIGHEST = 0.005, 0.995
"""No quality lies outside."""
WIDEST = 2.5
"""Seeds deviate from the curve by a normal that is cut at so many standard deviations, so that its mean is the curve."""
TARGET, SHARED, OWN, FRESH, SIGNAL, WRONG, MUTE, SEED, CRASH = range(9)
"""What a number is drawn for."""


@dataclass(frozen=True)
class Draw:
    """What one solver does on rows, as arrays of shape (rows,)."""

    right: np.ndarray
    confidence: np.ndarray
    """The probability that it gives its own answer; never below 1 / labels, below which another label would be the answer."""
    unparsed: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Simulated(Approach):
    """An approach with a known law. `salt` tells it from others: with the same salt two of them make the same errors."""

    name = "simulated"
    title: str = "Simulated approach"  # type: ignore[misc]  # what real approaches say by class, a simulated one says by instance
    family: str = "embedding"  # type: ignore[misc]
    training: bool = False  # type: ignore[misc]
    contract_exceptions = {
        "beats_majority": "It is as good as its parameters say.",
        "save": "Its name is registered only where `registered` is open, so a new process cannot load it.",
    }

    salt: int = 0
    most_labels: int | None = None
    """0 for an approach that uses no labels; else it wants the rungs up to the first that holds so many; None for all rungs."""
    ceiling: float = 0.8
    """Quality with endless labels; with `gain` 0 the quality at any count. q(n) = ceiling − gain · n^−rate + bump."""
    gain: float = 0.0
    """Negative for a curve that falls."""
    rate: float = 0.5
    bump: float = 0.0
    """Height of a Gaussian in ln n, negative for a dip, at `bump_at` labels: an ill-behaved curve."""
    bump_at: float = 64.0
    bump_width: float = 0.7
    seed_sd: float = 0.0
    """Standard deviation over seeds at 16 labels or fewer; 0 for an approach that a seed does not change."""
    seed_decay: float = 0.0
    """The deviation shrinks as (16 / n)^`seed_decay`."""
    shared: float = 0.4
    """Share of a row's difficulty that all approaches have in common."""
    own: float = 0.2
    """Share that all solvers of this approach have in common."""
    blur: float = 1.0
    """Noise of the signal that confidence is read off: 0 knows exactly when it is right, large values know nothing."""
    sharpness: float = 1.0
    """What the log odds of the confidence are multiplied by: 1 is calibrated, above 1 over-confident."""
    unparsed: float = 0.0
    """Share of answers that cannot be read; they count among the wrong ones."""
    drop: float = 0.0
    """Quality lost on moved rows."""
    crash: float = 0.0
    """Share of trials that raise."""
    crash_in: str = "fit"
    """Where they do: "fit" or "predict"."""
    common: float = 0.0
    """Share of rows whose target is the first label; 0 for balanced labels."""
    fit_usd: float = 0.0
    """Dollars of a fit, whatever the labels."""
    label_usd: float = 0.0
    """Dollars of a fit for each label."""
    row_usd: float = 0.0
    """Dollars of an answer."""

    def label_counts(self, ladder: Sequence[int]) -> tuple[int, ...]:
        if self.most_labels is None:
            return tuple(ladder)
        if self.most_labels == 0:
            return (0,)
        return rungs_up_to(ladder, self.most_labels)

    def repeats(self) -> bool:
        return self.seed_sd > 0

    def calls(self, n_labels: int, n_rows: int, task: TaskSpec) -> int:
        return n_labels + n_rows

    # The truth.

    def quality(self, n: float, seed: int | None = None, *, moved: bool = False) -> float:
        """Chance of a right answer: of one seed's solver, or the mean over all seeds, which is the curve itself."""
        n = max(n, 1.0)
        mean = self.ceiling - self.gain * n**-self.rate + self.bump * exp(-0.5 * (log(n / self.bump_at) / self.bump_width) ** 2)
        mean = min(max(mean - (self.drop if moved else 0.0), LOWEST), HIGHEST)
        if seed is None or not self.seed_sd:
            return mean
        sd = self.seed_sd * (16 / max(n, 16.0)) ** self.seed_decay
        sd = min(sd, (mean - LOWEST) / WIDEST, (HIGHEST - mean) / WIDEST)
        tail = ndtr(-WIDEST)
        return mean + sd * float(ndtri(tail + (1 - 2 * tail) * number(SEED, self.salt, seed, round(n))))

    def crashes(self, n: int, seed: int) -> bool:
        """Whether the trial at this label count and seed raises."""
        return number(CRASH, self.salt, seed, n) < self.crash

    def fit_cost_usd(self, n: int) -> float:
        return self.fit_usd + self.label_usd * n

    def salts(self, n: int, seed: int) -> tuple[int, int, int]:
        """What tells one of its solvers from another."""
        return self.salt, seed if self.repeats() else 0, n

    def draw(self, rows: np.ndarray, moved: np.ndarray | bool, labels: int, n: int, seed: int) -> Draw:
        """What the solver fitted on `n` labels under `seed` does on hashed rows of a task with so many labels; `moved` where they are."""
        quality = np.where(moved, self.quality(n, seed, moved=True), self.quality(n, seed)) if np.any(moved) else self.quality(n, seed)
        solver = self.salts(n, seed)
        difficulty = (
            np.sqrt(self.shared) * normals(rows, SHARED)
            + np.sqrt(self.own) * normals(rows, OWN, self.salt)
            + np.sqrt(1 - self.shared - self.own) * normals(rows, FRESH, *solver)
        )
        margin = ndtri(quality) - difficulty  # above 0 where right; a normal of variance 1 around ndtri(quality)
        right = margin > 0
        signal = margin + self.blur * normals(rows, SIGNAL, *solver)
        # The posterior of the margin given the signal is normal with this mean and variance.
        mean, variance = (ndtri(quality) * self.blur**2 + signal) / (1 + self.blur**2), self.blur**2 / (1 + self.blur**2)
        sure = ndtr(mean / np.sqrt(variance)) if self.blur else right.astype(float)
        stated = expit(self.sharpness * logit(np.clip(sure, 1e-6, 1 - 1e-6)))
        mute = ~right & (uniforms(rows, MUTE, *solver) < np.minimum(1.0, self.unparsed / (1 - quality)))
        return Draw(right, np.clip(stated, 1 / labels + 1e-9, 1 - 1e-6), mute)

    # The author's half.

    def _fit(self, task: TaskSpec, train: tuple[Row, ...], context: FitContext) -> SimulatedSolver:
        _spend(len(train), self.fit_cost_usd(len(train)))
        if self.crash_in == "fit" and self.crashes(len(train), context.seed):
            raise RuntimeError("The simulated fit crashed, as it does for some seeds.")
        return SimulatedSolver(len(train), context.seed)

    @classmethod
    def solver_class(cls) -> type[Solver]:
        return SimulatedSolver


class SimulatedSolver(Solver):
    standalone = True
    approach: Simulated

    def __init__(self, n_labels: int, seed: int) -> None:
        self.n_labels, self.seed = n_labels, seed
        self._given: dict[str, Prediction] = {}
        """What it has answered: asked again, it says the same, quickly."""

    def _predict(self, inputs: list[Inputs]) -> list[Prediction]:
        law = self.approach
        _spend(len(inputs), law.row_usd * len(inputs))
        if law.crash_in == "predict" and law.crashes(self.n_labels, self.seed):
            raise RuntimeError("The simulated solver crashed, as it does for some seeds.")
        texts = [row[self.task.inputs[0]] for row in inputs]
        if fresh := [text for text in texts if text not in self._given]:
            self._given |= zip(fresh, self._answers(fresh), strict=True)
        return [self._given[text] for text in texts]

    def _answers(self, texts: Sequence[str]) -> Iterator[Prediction]:
        law, labels = self.approach, self.task.labels
        rows, moved = hashes(texts), np.array([text.endswith(MOVED) for text in texts], dtype=bool)
        drawn = law.draw(rows, moved, len(labels), self.n_labels, self.seed)
        true = targets(rows, len(labels), law.common)
        other = (true + 1 + (uniforms(rows, WRONG, *law.salts(self.n_labels, self.seed)) * (len(labels) - 1)).astype(int)) % len(labels)
        given = np.where(drawn.right, true, other)
        for answer, own, mute in zip(given.tolist(), drawn.confidence.tolist(), drawn.unparsed.tolist(), strict=True):
            share = (1 - own) / (len(labels) - 1)
            found = Prediction(labels[answer], {label: own if k == answer else share for k, label in enumerate(labels)})
            yield Prediction(Unparsed("hm", "the simulation says so")) if mute else found

    def _save(self, folder: Path) -> Mapping[str, Any]:
        return {"n_labels": self.n_labels, "seed": self.seed}

    @classmethod
    def _load(cls, folder: Path, state: Mapping[str, Any], approach: Approach, task: TaskSpec, models: ModelPool) -> Self:
        return cls(state["n_labels"], state["seed"])


@contextmanager
def registered() -> Iterator[None]:
    """Inside this block saved simulated solvers can be loaded, as a study that takes up a trial again does."""
    with patch.dict(TABLE["approach"], {"simulated": "fieldguide.testing.simulated:Simulated"}):
        yield


def targets(rows: np.ndarray, labels: int, common: float) -> np.ndarray:
    """The true label's place for each hashed row, (rows,): the first for a share of `common` (0: an equal share), else any other."""
    u, first = uniforms(rows, TARGET), common or 1 / labels
    return np.where(u < first, 0, 1 + ((u - first) / (1 - first) * (labels - 1)).astype(int).clip(0, labels - 2))


def _spend(calls: int, usd: float) -> None:
    """Meter as a paid backend does: the limit first, then the record."""
    meter.check(calls, usd)
    meter.record(Usage(calls=calls, cost_usd=usd))
