"""Acting step by step: the model gives an action, is told what it observes, and gives the next (ReAct: Yao et al. 2022, arXiv:2210.03629, section 2).

Demonstrations are the best plans of training rows, with what is observed after each action. The answer is the sequence of actions that were taken, so
it is scored as a plan made beforehand is, by the reward that it earns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from fieldguide.approaches.approach import FitContext, Solver, rungs_up_to
from fieldguide.approaches.prompting.asking import named_template
from fieldguide.approaches.prompting.few_shot import deal, fitting_whole
from fieldguide.approaches.prompting.fit_text import TokenCounter
from fieldguide.approaches.prompting.prompt import NORMALISE, Demonstration, Prompted, PromptSolver, by_length, check_room
from fieldguide.approaches.prompting.reasoning.thinking import needs_whole
from fieldguide.approaches.prompting.tools.acting import ACTION, SHOWS, THOUGHT, Acting, Run, acting_template
from fieldguide.errors import ApproachError, Unsupported
from fieldguide.models.model import Generation, Model
from fieldguide.models.pool import ModelPool
from fieldguide.models.text import clean
from fieldguide.records import Inputs, Prediction, Row, Unparsed
from fieldguide.tasks.environments.environment import LONGEST
from fieldguide.tasks.kinds.environment import TextEnvironment
from fieldguide.tasks.overlap import repeats
from fieldguide.tasks.task import TaskSpec
from fieldguide.tasks.template import Template

CHOOSE = ("write", "score")
ACTION_TOKENS, THOUGHT_TOKENS = 24, 48


@dataclass(frozen=True, kw_only=True)
class PromptAct(Prompted):
    """See the module."""

    name = "prompt-act"
    title = "Acting step by step"
    answers = frozenset({"text"})
    on_request = True
    contract_exceptions = {"beats_majority": "The fake model says again what was done in a similar world, whatever it observes."}

    choose: str = "write"
    """How an action is found: the model may "write" it, or each that can be done is given a "score", and the likeliest is taken."""
    shots: int = 4
    """Demonstrations, at most; 0 for none."""
    steps: int = 20
    """Actions in one row, at most."""
    thoughts: bool = False
    """Whether the model writes a line of thought before each action."""
    shows: str = "world"
    """Whether the prompt shows the whole "world", as one made for a plan does, or the "goal" alone, so that the rest must be found out."""

    def unsuited(self, task: TaskSpec) -> str | None:
        if why := super().unsuited(task):
            return why
        return None if isinstance(task.reader, TextEnvironment) else f"It acts in a world that answers each action, and {task.kind} has none."

    def label_counts(self, ladder: Sequence[int]) -> tuple[int, ...]:
        return rungs_up_to(ladder, self.shots) if self.shots else (0,)

    def repeats(self) -> bool:
        return self.shots > 0

    def calls(self, n_labels: int, n_rows: int, task: TaskSpec) -> int:
        return n_rows * self.steps * (1 + self.thoughts)

    def asking(self, task: TaskSpec, context: FitContext) -> tuple[Model, Acting]:
        needs_whole(self, "shots", self.shots, 0)
        needs_whole(self, "steps", self.steps)
        named = (("choose", self.choose, CHOOSE), ("shows", self.shows, SHOWS), ("normalise", self.normalise, NORMALISE))
        for name, value, valid in (*named, ("thoughts", self.thoughts, (False, True))):
            if value not in valid:
                raise ApproachError(f"{self.title} takes no {name}={value!r}; give {' or '.join(map(str, valid))}.")
        if self.steps > LONGEST:
            raise ApproachError(f"{self.title} takes no steps={self.steps}; an episode has at most {LONGEST}.")
        model = context.models.get(self.model)
        needed = {"score"} if self.choose == "score" else {"generate"}
        if lacking := (needed | ({"generate"} if self.thoughts else set())) - model.facts.can:
            way = "write" if "generate" in lacking else "score what it is given"
            asks = "thoughts" if self.choose == "score" and way == "write" else f"choose={self.choose!r}"
            raise ApproachError(f"The model {self.model!r} cannot {way}, which {asks} asks for; give another model, or another way.")
        asking = Acting(task, acting_template(named_template(task, self.template)), shows=self.shows)
        check_room(model, asking)
        return model, asking

    def _fit(self, task: TaskSpec, train: tuple[Row, ...], context: FitContext) -> ActSolver:
        model, asking = self.asking(task, context)
        if self.shots and not train:
            raise ApproachError(f"{self.title} shows how training rows are solved and was given none; give at least one, or take shots=0.")
        dealt = deal(train, len(train), context.seed, asking.reader.stratum) if self.shots else []
        shown = fitting_whole(model, asking, dealt, self.shots) if dealt else []
        if dealt and not shown:
            raise ApproachError(f"No demonstration fits into the context of {self.model} beside the instruction; give smaller worlds, or take shots=0.")
        texts = {row.id: asking.bare(row.inputs) for row in train}
        order = np.random.default_rng([context.seed, 3301]).permutation(len(shown))
        return ActSolver(self.model, asking.template, [shown[i] for i in order], [texts[shown[i].id] for i in order])

    @classmethod
    def solver_class(cls) -> type[Solver]:
        return ActSolver


class ActSolver(PromptSolver):
    """Rows are acted in side by side, step by step. `Prediction.text` is the transcript: with the row's prompt, all that the model was told."""

    approach: PromptAct

    def __init__(self, model: str, template: Template, demonstrations: Sequence[Demonstration], worlds: Sequence[str]) -> None:
        super().__init__(model, template, demonstrations)
        self.worlds = tuple(worlds)
        """The text of each demonstration's world."""

    @property
    def asking(self) -> Acting:
        return Acting(self.task, self.template, shows=self.approach.shows)

    def _answer_log_probabilities(self, inputs: list[Inputs], values: list[Any]) -> list[tuple[float, int]]:
        raise Unsupported(f"{self.approach.title} gives an action after what came of the last one, so how likely a whole plan is by itself is not told.")

    def _prompts(self, model: Model, inputs: Sequence[Inputs]) -> list[str]:
        """What each row begins with, never cut. A demonstration whose world repeats the row's, or nearly does, is left out."""
        asking, told = self.asking, [(d.text, d.answer) for d in self.demonstrations]
        alike = [repeats(self.worlds, [asking.bare(row)]) if told else () for row in inputs]
        others = [[one for one, again in zip(told, own, strict=True) if not again] for own in alike]
        return [self.template.render(clean(asking.show(row)), own) for row, own in zip(inputs, others, strict=True)]

    def _answered(self, model: Model, inputs: list[Inputs], prompts: list[str]) -> list[Prediction]:
        asking = self.asking
        runs = {i: Run(world) for i, row in enumerate(inputs) if (world := asking.world(row)) is not None}
        for _ in range(self.approach.steps):
            if not (going := {i: run for i, run in runs.items() if run.going}):
                break
            self._step(model, going, inputs, prompts)
        return [self._told(runs.get(i)) for i in range(len(inputs))]

    def _step(self, model: Model, runs: Mapping[int, Run], inputs: Sequence[Inputs], prompts: Sequence[str]) -> None:
        """One thought, where thoughts are asked for, and one action in each row."""
        thoughts = dict.fromkeys(runs, "")
        if self.approach.thoughts:
            before = {i: self._so_far(model, prompts[i], run, THOUGHT) for i, run in runs.items()}
            for i, own in self._written(model, runs, before, THOUGHT_TOKENS).items():
                thoughts[i] = " ".join(own.text.split()) or "…"
        going = {i: run for i, run in runs.items() if run.going}
        lead = {i: f"{THOUGHT} {thoughts[i]}\n{ACTION}" if self.approach.thoughts else ACTION for i in going}
        asked = {i: self._so_far(model, prompts[i], run, lead[i]) for i, run in going.items()}
        if self.approach.choose == "score":
            said = self._likeliest(model, going, asked)
        else:
            written = self._written(model, going, asked, ACTION_TOKENS)
            said = {i: self.asking.reader.act(self.task, own.text, inputs[i]) for i, own in written.items()}
        for i, action in said.items():
            runs[i].act(action, thoughts[i])

    def _so_far(self, model: Model, prompt: str, run: Run, cue: str) -> str | None:
        """The prompt with the transcript so far, without its oldest actions where the context is too small; None where nothing fits."""
        context, count = model.facts.context, TokenCounter.of(model)
        for first in range(len(run.taken) + 1):
            whole = f"{prompt}{run.transcript(first)}\n{cue}"
            if context is None or count(whole) + max(ACTION_TOKENS, THOUGHT_TOKENS) <= context:
                return whole
        run.ended = "the world does not fit the model's context"
        return None

    def _written(self, model: Model, runs: Mapping[int, Run], asked: Mapping[int, str | None], tokens: int) -> dict[int, Generation]:
        """What the model goes on with, one line; a row that it refuses ends there."""
        texts = {i: prompt for i, prompt in asked.items() if prompt is not None}
        stop = self.asking.stops(model, [""])
        found = dict(zip(texts, (own[0] for own in model.generate([*texts.values()], max_tokens=tokens, stop=stop)), strict=True)) if texts else {}
        for i, own in found.items():
            if own.finish == "refused":
                runs[i].ended = f"the model gave no answer: {own.reason}"
        return {i: own for i, own in found.items() if own.finish != "refused"}

    def _likeliest(self, model: Model, runs: Mapping[int, Run], asked: Mapping[int, str | None]) -> dict[int, str]:
        """The likeliest of the actions that can be done in each row, by log p(action | prompt), divided by its length as `normalise` says."""
        able = {i: run.world.environment.actions(run.state) for i, run in runs.items() if asked[i] is not None}
        for i in [i for i, actions in able.items() if not actions]:
            runs[i].ended = "nothing can be done"
            del able[i]
        if not able:
            return {}
        options = [[f" {action}{self.asking.end(actions)}" for action in actions] for actions in able.values()]
        totals = model.score([asked[i] or "" for i in able], options).totals
        if self.approach.normalise != "none":
            totals = tuple(by_length(own, texts, self.approach.normalise) for own, texts in zip(totals, options, strict=True))
        return {i: able[i][int(np.argmax(own))] for i, own in zip(able, totals, strict=True)}

    def _told(self, run: Run | None) -> Prediction:
        """The actions that were taken, as the answer; `Unparsed` where none of them was one."""
        if run is None:
            return Prediction(Unparsed("", "the row tells of no world that can be acted in"))
        text = run.transcript().lstrip("\n")
        if not any(run.world.environment.read(taken.action) for taken in run.taken):
            return Prediction(Unparsed(text, run.ended or "no action was named"), text=text)
        return Prediction("\n".join(taken.action for taken in run.taken), text=text)

    def _save(self, folder: Path) -> Mapping[str, Any]:
        return {**super()._save(folder), "worlds": self.worlds}

    @classmethod
    def _load(cls, folder: Path, state: Mapping[str, Any], approach: Any, task: TaskSpec, models: ModelPool) -> Self:
        (model,) = approach.models()
        return cls(model, Template(**state["template"]), [Demonstration(**d) for d in state["demonstrations"]], state["worlds"])
