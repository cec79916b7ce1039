"""Rows as frozen embeddings: one vector for a text, a comparison of two vectors for a pair."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fieldguide.approaches.answers import segments
from fieldguide.errors import ApproachError
from fieldguide.models.model import Model
from fieldguide.records import Inputs
from fieldguide.tasks.task import TaskSpec


def row_features(model: Model, task: TaskSpec, inputs: Sequence[Inputs]) -> np.ndarray:
    """Features of rows, float64: the embedding (rows, dims), or for pairs [u, v, |u − v|, u·v] (rows, 4·dims).

    The comparison is InferSent's (Conneau et al. 2017, arXiv:1705.02364, section 3.1), element by element.
    """
    texts = segments(task, inputs)
    vectors = model.embed([text for row in texts for text in row]).astype(np.float64)
    if task.reader.arity == 1:
        return vectors
    u, v = vectors[0::2], vectors[1::2]
    return np.hstack([u, v, np.abs(u - v), u * v])


def needs_embedding(model: Model) -> Model:
    """The model itself; raises `ApproachError` if it cannot embed."""
    if "embed" not in model.facts.can:
        raise ApproachError(f"The model {model.facts.reference!r} cannot embed text; give an encoder such as minilm-l6 or hf:org/name.")
    return model


def too_many_texts(title: str, task: TaskSpec, most: int) -> str | None:
    """Why a row of more than `most` texts does not suit, in a sentence; None if it does."""
    arity = task.reader.arity
    if arity > most:
        return f"{title} reads {'one text' if most == 1 else f'at most {most} texts'} a row, and {task.kind} rows hold {arity}."
    return None
