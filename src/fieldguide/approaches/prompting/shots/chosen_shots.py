"""Few-shot prompt whose demonstrations are chosen: at random, over the labels, near to the row to answer, or so that they cover the training rows.

The few-shot prompt of `prompt-few-shot` (Brown et al. 2020, arXiv:2005.14165) with its choice, its order and what it shows as parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from fieldguide.approaches.answers import segments
from fieldguide.approaches.approach import Approach, FitContext, Solver, rungs_up_to
from fieldguide.approaches.embedding.features import needs_embedding
from fieldguide.approaches.prompting.asking import Asking
from fieldguide.approaches.prompting.few_shot import deal
from fieldguide.approaches.prompting.prompt import Demonstration, Prompted, PromptSolver
from fieldguide.approaches.prompting.shots.corruption import SHOWN, corrupted
from fieldguide.approaches.prompting.shots.selection import arranged, covering, filled, nearest, unlike
from fieldguide.approaches.prompting.shots.shelf import Shelf, Space
from fieldguide.errors import ApproachError
from fieldguide.models.model import Model
from fieldguide.models.pool import ModelPool
from fieldguide.models.text import clean
from fieldguide.records import Inputs, Row
from fieldguide.tasks.kinds.forms import ChoiceKind, RankingKind, SpanKind
from fieldguide.tasks.task import TaskSpec
from fieldguide.tasks.template import Template

PICKS, NEAR = ("nearest", "diverse", "balanced", "random"), ("near-last", "near-first")
ORDERS = ("", "seeded", *NEAR, "label-blocks")
MOST_COVERED = 2048
"""Training rows among which covering ones are looked for, at most: a draw of more."""


@dataclass(frozen=True, kw_only=True)
class ChosenShots(Prompted):
    """Up to `shots` demonstrations chosen by `pick`, as many as the context holds, in the order `order`, shown as `show` says."""

    name = "prompt-chosen-shots"
    title = "Few-shot prompt with chosen demonstrations"
    on_request: ClassVar[bool] = True
    contract_exceptions = {
        f"{form}: beats_majority": "The fake model says again what the most similar demonstration said, which is no answer to another row."
        for form in ("ranking", "parse")
    }

    shots: int = 16
    """Demonstrations aimed at; 0 for as many as the context holds."""
    pick: str = "nearest"
    """"nearest" to each row, "diverse", "balanced" over the labels, or "random"."""
    order: str = ""
    """"seeded", "near-last", "near-first" or "label-blocks"; "" for the nearest last, and for other picks the seeded order."""
    encoder: str = "minilm-l6"
    """The model whose embeddings say what is near; "random" and "balanced" use none."""
    show: str = "right"
    """What the prompt shows of labelled rows: "right" labels, "flipped" or "random" ones, or "other" inputs."""
    flip_share: float = 1.0
    """The share of demonstrations whose label is flipped, where `show` is "flipped"."""

    @property
    def embeds(self) -> bool:
        return self.pick in ("nearest", "diverse")

    def models(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.model, self.encoder))) if self.embeds else (self.model,)

    def unsuited(self, task: TaskSpec) -> str | None:
        if why := super().unsuited(task):
            return why
        label = task.reader.answer == "label"
        if self.order == "label-blocks" and not label:
            return f"The order label-blocks puts demonstrations of one label together, and {task.kind} has no labels of whole rows."
        if self.show != "right" and not (label and len(task.labels) > 1):
            return f"Demonstrations with show={self.show} need two labels or more of whole rows, which {task.kind} does not have here."
        return None

    def label_counts(self, ladder: Sequence[int]) -> tuple[int, ...]:
        """Every rung; of picks that look at no embeddings those up to the first that holds `shots` rows."""
        return tuple(ladder) if self.embeds or not self.shots else rungs_up_to(ladder, self.shots)

    def calls(self, n_labels: int, n_rows: int, task: TaskSpec) -> int:
        return n_rows + {"nearest": n_labels + n_rows, "diverse": n_labels}.get(self.pick, 0)

    def _fit(self, task: TaskSpec, train: tuple[Row, ...], context: FitContext) -> ChosenShotsSolver:
        self._check()
        if task.reader.answer == "text":
            train = tuple(row for row in train if task.reader.example(row.target))
        if not train:
            raise ApproachError("A few-shot prompt shows labelled rows with a right answer and was given none; give it at least one.")
        model, asking = self.asking(task, context)
        if not self.shots and model.facts.context is None:
            raise ApproachError(f"{self.model} does not tell how many tokens it can read; say how many shots to show instead of shots=0.")
        shelf = Shelf(model, asking, train, self.shots)
        if self.pick == "nearest":
            shown = [shelf.show(row) for row in corrupted(train, task, self.show, self.flip_share, context.seed)]
            places, vectors = list(range(len(train))), self._embedded(task, train, context)
        else:
            places, shown = self._picked(task, train, context, shelf)
            vectors = None
        sizes = [shelf.size(each) for each in shown]
        if not shown or min(sizes) > shelf.room:
            raise ApproachError(f"No demonstration fits into the context of {self.model} beside the instruction; give shorter rows or labels.")
        texts = [compared(task, train[i].inputs) for i in places]
        return ChosenShotsSolver(asking, self, shown, texts, context.seed, sizes, shelf.widest, vectors)

    def _picked(self, task: TaskSpec, train: tuple[Row, ...], context: FitContext, shelf: Shelf) -> tuple[list[int], list[Demonstration]]:
        """Places of the one set of rows that every prompt shows, and these as demonstrations, in the prompt's order.

        Rows are picked as they are; what is shown in their place is held to the same room.
        """
        sizes = [shelf.size(shelf.show(row)) for row in train]
        picked = filled(self._preferred(task, train, context), sizes, shelf.room, self.shots, shelf.widest)
        shown = [shelf.show(row) for row in corrupted([train[i] for i in picked], task, self.show, self.flip_share, context.seed)]
        kept = filled(range(len(shown)), [shelf.size(each) for each in shown], shelf.room, self.shots, shelf.widest)
        final = arranged(kept, self.order or "seeded", context.seed, [each.answer for each in shown])
        return [picked[i] for i in final], [shown[i] for i in final]

    def _preferred(self, task: TaskSpec, train: tuple[Row, ...], context: FitContext) -> Iterable[int]:
        """Places of training rows, those that are to be shown first; with "diverse" found as they are asked for."""
        if self.pick == "diverse":
            drawn = np.sort(np.random.default_rng([context.seed, 3323]).permutation(len(train))[:MOST_COVERED])
            return (int(drawn[i]) for i in covering(self._embedded(task, [train[i] for i in drawn], context)))
        place = {row.id: i for i, row in enumerate(train)}
        return [place[row.id] for row in deal(train, len(train), context.seed, task.reader.stratum if self.pick == "balanced" else lambda target: "")]

    def _embedded(self, task: TaskSpec, rows: Sequence[Row], context: FitContext) -> np.ndarray:
        return needs_embedding(context.models.get(self.encoder)).embed([asked(task, row.inputs) for row in rows])

    def _check(self) -> None:
        """Raise `ApproachError` for parameters that do not exist."""
        if self.show == "none":
            raise ApproachError("Texts without answers are no demonstrations; for a prompt without any take prompt-zero-shot.")
        for name, value, valid in (("pick", self.pick, PICKS), ("order", self.order, ORDERS), ("show", self.show, SHOWN)):
            if value not in valid:
                raise ApproachError(f"{self.title} takes no {name}={value!r}; give {', '.join(filter(None, valid))}.")
        if self.order in NEAR and self.pick != "nearest":
            raise ApproachError(f"The order {self.order} needs demonstrations picked for each row; give pick=nearest, or the order seeded.")
        if isinstance(self.shots, bool) or not isinstance(self.shots, int) or self.shots < 0:
            raise ApproachError(f"{self.title} takes no shots={self.shots!r}; give a whole number, 0 for as many as fit.")
        if not 0 <= self.flip_share <= 1:
            raise ApproachError(f"{self.title} takes no flip_share={self.flip_share!r}; give a share from 0 to 1.")

    @classmethod
    def solver_class(cls) -> type[Solver]:
        return ChosenShotsSolver


class ChosenShotsSolver(PromptSolver):
    """Holds the demonstrations of every prompt, in order; with vectors (demonstrations, dims) those that each row's prompt is chosen from.

    The vectors are saved: fewer bytes than most rows' own text and embeddings, and a solver that is loaded picks by the very numbers it had.
    """

    approach: ChosenShots

    def __init__(
        self, asking: Asking, approach: ChosenShots, shown: Sequence[Demonstration], texts: Sequence[str], seed: int, sizes: Sequence[int],
        widest: float | None, vectors: np.ndarray | None,
    ) -> None:  # fmt: skip
        super().__init__(approach.model, asking.template, shown, asking.by_text, approach.normalise)
        self.texts, self.seed, self.sizes, self.widest, self.vectors = list(texts), seed, list(sizes), widest, vectors

    def chosen(self, inputs: Sequence[Inputs]) -> list[tuple[Demonstration, ...]]:
        """The demonstrations that each row's prompt shows, in order."""
        return [tuple(self.demonstrations[i] for i in own) for own in self._chosen(self.models.get(self.model), inputs)]

    def _chosen(self, model: Model, inputs: Sequence[Inputs]) -> list[tuple[int, ...]]:
        """Places of each row's demonstrations; those that nearly repeat the row are passed over."""
        texts, every = [compared(self.task, row) for row in inputs], range(len(self.demonstrations))
        if self.vectors is None:
            return [tuple(unlike(every, self.texts, text)) for text in texts]
        approach, space, blocks = self.approach, Space(model, self.asking), [each.answer for each in self.demonstrations]
        found = []
        for row, text, vector in zip(inputs, texts, self.models.get(approach.encoder).embed([asked(self.task, row) for row in inputs]), strict=True):
            picked = filled(unlike(nearest(self.vectors, vector), self.texts, text), self.sizes, space(row), approach.shots, self.widest)
            found.append(tuple(arranged(picked, approach.order or "near-last", self.seed, blocks)))
        return found

    def _prompts(self, model: Model, inputs: Sequence[Inputs]) -> list[str]:
        groups: dict[tuple[int, ...], list[int]] = {}
        for place, own in enumerate(self._chosen(model, inputs)):
            groups.setdefault(own, []).append(place)
        found = [""] * len(inputs)
        for own, places in groups.items():
            shown = [(self.demonstrations[i].text, self.demonstrations[i].answer) for i in own]
            texts = self._shown(model, [inputs[i] for i in places], self.template.render("", shown))
            for i, text in zip(places, texts, strict=True):
                found[i] = self.template.render(text, shown)
        return found

    def _save(self, folder: Path) -> Mapping[str, Any]:
        if self.vectors is not None:
            from safetensors.numpy import save_file

            save_file({"vectors": self.vectors}, folder / "demonstrations.safetensors")
        return {**super()._save(folder), "texts": self.texts, "seed": self.seed, "sizes": self.sizes, "widest": self.widest}

    @classmethod
    def _load(cls, folder: Path, state: Mapping[str, Any], approach: Approach, task: TaskSpec, models: ModelPool) -> Self:
        from safetensors.numpy import load_file

        assert isinstance(approach, ChosenShots)
        asking = Asking(task, Template(**state["template"]), state["by_text"])
        shown = [Demonstration(**each) for each in state["demonstrations"]]
        vectors = load_file(folder / "demonstrations.safetensors")["vectors"] if approach.pick == "nearest" else None
        return cls(asking, approach, shown, state["texts"], state["seed"], state["sizes"], state["widest"], vectors)


def asked(task: TaskSpec, row: Inputs) -> str:
    """What a row asks, as the text that is embedded: its question or query where the kind has one, else all that it compares."""
    reader = task.reader
    if isinstance(reader, (ChoiceKind, SpanKind)) and (question := reader.question(task, row)):
        return clean(question)
    return clean(reader.query(task, row)) if isinstance(reader, RankingKind) else compared(task, row)


def compared(task: TaskSpec, row: Inputs) -> str:
    """The row as the text by which near-duplicates are told."""
    return "\n".join(segments(task, [row])[0])
