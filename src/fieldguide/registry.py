"""Names → classes: an explicit table for what ships, one entry-point group for other people's packages.

Nothing is imported until it is asked for. A package adds to Fieldguide by declaring, in the entry-point group
`fieldguide`, names of the form `approach.my-name`, `kind.my-name` or `model.my-scheme`.
"""

from __future__ import annotations

import difflib
import importlib
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from fieldguide.errors import UserError

TABLE: dict[str, dict[str, str]] = {
    "kind": {
        "classification": "fieldguide.tasks.kinds.classification:Classification",
        "pair-classification": "fieldguide.tasks.kinds.pair_classification:PairClassification",
    },
    "metric": {
        "accuracy": "fieldguide.tasks.metrics:ACCURACY",
        "macro_f1": "fieldguide.tasks.metrics:MACRO_F1",
    },
    "approach": {
        "majority": "fieldguide.approaches.baselines.majority:Majority",
        "tfidf-logreg": "fieldguide.approaches.baselines.tfidf:TfidfLogReg",
        "embedding-zero-shot": "fieldguide.approaches.embedding.zero_shot:EmbeddingZeroShot",
        "embedding-knn": "fieldguide.approaches.embedding.knn:EmbeddingKnn",
        "linear-probe": "fieldguide.approaches.embedding.linear_probe:LinearProbe",
        "prompt-zero-shot": "fieldguide.approaches.prompting.zero_shot:PromptZeroShot",
        "prompt-few-shot": "fieldguide.approaches.prompting.few_shot:PromptFewShot",
        "fine-tune": "fieldguide.approaches.tuning.fine_tune:FineTune",
        "cascade": "fieldguide.approaches.cascade:Cascade",
    },
    "model": {
        "smollm2-135m": "fieldguide.models.packaged:load_smollm2",
        "minilm-l6": "fieldguide.models.packaged:load_minilm",
        "hf": "fieldguide.models.transformers:load_hf",
        "gguf": "fieldguide.models.llamacpp:load_llamacpp",
        "vllm": "fieldguide.models.vllm:load_vllm",
        "openai": "fieldguide.models.openai_api:load_openai",
        "replay": "fieldguide.models.replay:load_replay",
        "fake": "fieldguide.models.fake:load_fake",
    },
}


@cache
def _plugins() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {group: {} for group in TABLE}
    for point in entry_points(group="fieldguide"):
        group, _, name = point.name.partition(".")
        if group in found and name and name not in TABLE[group]:
            found[group][name] = point.value
    return found


def names(group: str) -> tuple[str, ...]:
    """Every registered name of a group ("kind", "approach", "model"), those that ship first."""
    return (*TABLE[group], *sorted(_plugins()[group]))


def resolve(group: str, name: str) -> Any:
    """The object registered as `name`; an unknown name raises `UserError` that lists the valid ones."""
    target = TABLE[group].get(name) or _plugins()[group].get(name)
    if target is None:
        close = difflib.get_close_matches(name, names(group), n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise UserError(f"There is no {group} called {name!r}; {hint}the registered ones are {', '.join(names(group))}.")
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)
