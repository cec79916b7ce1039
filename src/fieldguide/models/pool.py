"""Model references → models, each loaded once a process and only when it is asked for.

A reference is `scheme:rest` or one of the names that need no download (`smollm2-135m`, `minilm-l6`). A loader is a function
`(reference) → Model`; it may also carry two attributes that tell something without loading: `identity`, a function `(reference) → str`
that names the weights, and `local`, a function `(reference) → bool` that says whether texts would stay on this machine.
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
        return self._told("identity", reference)

    def local(self, reference: str) -> bool:
        """Whether texts stay on this machine; a server elsewhere is not spoken to before that is known."""
        return self._told("local", reference)

    def _told(self, name: str, reference: str) -> Any:
        tell = getattr(_loader(reference), name, None) if reference not in self._models else None
        return tell(reference) if tell else getattr(self.get(reference).facts, name)


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
