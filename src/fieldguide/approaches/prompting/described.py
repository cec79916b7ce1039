"""Label descriptions: the zero-shot prompt with labels in plain words, given by the task, spelt out from their names, or written by the model.

What a label is called decides what a prompt finds (the verbaliser of Schick and Schütze 2021, EACL 2021, arXiv:2001.07676, section 3.1:
log p(v(l) | prompt) for the words v(l) of label l), and a list of definitions before the row tells what a name leaves open, as in the instructions
of Wang et al. 2022, EMNLP 2022, arXiv:2204.07705. Answers are names, or the words themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from fieldguide.approaches.approach import Approach, FitContext, Solver, rungs_up_to
from fieldguide.approaches.prompting.asking import Asking, named_template
from fieldguide.approaches.prompting.few_shot import deal
from fieldguide.approaches.prompting.fit_text import MARGIN, TokenCounter, shorten
from fieldguide.approaches.prompting.label_words import distinct, expanded, one_line, spelt_out, words_of
from fieldguide.approaches.prompting.prompt import NORMALISE, Prompted, PromptSolver, check_room, needs_prompting
from fieldguide.approaches.prompting.reasoning.thinking import needs_whole
from fieldguide.errors import ApproachError
from fieldguide.models.model import Generation, Model
from fieldguide.models.pool import ModelPool
from fieldguide.models.text import clean
from fieldguide.records import Inputs, Prediction, Row, Unparsed
from fieldguide.tasks.kinds.label_lists import ONE
from fieldguide.tasks.overlap import normalise, repeats
from fieldguide.tasks.task import TaskSpec
from fieldguide.tasks.template import Template

DESCRIBE, ANSWER_BY = ("given", "rows", "model"), ("name", "description")
LENGTHS = (24, 12, 6, 3)
"""Words that descriptions are cut to where longer ones do not fit."""
WRITTEN = 40
"""Tokens in which a description is written."""
LABELS_RECKONED = 16
"""Labels that a task is taken to have where it is foretold how many labelled rows are worth a trial."""
HEAD = "Say in a few words what texts with the same label have in common."


@dataclass(frozen=True, kw_only=True)
class PromptDescribed(Prompted):
    """See the module."""

    name = "prompt-described"
    title = "Prompt with described labels"
    answers = frozenset({"label", "labels"})
    on_request = True
    contract_exceptions = {"beats_majority": "With given descriptions it sees no labelled rows, and a made-up label may mean nothing to it."}

    describe: str = "given"
    """Where descriptions come from: "given" by the task, names being taken apart where there is none; "rows", which show what names cut short;
    or the "model", which writes one from a few rows of each label."""
    answer_by: str = "name"
    """What is answered with: the "name", or the "description" itself, by its length as `normalise` says."""
    examples: int = 4
    """Training rows of a label that the model sees to describe it, at most."""

    def unsuited(self, task: TaskSpec) -> str | None:
        if why := super().unsuited(task):
            return why
        if task.reader.answer == "labels" and self.answer_by == "description":
            return "Several labels are written one after another, where descriptions could not be told apart; take answer_by='name'."
        return None

    def label_counts(self, ladder: Sequence[int]) -> tuple[int, ...]:
        """None with given descriptions; else the rungs, up to the first that holds `examples` rows of 16 labels where the model describes them."""
        if self.describe == "given":
            return (0,)
        return rungs_up_to(ladder, self.examples * LABELS_RECKONED) if self.describe == "model" else tuple(ladder)

    def repeats(self) -> bool:
        return self.describe != "given"

    def calls(self, n_labels: int, n_rows: int, task: TaskSpec) -> int:
        return n_rows + (len(task.labels) if self.describe == "model" else 0)

    def _fit(self, task: TaskSpec, train: tuple[Row, ...], context: FitContext) -> DescribedSolver:
        needs_whole(self, "examples", self.examples)
        for name, valid in (("describe", DESCRIBE), ("answer_by", ANSWER_BY), ("normalise", NORMALISE)):
            if (value := getattr(self, name)) not in valid:
                raise ApproachError(f"{self.title} takes no {name}={value!r}; give {' or '.join(valid)}.")
        if self.describe != "given" and not train:
            raise ApproachError(f"With describe={self.describe!r} descriptions come from labelled rows; give one at least, or take 'given'.")
        model = needs_prompting(context.models.get(self.model), task)
        words, prompts = self._words(task, train, model, context.seed)
        words, asking = self._fitting(model, task, words)
        return DescribedSolver(self.model, asking.template, asking.by_text, self.normalise, words, prompts)

    def _words(self, task: TaskSpec, train: Sequence[Row], model: Model, seed: int) -> tuple[dict[str, str], dict[str, str]]:
        """Label → its words, for each label; and the prompts by which the model was asked for them."""
        names = {label: expanded(label, task.labels) for label in task.labels}
        if self.describe == "given":
            return {**names, **{label: " ".join(said.split()) for label, said in task.descriptions.items() if said.strip()}}, {}
        if self.describe == "rows":
            labels = [[row.target] if isinstance(row.target, str) else row.target for row in train]
            return spelt_out(names, [(own, words_of(task.reader.show(task, row.inputs))) for own, row in zip(labels, train, strict=True)]), {}
        if "generate" not in model.facts.can:
            raise ApproachError(f"The model {self.model!r} cannot write descriptions; give one that generates, or take describe='given' or 'rows'.")
        written, prompts = self._written(task, train, model, seed)
        return {**names, **written}, prompts

    def _written(self, task: TaskSpec, train: Sequence[Row], model: Model, seed: int) -> tuple[dict[str, str], dict[str, str]]:
        """Label → what the model says of it, and label → what it was asked: labels without rows are left out, and so are descriptions that say
        a row, or a line of the prompt, again."""
        dealt = deal(train, len(train), seed, task.reader.stratum)
        rows = {label: own for label in task.labels if (own := [row for row in dealt if _has(row, label)][: self.examples])}
        prompts = {label: self._prompt(model, task, label, own) for label, own in rows.items()}
        stop = ["\n\n", "\n"] if model.facts.type != "api" else []
        found = zip(rows.items(), prompts.values(), model.generate(list(prompts.values()), max_tokens=WRITTEN, stop=stop), strict=True)
        kept = {}
        for (label, own), prompt, (text,) in found:
            said = one_line(text.text, LENGTHS[0])
            shown = [*prompt.split("\n"), *("\n".join(task.reader.segments(task, row.inputs)) for row in own)]
            if said and not repeats([said], shown)[0]:
                kept[label] = said
        return kept, prompts

    def _prompt(self, model: Model, task: TaskSpec, label: str, rows: Sequence[Row]) -> str:
        """What asks for the description of a label: some of its rows, cut to half of the context together, then its name."""
        context, count = model.facts.context, TokenCounter.of(model)

        def show(inputs: Inputs) -> str:
            return clean(task.reader.show(task, inputs))

        most = (context // 2 - MARGIN) // self.examples if context else None
        shown = [show(row.inputs if most is None else shorten(row.inputs, most, show, count)) for row in rows]
        return "\n\n".join([HEAD, *shown, f"Label: {_name(task, label)}\nDescription:"])

    def _fitting(self, model: Model, task: TaskSpec, words: Mapping[str, str]) -> tuple[dict[str, str], Asking]:
        """Words that take at most half of the context with the instruction, cut and at last dropped for that; and how rows are asked with them."""
        count, context, by_text = TokenCounter.of(model), model.facts.context, self.answer_by == "description"
        for most in (None, *LENGTHS):
            cut = {label: said if most is None else one_line(said, most) or said for label, said in words.items()}
            asking = _asked(task, cut, self.template, by_text)
            if context is None or count(asking.template.render("")) + asking.answer_tokens(None, count, context) <= context // 2:
                break
        else:
            cut = {label: expanded(label, task.labels) if by_text else _name(task, label) for label in task.labels}
            asking = _asked(task, cut, self.template, by_text)
        check_room(model, asking)
        return cut, asking

    @classmethod
    def solver_class(cls) -> type[Solver]:
        return DescribedSolver


class DescribedSolver(PromptSolver):
    """See the module. `descriptions` are the words of each label, as the prompt has them; `asked` the prompts that the model wrote them to."""

    def __init__(
        self, model: str, template: Template, by_text: bool, normalise: str, descriptions: Mapping[str, str], asked: Mapping[str, str]
    ) -> None:
        super().__init__(model, template, (), by_text, normalise)
        self.descriptions, self.asked = dict(descriptions), dict(asked)

    @property
    def asking(self) -> Asking:
        return Asking(told(self.task, self.descriptions, self.by_text), self.template, self.by_text)

    def _read(self, written: Generation, row: Inputs) -> Prediction:
        """What was written; where descriptions are answered with, one of them or else a label's name."""
        spec = self.asking.task
        said = spec.reader.parse(spec, written.text, row) if self.by_text and written.finish != "refused" else None
        if said is None or isinstance(said, Unparsed):
            return super()._read(written, row)
        return Prediction(self.task.labels[spec.labels.index(said)], text=written.text)

    def _save(self, folder: Path) -> Mapping[str, Any]:
        return {**super()._save(folder), "descriptions": self.descriptions, "asked": self.asked}

    @classmethod
    def _load(cls, folder: Path, state: Mapping[str, Any], approach: Approach, task: TaskSpec, models: ModelPool) -> Self:
        (model,) = approach.models()
        return cls(model, Template(**state["template"]), state["by_text"], state["normalise"], state["descriptions"], state["asked"])


def told(task: TaskSpec, words: Mapping[str, str], by_text: bool) -> TaskSpec:
    """The task as the model is told it: its labels with their words as descriptions, or with `by_text` the words in the place of the labels."""
    names = {label: _name(task, label) for label in task.labels}
    if not by_text:
        return replace(task, descriptions={label: words[label] for label in task.labels if normalise(words[label]) != normalise(names[label])})
    own = distinct({label: words[label] for label in task.labels}, names)
    listed = any("," in said or len(said.split()) > 4 for said in own.values())
    return replace(task, labels=tuple(own.values()), descriptions={"": ""} if listed else {})  # a description, of whichever label, puts them on lines


def _asked(task: TaskSpec, words: Mapping[str, str], template: str, by_text: bool) -> Asking:
    spec = told(task, words, by_text)
    return Asking(spec, named_template(spec, template), by_text)


def _name(task: TaskSpec, label: str) -> str:
    """A label as answers name it."""
    return (task.reader if task.reader.answer == "label" else ONE).say(task, label)


def _has(row: Row, label: str) -> bool:
    """Whether a training row has the label, alone or among others."""
    return bool(row.target == label) if isinstance(row.target, str) else label in row.target
