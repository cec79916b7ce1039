"""Model references → models, each loaded once a process and only when it is asked for.

A reference is `scheme:rest` or one of the names that need no download (`smollm2-135m`, `minilm-l6`). A loader is a function
`(reference) → Model`; it may also carry an attribute `identity`, a function `(reference) → str` that names the weights without
loading them.
"""

from __future__ import annotations

from typing import Any

from fieldguide.errors import ModelError, UserError
from fieldguide.models.model import Model
from fieldguide.registry import names, resolve


class ModelPool:
    """Loads models on first use and keeps them. Models given at construction stand in for their references (for tests and notebooks)."""

    def __init__(self, given: dict[str, Model] | None = None) -> None:
        self._models: dict[str, Model] = dict(given or {})

    def get(self, reference: str) -> Model:
        """The model behind a reference. Raises `ModelError` with what to do if there is none."""
        if reference not in self._models:
            self._models[reference] = _loader(reference)(reference)
        return self._models[reference]

    def identity(self, reference: str) -> str:
        """What the model's answers depend on, without loading it where the backend can tell."""
        if reference in self._models:
            return self._models[reference].facts.identity
        tell = getattr(_loader(reference), "identity", None)
        return tell(reference) if tell else self.get(reference).facts.identity


def _loader(reference: str) -> Any:
    scheme, colon, _ = reference.partition(":")
    if colon and scheme in ("smollm2-135m", "minilm-l6"):
        raise ModelError(f"The model {scheme!r} takes nothing after its name, but {reference!r} came; write {scheme}.")
    try:
        return resolve("model", scheme)
    except UserError:
        raise ModelError(
            f"The model reference {reference!r} is not understood; give one of {', '.join(names('model'))}, "
            "with a name after a colon where one is needed (hf:org/name, gguf:path)."
        ) from None


