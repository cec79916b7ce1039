"""TF-IDF + logistic regression: word and character n-grams, weighted by rarity, under a linear classifier, or ridge regression for numbers.

Pairs are two blocks of features, one a text, plus the products of what both share: a linear classifier then sees overlap. Where the answer is
a number, a choice or a ranking, the sums of these products, the cosines, come last.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from fieldguide.approaches.answers import COSINE_WEIGHT, affordable, needs_rows, paired, texts
from fieldguide.approaches.approach import Approach, FitContext, Solver
from fieldguide.approaches.linear import Head
from fieldguide.approaches.linear_forms import LINEAR_FORMS, answer_rows, fit_form, load_form
from fieldguide.models.pool import ModelPool
from fieldguide.records import Inputs, Prediction, Row
from fieldguide.tasks.task import TaskSpec

GRID = (1.0, 8.0, 64.0)
SETTINGS: dict[str, dict[str, Any]] = {
    "word": {"analyzer": "word", "ngram_range": (1, 2), "sublinear_tf": True, "token_pattern": r"(?u)\b\w+\b"},
    "char": {"analyzer": "char_wb", "ngram_range": (2, 5), "sublinear_tf": True},
}


@dataclass(frozen=True, kw_only=True)
class TfidfLogReg(Approach):
    """Word 1–2-grams and character 2–5-grams by TF-IDF, then logistic regression (ridge for numbers), its penalty by cross-validation."""

    name = "tfidf-logreg"
    title = "TF-IDF + logistic regression"
    family = "baseline"
    training = True
    answers = LINEAR_FORMS

    def _fit(self, task: TaskSpec, train: tuple[Row, ...], context: FitContext) -> TfidfSolver:
        needs_rows(train)
        train = affordable(task, train, context.seed)
        inputs = [row.inputs for row in train]
        flat = [text for row in texts(task, inputs) for text in row]
        vectorisers = {}
        for name, settings in SETTINGS.items():
            vectoriser = _vectoriser(settings)
            try:
                vectorisers[name] = vectoriser.fit(flat)
            except ValueError:  # no word or character in any training row
                continue
        solver = TfidfSolver(vectorisers)
        solver.head = fit_form(task, train, solver.features(task, inputs), GRID, seed=context.seed)
        solver.trainable_parameters = solver.head.parameters
        return solver

    @classmethod
    def solver_class(cls) -> type[Solver]:
        return TfidfSolver


class TfidfSolver(Solver):
    head: Head

    def __init__(self, vectorisers: Mapping[str, Any]) -> None:
        self.vectorisers = dict(vectorisers)

    def features(self, task: TaskSpec, inputs: Sequence[Inputs]) -> Any:
        """Rows → sparse features (rows, d); (sum of pairs, d) for rows of one text beside several, which make a line for each of these."""
        from scipy import sparse

        held = texts(task, inputs)
        several, form = paired(task), task.reader.answer
        counts = [len(row) - 1 for row in held] if several else [1] * len(held)
        blocks = [sparse.csr_matrix((sum(counts), 1))]
        cosines = []
        for vectoriser in self.vectorisers.values():
            if several:
                first = vectoriser.transform([row[0] for row in held])[np.repeat(np.arange(len(held)), counts)]
                sides = [first, vectoriser.transform([text for row in held for text in row[1:]])]
            else:
                sides = [vectoriser.transform(side) for side in zip(*held, strict=True)]
            blocks += sides[several:]
            if len(sides) == 2:
                shared = sides[0].multiply(sides[1])
                blocks.append(shared)
                cosines += [COSINE_WEIGHT * shared.sum(axis=1)] if form != "label" else []
        return sparse.hstack([*blocks, *map(sparse.csr_matrix, cosines)]).tocsr()

    def _predict(self, inputs: list[Inputs]) -> list[Prediction]:
        return answer_rows(self.head, self.task, inputs, lambda rows: self.features(self.task, rows))

    def _save(self, folder: Path) -> Mapping[str, Any]:
        from safetensors.numpy import save_file

        arrays = self.head.arrays()
        vocabularies = {}
        for name, vectoriser in self.vectorisers.items():
            vocabularies[name] = vectoriser.get_feature_names_out().tolist()
            arrays[f"idf.{name}"] = vectoriser.idf_
        (folder / "vocabulary.json").write_text(json.dumps(vocabularies, ensure_ascii=False), encoding="utf-8")
        save_file(arrays, folder / "head.safetensors")
        return {"c": self.head.c, "trainable_parameters": self.trainable_parameters}

    @classmethod
    def _load(cls, folder: Path, state: Mapping[str, Any], approach: Approach, task: TaskSpec, models: ModelPool) -> Self:
        from safetensors.numpy import load_file

        arrays = load_file(folder / "head.safetensors")
        vectorisers = {}
        for name, words in json.loads((folder / "vocabulary.json").read_text(encoding="utf-8")).items():
            vectorisers[name] = _vectoriser(SETTINGS[name], vocabulary={word: i for i, word in enumerate(words)})
            vectorisers[name].idf_ = arrays[f"idf.{name}"]
        solver = cls(vectorisers)
        solver.head = load_form(task, arrays, state["c"])
        solver.trainable_parameters = state["trainable_parameters"]
        return solver


def _vectoriser(settings: Mapping[str, Any], **more: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(dtype=np.float64, **settings, **more)
