"""The exceptions Fieldguide raises.

A user's mistake always arrives as a `UserError`: one sentence that says what was expected, what came, and what to do
next. The command line prints that sentence and exits with code 2. Anything else is our own fault and keeps its traceback.

    FieldguideError
    ├── UserError (also a ValueError)
    │   ├── DataError         a file, row or column cannot be read as a task
    │   ├── ModelError        a model reference cannot be understood or loaded, or a model does not answer
    │   │   └── Incomplete    it answered some prompts of a call and not the others
    │   ├── ApproachError     an approach's parameters are wrong, or it cannot serve this task
    │   ├── RunError          a run folder is missing, damaged or belongs to another task
    │   └── MissingExtra      a package is not installed; the message names the command
    ├── NotFitted             predict was called before fit (also a RuntimeError)
    ├── Unsupported           a model was asked for an ability that it does not have
    └── BudgetSpent           the spend limit would be passed by the next call
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class FieldguideError(Exception):
    """Anything that Fieldguide raises on purpose."""


class UserError(FieldguideError, ValueError):
    """Something the user gave cannot be used; the message is a whole sentence that says what to do."""


class DataError(UserError):
    """A file, row or column cannot be read as a task."""


class ModelError(UserError):
    """A model reference cannot be understood, found or loaded, or its server does not answer."""


class Incomplete(ModelError):
    """A model answered some prompts of a call and not the others; what it did answer is kept."""

    def __init__(self, message: str, answers: Mapping[int, Any]) -> None:
        super().__init__(message)
        self.answers = dict(answers)
        """Place in the call → answer."""


class ApproachError(UserError):
    """An approach's parameters are wrong, or it cannot serve this task."""


class RunError(UserError):
    """A run folder is missing, damaged, or belongs to another task."""


class MissingExtra(UserError):
    """A package that this needs is not installed."""

    def __init__(self, package: str, purpose: str, command: str) -> None:
        super().__init__(f"{purpose} needs the package {package!r}, which is not installed; run: {command}")


class NotFitted(FieldguideError, RuntimeError):
    """A solver was asked to predict before it was fitted or loaded."""


class Unsupported(FieldguideError, NotImplementedError):
    """A model was asked for an ability that it does not have; `facts.can` says which it has."""


class BudgetSpent(FieldguideError, RuntimeError):
    """The spend limit would be passed by the next call. What a model had answered by then is kept."""

    def __init__(self, message: str, answers: Mapping[int, Any] | None = None) -> None:
        super().__init__(message)
        self.answers = dict(answers or {})
        """Place in the call → answer."""
