"""What a text environment is: states, actions that can be done in them, what one observes, rewards; and how an episode in it is played and counted.

Every action costs a little, so that of two ways to the goal the shorter is the better; one that cannot be done, or that cannot be read as an action,
changes nothing and costs more. A state is a plain value that says all there is to know, so the same state and action always lead to the same step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

STEP_COST, WASTE = 0.01, 0.05
"""What an action costs that can be done, and one that cannot, in units of the reward of the goal, which is 1."""
LONGEST = 100
"""Actions of an episode; by then all reward is used up, and what comes after is not done."""
SILENT = "(nothing)"
"""What stands for an action where nothing was said: it cannot be done."""
REFUSED = "That cannot be done."


class Step(NamedTuple):
    """What an action leads to."""

    state: Any
    observation: str
    reward: float
    """What was gained, from 0 to 1, less what the action cost."""
    done: bool
    """Whether the episode ends with it."""
    gain: float = 0.0
    """What was gained, without the cost."""


class Episode(NamedTuple):
    """What a sequence of actions came to."""

    steps: tuple[Step, ...]
    """Those that were taken: none after the end."""

    @property
    def reward(self) -> float:
        """The sum of the rewards, from 0 to 1: costs alone are no less than nothing."""
        return min(max(sum(step.reward for step in self.steps), 0.0), 1.0)

    @property
    def gain(self) -> float:
        """What was gained in all, without costs."""
        return sum(step.gain for step in self.steps)


class Environment(ABC):
    """One sort of world. Stateless: states are values, and hashable. Reward comes with the action that ends the episode, and with no other."""

    name: ClassVar[str]
    """The word that its texts begin with, in small letters."""
    legend: ClassVar[str]
    """How its texts are to be read, in a sentence or two."""
    verbs: ClassVar[str]
    """What actions there are, in a sentence."""

    @abstractmethod
    def parse(self, text: str) -> Any:
        """The state that a text tells of. Raises `DataError` with one sentence where it makes no sense."""

    @abstractmethod
    def goal(self, state: Any) -> str:
        """What is to be done, in a sentence, for one who cannot see the world."""

    @abstractmethod
    def actions(self, state: Any) -> tuple[str, ...]:
        """The actions that can be done and are worth a try, in a stable order; the best plan is among their sequences."""

    @abstractmethod
    def read(self, said: str) -> str | None:
        """The action that a few words name, in the wording of `actions`; None where they name none."""

    @abstractmethod
    def seen(self, state: Any) -> str:
        """What one observes in a state, in whole sentences."""

    @abstractmethod
    def act(self, state: Any, action: str) -> tuple[Any, float, bool] | None:
        """(state, gain from 0 to 1, whether the episode ends) after an action as `read` gives it; None where it cannot be done."""

    def observe(self, state: Any) -> str:
        """What one observes in a state, and what can be done there."""
        return f"{self.seen(state)} You can: {', '.join(self.actions(state)) or 'do nothing'}."

    def step(self, state: Any, said: str) -> Step:
        """What comes of a few words: of an action that can be done its outcome, else that it cannot be done, at a cost."""
        action = self.read(said)
        found = None if action is None else self.act(state, action)
        if found is None:
            return Step(state, f"{REFUSED} {self.observe(state)}", -WASTE, False)
        after, gain, done = found
        return Step(after, self.seen(after) if done else self.observe(after), gain - STEP_COST, done, gain)


def play(environment: Environment, start: Any, said: Sequence[str]) -> Episode:
    """The episode that a sequence of actions makes: up to its end, the last action or `LONGEST` actions."""
    steps, state = list[Step](), start
    for each in said[:LONGEST]:
        steps.append(environment.step(state, each))
        state = steps[-1].state
        if steps[-1].done:
            break
    return Episode(tuple(steps))
