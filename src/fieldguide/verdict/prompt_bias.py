"""Biases of a prompted classifier, from its answers alone: towards labels, towards the last demonstration, towards words that are common as such.

Zhao et al. 2021 (ICML 2021, arXiv:2102.09690, section 4) name the three: majority-label, recency and common-token bias. They show them in pictures;
the figures here are one number each, so that a prompt can be measured before and after a rule that should mend it. Each of them is 0 without the bias
it measures, but for chance: on few rows small figures say nothing. Targets are used, so that rows to certify on are not to be measured while a
prompt is still being chosen. Shapes: `n` rows, `k` labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fieldguide.approaches.approach import Solver
from fieldguide.approaches.prompting.prompt import PromptSolver
from fieldguide.approaches.prompting.shots.calibrated import CalibratedSolver
from fieldguide.approaches.prompting.shots.chosen_shots import ChosenShotsSolver
from fieldguide.records import Prediction
from fieldguide.tasks.scoring.numbers import SPEARMAN
from fieldguide.tasks.task import TaskSpec


@dataclass(frozen=True, slots=True)
class PromptBias:
    """The biases of one set of answers; None where one cannot be told."""

    rows: int
    label: float | None
    """From 0 to 1: the share of belief that would have to move to other labels for the mean prediction to be the labels' own shares."""
    recency: float | None
    """From −1 to 1: how much more often the last demonstration's label is given than it is right."""
    common_token: float | None
    """From −1 to 1: how far the labels' order by mean prediction is their order without any content."""


def prompt_bias(
    labels: Sequence[str], predictions: Sequence[Prediction], targets: Sequence[str], *, last: str | None = None, prior: Sequence[float] | None = None
) -> PromptBias:
    """All three biases. `last` is the label of the last demonstration, `prior` (k,) the labels' probabilities, or their logarithms, without content.

    Raises `ValueError` unless there is one target a prediction, and where there are priors one for each label.
    """
    if len(predictions) != len(targets):
        raise ValueError(f"One target a prediction is needed; {len(predictions)} predictions and {len(targets)} targets came.")
    if prior is not None and len(prior) != len(labels):
        raise ValueError(f"One prior a label is needed; {len(labels)} labels and {len(prior)} priors came.")
    mean = mean_distribution(labels, predictions)
    return PromptBias(
        rows=len(targets),
        label=None if mean is None else label_bias(mean, shares(labels, targets)),
        recency=recency_bias([p.value if p.parsed else None for p in predictions], targets, last) if last is not None and targets else None,
        common_token=common_token_bias(mean, prior) if mean is not None and prior is not None and len(labels) > 2 else None,
    )


def biases_of(solver: Solver | None, task: TaskSpec, predictions: Sequence[Prediction], targets: Sequence[str]) -> PromptBias | None:
    """The biases of a prompt's answers to rows; None for what is no prompt, and where rows have no labels of one space.

    Where every row has demonstrations of its own there is no last one, and only a calibrated prompt knows its labels' prior.
    """
    if not isinstance(solver, PromptSolver) or task.reader.answer != "label" or not targets:
        return None
    own = isinstance(solver, ChosenShotsSolver) and solver.vectors is not None
    last = solver.demonstrations[-1].answer if solver.demonstrations and not own else None
    prior = solver.prior if isinstance(solver, CalibratedSolver) and solver.prior else None
    return prompt_bias(task.labels, predictions, targets, last=last if last in task.labels else None, prior=prior)


def mean_distribution(labels: Sequence[str], predictions: Sequence[Prediction]) -> np.ndarray | None:
    """(k,) the mean of the predicted distributions; None without any.

    An answer without probabilities is sure of itself; one that could not be read believes in no label, and is left out.
    """
    held = [p.probabilities or {str(p.value): 1.0} for p in predictions if p.probabilities or p.parsed]
    return np.array([[p.get(label, 0.0) for label in labels] for p in held]).mean(axis=0) if held else None


def shares(labels: Sequence[str], targets: Sequence[str]) -> np.ndarray:
    """(k,) the share of rows with each label."""
    return np.array([sum(target == label for target in targets) for label in labels]) / max(len(targets), 1)


def label_bias(mean: np.ndarray, share: np.ndarray) -> float:
    """Total variation distance ½ Σ |mean − share| between the mean prediction and the labels' shares, both (k,)."""
    return float(np.abs(np.asarray(mean) - np.asarray(share)).sum() / 2)


def recency_bias(values: Sequence[str | None], targets: Sequence[str], last: str) -> float:
    """The share of answers that are the label `last` minus its share among the targets; an answer that could not be read is no label."""
    return float(np.mean([value == last for value in values]) - np.mean([target == last for target in targets]))


def common_token_bias(mean: np.ndarray, prior: Sequence[float]) -> float:
    """Spearman's ρ between the mean prediction and the prior, both (k,), over labels; 0 where either is the same for all.

    Where labels that are common as words are also the common ones of the task, they go together without any bias; two labels give ±1 whatever there is.
    """
    return float(SPEARMAN.of(list(prior), np.asarray(mean).tolist()))
