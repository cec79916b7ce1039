"""Text environments: a world told as text, and a sequence of actions as the answer, which is played out and scored by the reward that it earns.

An answer is a plan, one action a line: made beforehand, or action by action by one who looks after each (`prompt-act`); both are scored alike.
All that is needed to play is in the row. A target is the world again with its best plan and that plan's reward, which `tasks.environments.search`
finds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from fieldguide.errors import DataError
from fieldguide.records import Inputs, Unparsed
from fieldguide.tasks.cells import blank, plain_of, whole
from fieldguide.tasks.environments import ENVIRONMENTS, World, world_of
from fieldguide.tasks.environments.environment import SILENT, play
from fieldguide.tasks.environments.search import solved
from fieldguide.tasks.kinds.plan_answers import actions_in, one_action
from fieldguide.tasks.kinds.text_kind import TextKind
from fieldguide.tasks.scoring.environments import BEST, ENVIRONMENT, PLAN, played
from fieldguide.tasks.tables import Table
from fieldguide.tasks.task import TaskSpec

SOLUTION = "solution"
"""The column that `shape` makes."""
TRIED, LOOKED_AT = 10, 100
"""Plans that the trivial baseline tries, on so many rows."""
LEAST, MOST = 32, 192
"""Tokens of a plan: about one for each character of a world, since plans grow with it."""


class TextEnvironment(TextKind):
    name = "text-environment"
    metrics: ClassVar[tuple[str, ...]] = ("reward", "solved")
    extent = "block"
    said = "Plan"
    trivial_words = "always giving the one plan that earns most"

    # How rows are read.

    @classmethod
    def columns(cls, table: Table) -> tuple[tuple[str, ...], str] | None:
        """A column `environment` whose texts begin as environments do; with a column `solution`, that is the target."""
        named = next((column for column in table.columns if column.strip().casefold() == ENVIRONMENT), None)
        cells = [cell for cell in table.columns[named][:200] if not blank(cell)] if named else []
        known = [isinstance(cell, str) and cell.split()[0].casefold() in ENVIRONMENTS for cell in cells]
        return ((named,), SOLUTION) if named and known and all(known) else None

    def shape(self, table: Table, inputs: Sequence[str], target: str) -> Table:
        """With a column of worlds to be solved, where there is no such column."""
        if target in table.columns or len(inputs) != 1 or inputs[0] not in table.columns:
            return table
        return replace(table, columns={**table.columns, target: list(table.columns[inputs[0]])})

    def read(self, value: Any, where: str) -> dict[str, Any]:
        """A world's text, alone or with a plan that is as good as any: {"environment", "plan", "best"}."""
        value = plain_of(value)
        given = {ENVIRONMENT: value} if isinstance(value, str) else value
        if not isinstance(given, dict) or not isinstance(given.get(ENVIRONMENT), str) or set(given) - {ENVIRONMENT, PLAN, BEST}:
            raise DataError(f"{where} holds no environment; leave --target out, and plans are found by search.")
        text = whole(given[ENVIRONMENT]).strip()
        try:
            best, own = solved(text), given.get(PLAN)
        except DataError as refused:
            raise DataError(f"{where} holds a world that cannot be used. {refused}") from None
        if own is None:
            own = list(best.actions)
        elif not isinstance(own, list) or not all(isinstance(each, str) for each in own) or play(*world_of(text), own).reward < best.reward - 1e-9:
            raise DataError(f"{where} holds a plan that is not as good as {'; '.join(best.actions)}; correct it, or leave it out.")
        return {ENVIRONMENT: text, PLAN: own, BEST: best.reward}

    def fits(self, inputs: Inputs, target: Any, where: str) -> None:
        if target[ENVIRONMENT] not in (text.strip() for text in inputs.values()):
            raise DataError(f"{where} holds the solution of another world than its row has; leave --target out, and plans are found by search.")

    def references(self, target: Any) -> tuple[str, ...]:
        return ("\n".join(target[PLAN]),)

    # How a row is shown and answered.

    def world(self, spec: TaskSpec, inputs: Inputs) -> World:
        """The world that a row tells of, to act in. Raises `DataError`, a sentence without a place, where it tells of none."""
        return world_of("\n".join(inputs[column] for column in spec.inputs))

    def show(self, spec: TaskSpec, inputs: Inputs) -> str:
        """How the world is to be read, what can be done in it, and the world; a text that is none as it stands."""
        text = "\n".join(inputs[column] for column in spec.inputs).strip()
        try:
            environment = world_of(text).environment
        except DataError:
            return text or "–"
        return f"{environment.legend} {environment.verbs}\n{text}"

    def instructions(self, spec: TaskSpec) -> Sequence[str]:
        return (
            "Reach the goal in as few actions as you can. Write one action on each line.",
            "Which actions lead to the goal the shortest way? Give them in order, each on a line of its own, and nothing else.",
            "You plan ahead for an agent that does exactly what you write. Reply with its actions only, one a line.",
        )

    def room(self, spec: TaskSpec, inputs: Inputs) -> int:
        return min(max(sum(len(inputs[column]) for column in spec.inputs), LEAST), MOST)

    def say(self, spec: TaskSpec, value: Any, inputs: Inputs | None = None) -> str:
        return "\n".join(line.strip() for line in (value if isinstance(value, str) else self.example(value)).splitlines() if line.strip())

    def parse(self, spec: TaskSpec, text: str, inputs: Inputs | None = None) -> str | Unparsed:
        """The actions of the first block of lines that names any. What is no action between two of them stays, and cannot be done."""
        if len(text) > self.longest:
            return Unparsed(text, f"is longer than {self.longest:,} characters")
        found = actions_in(text, lambda said: self._read(spec, said, inputs))
        return "\n".join(found) if found else Unparsed(text, "names no action")

    def act(self, spec: TaskSpec, text: str, inputs: Inputs) -> str:
        """What was written as the next action: the first that it names, else its first line, which cannot be done."""
        return one_action(text, lambda said: self._read(spec, said, inputs))

    def _read(self, spec: TaskSpec, said: str, inputs: Inputs | None) -> str | None:
        """The action that words name in the row's world; without one, in any."""
        try:
            environments = [self.world(spec, inputs).environment] if inputs else [*ENVIRONMENTS.values()]
        except DataError:
            environments = [*ENVIRONMENTS.values()]
        return next((action for environment in environments if (action := environment.read(said)) is not None), None)

    # The trivial baseline.

    def usual(self, spec: TaskSpec, targets: Sequence[Any]) -> str:
        """The plan that earns most, of the most frequent best plans."""
        looked_at = targets[:: max(len(targets) // LOOKED_AT, 1)][:LOOKED_AT]
        frequent = [plan for plan, _ in Counter(map(self.example, targets)).most_common(TRIED)]
        return max((*frequent, SILENT), key=lambda plan: sum(played(target[ENVIRONMENT], plan).reward for target in looked_at))
