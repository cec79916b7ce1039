"""Decomposed prompt: the model splits a row's question into simpler ones, answers them in turn, and then the question itself.

Least-to-most prompting (Zhou et al. 2022, arXiv:2205.10625, section 2): a first prompt asks for the sub-questions; then each is asked with the
row, the earlier ones and their answers before it, the question itself as the last. Or plan-and-solve (Wang et al. 2023, arXiv:2305.04091,
section 2.1): a plan, then its carrying out. Both end as chain of thought does (`thinking`).

What can be seen to be wrong is said in one sentence in the prompt, and the model tries again, a bounded number of times (Self-Refine, Madaan et
al. 2023, arXiv:2303.17651, section 2: y(t+1) = M(x, y(0), fb(0), …, y(t), fb(t))); but the feedback comes from outside, from the kind that
cannot read an answer or a calculator that comes to another number, and not from the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fieldguide.approaches.approach import FitContext, Solver
from fieldguide.approaches.prompting.fit_text import MARGIN, TokenCounter
from fieldguide.approaches.prompting.prompt import Demonstration, PromptSolver, check_room
from fieldguide.approaches.prompting.reasoning.reasoning import MARK, Thinking, tail, written_to_ends
from fieldguide.approaches.prompting.reasoning.recomputed import slip
from fieldguide.approaches.prompting.reasoning.thinking import PromptCot, ThinkingSolver, needs_whole
from fieldguide.approaches.prompting.reasoning.working import LISTS, Turn, Work, items_in
from fieldguide.errors import ApproachError
from fieldguide.models.model import Generation, Model
from fieldguide.records import Inputs, Prediction, Unparsed
from fieldguide.tasks.task import TaskSpec

CHECKS = ("read", "arithmetic")
ASKED = {"number": "give one number", "label": "give one label", "choice": "give one letter", "text": "give a short answer"}
"""What is asked for where an answer could not be read, by its form."""


@dataclass(frozen=True, kw_only=True)
class PromptDecomposed(PromptCot):
    """See the module."""

    name = "prompt-decomposed"
    title = "Decomposed prompt"

    trigger: str = "split"
    """The name of one of `reasoning.TRIGGERS`, which the writing begins with."""
    reasoning_tokens: int = 256
    """Tokens that may be written before the answer, retries aside: a quarter for the list, the rest shared by what is written for it."""
    parts: str = "questions"
    """"questions", each answered in turn, or a "plan", carried out in one go."""
    steps: int = 4
    """Sub-questions, or lines of the plan, at most."""
    retries: int = 2
    """How often a row may try again in all."""
    check: str = "read"
    """What is faulted: an answer that cannot be "read", or besides, wrong "arithmetic" in what was written."""

    def calls(self, n_labels: int, n_rows: int, task: TaskSpec) -> int:
        """A list, its answers and the whole question's, or the plan's carrying out, the answer, and the retries."""
        return n_rows * self._row_calls + self._fit_calls(n_labels)

    def _fit_calls(self, n_labels: int) -> int:
        return self._row_calls * min(n_labels, self.tries) if self.way == "few-shot" else 0

    @property
    def pieces(self) -> int:
        """What is written between the list and the answer, at most."""
        return self.steps + 1 if self.parts == "questions" else 1

    @property
    def _row_calls(self) -> int:
        return 1 + self.pieces + 1 + self.retries

    def asking(self, task: TaskSpec, context: FitContext) -> tuple[Model, Thinking]:
        needs_whole(self, "steps", self.steps)
        needs_whole(self, "retries", self.retries, 0)
        for name, value, valid in (("parts", self.parts, tuple(LISTS)), ("check", self.check, CHECKS)):
            if value not in valid:
                raise ApproachError(f"{self.title} takes no {name}={value!r}; give {' or '.join(valid)}.")
        model, plain = super().asking(task, context)
        asking = replace(plain, trigger=f"{plain.trigger} {LISTS[self.parts]}\n1.")
        check_room(model, asking)
        return model, asking

    def _reasoner(self, asking: Thinking, shown: Sequence[Demonstration] = ()) -> DecomposedSolver:
        return DecomposedSolver(self.model, asking.template, shown, asking.by_text, self.normalise, asking.trigger, asking.reasoning_tokens)

    @classmethod
    def solver_class(cls) -> type[Solver]:
        return DecomposedSolver


class DecomposedSolver(ThinkingSolver):
    """See the module. `prompts` are the first of each row; `turns` gives every prompt with what was written after it."""

    approach: PromptDecomposed

    def chains(self, inputs: list[Inputs]) -> list[tuple[Generation, Prediction]]:
        """(what was written before the answer, the answer) of rows that have one."""
        works, answers = self._run(self.models.get(self.model), inputs)
        return [(work.written, answer) for work, answer in zip(works, answers, strict=True)]

    def turns(self, inputs: list[Inputs]) -> list[list[Turn]]:
        """Every prompt that `predict` would send for each row, in order, with what comes back; rows must have an answer. Asks the model."""
        return [work.turns for work in self._run(self.models.get(self.model), inputs)[0]]

    def _answered(self, model: Model, inputs: list[Inputs], prompts: list[str]) -> list[Prediction]:
        return self._settled(model, inputs, prompts, self._worked(model, inputs, prompts))

    def _run(self, model: Model, inputs: list[Inputs]) -> tuple[list[Work], list[Prediction]]:
        prompts = self._prompts(model, inputs)
        works = self._worked(model, inputs, prompts)
        return works, self._settled(model, inputs, prompts, works)

    def _worked(self, model: Model, inputs: Sequence[Inputs], prompts: Sequence[str]) -> list[Work]:
        """Rows with their lists and all that was written for them, short of the answer."""
        how, works = self.approach, [Work(self.approach.retries) for _ in inputs]
        first, room = self._rooms(model)
        written = self._written(model, inputs, prompts, works, first, line=False)
        for work, own in zip(works, written, strict=True):
            if work.refused is None:
                work.plan(how.parts, items_in(own.text, how.steps))
        while going := [i for i, work in enumerate(works) if work.going]:
            left = [works[i] for i in going]
            asked = [self._before(model, prompts[i], works[i], room) for i in going]
            pieces = self._written(model, [inputs[i] for i in going], asked, left, room, line=how.parts == "questions")
            for work, piece in zip(left, pieces, strict=True):
                wrong = slip(piece.text) if how.check == "arithmetic" else None
                if work.refused is None:
                    work.take(piece.text, wrong and f"That is not right: {wrong}.")
        return works

    def _settled(self, model: Model, inputs: Sequence[Inputs], prompts: Sequence[str], works: Sequence[Work]) -> list[Prediction]:
        """The answers after what was written; one that cannot be read is asked for again, with the reason."""
        found = [Prediction(Unparsed("", f"the model gave no answer: {work.written.reason}")) for work in works]
        going = [i for i, work in enumerate(works) if work.refused is None]
        while going:
            rows = [inputs[i] for i in going]
            asked = self._answer_prompts(model, rows, [prompts[i] for i in going], [works[i].kept + works[i].unread for i in going])
            again = []
            for i, prompt, own in zip(going, asked, PromptSolver._answered(self, model, rows, asked), strict=True):
                work = works[i]
                work.turns.append(Turn(prompt, own.text or ""))
                said = "" if own.text is None else f"\n{self.asking.cue}{own.text.rstrip()}"
                found[i] = replace(own, text=f"{work.told.strip()}{work.unread}{said}")
                if isinstance(own.value, Unparsed) and own.text is not None and work.retries:
                    work.put_right(said, f"The answer above {own.value.reason}, so it cannot be read; {ASKED[self.task.reader.answer]}.")
                    again.append(i)
            going = again
        return found

    def _rooms(self, model: Model) -> tuple[int, int]:
        """Tokens of the list, and of each piece after it."""
        whole = self.asking.reasoning_room(model.facts.context)
        first = max(whole // 4, 1)
        return first, max((whole - first) // self.approach.pieces, 1)

    def _before(self, model: Model, prompt: str, work: Work, room: int) -> str:
        """The prompt of a row's next piece. What does not fit the context loses its beginning."""
        said, context, count = f"{work.kept}{work.heads[0]}{work.failed}", model.facts.context, TokenCounter.of(model)
        return prompt + (said if context is None else tail(said, context - count(prompt) - room - MARGIN, count))

    def _written(
        self, model: Model, inputs: Sequence[Inputs], prompts: Sequence[str], works: Sequence[Work], room: int, *, line: bool
    ) -> list[Generation]:
        """What the model goes on with, up to the line's end where it is one that goes on with a text; refusals are noted."""
        one_line, shown = line and model.facts.type != "api", bool(self.demonstrations)
        ends = [(MARK, "\n") if one_line else self.asking.reasoning_stops(model, row, shown) for row in inputs]
        found = written_to_ends(model, prompts, ends, room)
        for work, prompt, own in zip(works, prompts, found, strict=True):
            work.turns.append(Turn(prompt, own.text))
            if own.finish == "refused":
                work.refused = own
        return found
