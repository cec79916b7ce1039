"""How a row is asked where a model acts in it: what is shown of a world, and a transcript of actions and of what was observed after each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from fieldguide.approaches.prompting.asking import Asking
from fieldguide.errors import DataError
from fieldguide.records import Inputs, Row
from fieldguide.tasks.environments import World
from fieldguide.tasks.environments.environment import Step
from fieldguide.tasks.kinds.environment import TextEnvironment
from fieldguide.tasks.template import Template

THOUGHT, ACTION, OBSERVATION = "Thought:", "Action:", "Observation:"
TOLD = "Give one action at a time; after each you are told what you observe."
SHOWS = ("world", "goal")


class Taken(NamedTuple):
    """One action that was taken."""

    thought: str
    """What was written before it; "" where nothing was asked for."""
    action: str
    step: Step

    @property
    def lines(self) -> str:
        thought = f"{THOUGHT} {self.thought}\n" if self.thought else ""
        return f"{thought}{ACTION} {self.action}\n{OBSERVATION} {self.step.observation}"


@dataclass
class Run:
    """One row while it is acted in."""

    world: World
    taken: list[Taken] = field(default_factory=list)
    ended: str = ""
    """Why it ended before the world's own end: there was no room, or the model refused."""

    @property
    def state(self) -> Any:
        return self.taken[-1].step.state if self.taken else self.world.start

    @property
    def going(self) -> bool:
        return not self.ended and not (self.taken and self.taken[-1].step.done)

    def act(self, action: str, thought: str = "") -> None:
        self.taken.append(Taken(thought, action, self.world.environment.step(self.state, action)))

    def transcript(self, first: int = 0) -> str:
        """The actions from a place on, with what was observed after each."""
        return "".join(f"\n{taken.lines}" for taken in self.taken[first:])


@dataclass(frozen=True)
class Acting(Asking):
    """A row with what is first observed in it; a demonstration's answer is the transcript of its best plan, up to the last action."""

    shows: str = "world"

    @property
    def reader(self) -> TextEnvironment:
        reader = super().reader
        assert isinstance(reader, TextEnvironment)
        return reader

    def world(self, row: Inputs) -> World | None:
        try:
            return self.reader.world(self.task, row)
        except DataError:
            return None

    def show(self, row: Inputs) -> str:
        world = self.world(row)
        if world is None:
            return super().show(row)
        environment, start = world
        shown = super().show(row) if self.shows == "world" else f"{environment.verbs}\n{environment.goal(start)}"
        return f"{shown}\n{OBSERVATION} {environment.observe(start)}"

    def bare(self, row: Inputs) -> str:
        """The row's own text, by which one tells whether two rows are alike."""
        return "\n".join(self.reader.segments(self.task, row))

    def answer(self, row: Row) -> str:
        run = Run(self.reader.world(self.task, row.inputs))
        actions: Sequence[str] = self.reader.example(row.target).splitlines()
        for action in actions[:-1]:
            run.act(action)
        return f"{run.transcript()}\n{ACTION} {actions[-1]}"


def acting_template(template: Template) -> Template:
    """The kind's template with a transcript in the place of its answer."""
    return replace(template, instruction=f"{template.instruction}\n{TOLD}".lstrip(), row="{text}", answer="{answer}")
