"""Pointwise ranking prompt: a score for each document from log-probabilities, without a labelled row or a written list.

Two questions, and the documents' scores under them (d a document, q the query):

- by "query": log p(q | d), how likely the model is to ask q after it has read d: the query likelihood of Sachan et al. 2022, EMNLP 2022,
  arXiv:2204.07496, section 2, but for their division by the tokens of q, which are the same for all documents of a row;
- by "relevance": log p(yes | q, d) − log p(no | q, d), the log-odds whose logistic is the score of Liang et al. 2022, arXiv:2211.09110, and
  of "RG-YN" in Zhuang et al. 2024, NAACL 2024, arXiv:2310.14122.

Both are asked as one prompt a row whose options hold the documents: log p(d, x) − log p(d, y) is log p(x | d) − log p(y | d), the
document's own probability cancels, and a backend that shares prefixes reads each document once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from fieldguide.approaches.approach import Approach, FitContext, Solver
from fieldguide.approaches.prompting.fit_text import MARGIN, TokenCounter, shorten
from fieldguide.approaches.prompting.prompt import LEAST_ROW
from fieldguide.errors import ApproachError
from fieldguide.models.model import Model
from fieldguide.models.pool import ModelPool
from fieldguide.models.text import clean
from fieldguide.records import Inputs, Prediction, Row
from fieldguide.tasks.kinds.forms import RankingKind
from fieldguide.tasks.task import TaskSpec

DIGITS = 4
"""Decimals of a score, in nats: what lies below depends on which rows share a batch."""


@dataclass(frozen=True, kw_only=True)
class PromptRank(Approach):
    """Documents in the order of log p(query | document), or of the log-odds that the model calls them relevant."""

    name = "prompt-rank"
    title = "Pointwise ranking prompt"
    family = "prompting"
    answers = frozenset({"ranking"})
    needs = frozenset({"score"})
    contract_exceptions = {"beats_majority": "It sees no labelled rows, and what a made-up word asks for is known to no model."}

    model: str = "smollm2-135m"
    by: str = "query"
    """"query" or "relevance": what the model is asked of each document."""

    def label_counts(self, ladder: Sequence[int]) -> tuple[int, ...]:
        return (0,)

    def repeats(self) -> bool:
        return False

    def calls(self, n_labels: int, n_rows: int, task: TaskSpec) -> int:
        return n_rows

    def _fit(self, task: TaskSpec, train: tuple[Row, ...], context: FitContext) -> RankSolver:
        if self.by not in ASKED:
            raise ApproachError(f"{self.title} takes no by={self.by!r}; give {' or '.join(ASKED)}.")
        model = context.models.get(self.model)
        if "score" not in model.facts.can:
            raise ApproachError(f"The model {self.model!r} cannot score; give one that can, or take prompt-zero-shot, which asks for the order.")
        solver = RankSolver(self.model, self.by)
        if model.facts.context is not None and solver.room(model, "") < LEAST_ROW:
            raise ApproachError(f"The {model.facts.context:,} tokens that {self.model} can read leave no room for a document; give a longer context.")
        return solver

    @classmethod
    def solver_class(cls) -> type[Solver]:
        return RankSolver


class RankSolver(Solver):
    """See the module."""

    def __init__(self, model: str, by: str) -> None:
        self.model, self.by = model, by

    def _predict(self, inputs: list[Inputs]) -> list[Prediction]:
        model, reader = self.models.get(self.model), self.task.reader
        assert isinstance(reader, RankingKind)
        asked = [self._asked(model, reader.query(self.task, row), reader.documents(self.task, row)) for row in inputs]
        totals = iter(model.score([prompt for prompt, own in asked if own], [own for _, own in asked if own]).totals)
        found = []
        for _, own in asked:
            scores = next(totals) if own else ()
            found.append(Prediction([round(x - y, DIGITS) for x, y in zip(scores[::2], scores[1::2], strict=True)]))
        return found

    def _asked(self, model: Model, query: str, documents: Sequence[str]) -> tuple[str, list[str]]:
        """(the prompt, two options for each document): long queries are cut to a third of the context, documents to what is left."""
        query, count, context = " ".join(clean(query).split()), TokenCounter.of(model), model.facts.context
        documents = [" ".join(clean(text).split()) for text in documents]
        if context is not None:
            query = shorten({"text": query}, context // 3, lambda row: row["text"], count)["text"]
            room = self.room(model, query)
            documents = [shorten({"text": text}, room, lambda row: row["text"], count)["text"] for text in documents]
        prompt, *ends = (part.replace("{query}", query) for part in ASKED[self.by])
        return prompt, [f" {text}{end}" for text in documents for end in ends]

    def room(self, model: Model, query: str) -> int:
        """Tokens that are left for a document."""
        prompt, *ends = ASKED[self.by]
        count = TokenCounter.of(model)
        longest = max(count(end.replace("{query}", query)) for end in ends)
        return (model.facts.context or 0) - count(prompt.replace("{query}", query)) - longest - MARGIN

    def _save(self, folder: Path) -> Mapping[str, Any]:
        return {"by": self.by}

    @classmethod
    def _load(cls, folder: Path, state: Mapping[str, Any], approach: Approach, task: TaskSpec, models: ModelPool) -> Self:
        (model,) = approach.models()
        return cls(model, state["by"])


ASKED = {
    "query": ("Each query is answered by the document before it.\n\nDocument:", "\nQuery: {query}", "\nQuery:"),
    "relevance": ("Judge whether the document answers the query.\n\nQuery: {query}\nDocument:", "\nRelevant: yes", "\nRelevant: no"),
}
"""What is asked → (the prompt, how an option that speaks for the document ends, how the one that it is measured against does)."""
