"""Names → classes: an explicit table for what ships, one entry-point group for other people's packages.

Nothing is imported until it is asked for. A package adds to Fieldguide by declaring, in the entry-point group
`fieldguide`, names of the form `approach.my-name`, `kind.my-name`, `metric.my-metric` or `model.my-scheme`.

The order of the kinds decides: a table is of the first kind whose `columns` knows it by its form, and where two kinds claim columns alike,
of the first of them. Kinds of other packages come last.
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
        "multiple-choice": "fieldguide.tasks.kinds.multiple_choice:MultipleChoice",
        "preference": "fieldguide.tasks.kinds.preference:Preference",
        "multi-label": "fieldguide.tasks.kinds.multi_label:MultiLabel",
        "regression": "fieldguide.tasks.kinds.regression:Regression",
        "pair-regression": "fieldguide.tasks.kinds.regression:PairRegression",
        "ranking": "fieldguide.tasks.kinds.ranking:Ranking",
        "span-extraction": "fieldguide.tasks.kinds.span_extraction:SpanExtraction",
        "tagging": "fieldguide.tasks.kinds.tagging:Tagging",
        "dependency-parsing": "fieldguide.tasks.kinds.dependency_parsing:DependencyParsing",
        "token-classification": "fieldguide.tasks.kinds.token_classification:TokenClassification",
        "short-answer": "fieldguide.tasks.kinds.short_answer:ShortAnswer",
        "code": "fieldguide.tasks.kinds.code:Code",
        "numeric-answer": "fieldguide.tasks.kinds.numeric_answer:NumericAnswer",
        "exact-answer": "fieldguide.tasks.kinds.exact_answer:ExactAnswer",
        "composite-answer": "fieldguide.tasks.kinds.exact_answer:CompositeAnswer",
        "text-environment": "fieldguide.tasks.kinds.environment:TextEnvironment",
        "knowledge-completion": "fieldguide.tasks.kinds.completion:KnowledgeCompletion",
        "summarisation": "fieldguide.tasks.kinds.rewriting:Summarisation",
        "translation": "fieldguide.tasks.kinds.rewriting:Translation",
        "last-word": "fieldguide.tasks.kinds.last_word:LastWord",
        "language-modelling": "fieldguide.tasks.kinds.language_modelling:LanguageModelling",
        "data-to-text": "fieldguide.tasks.kinds.rewriting:DataToText",
        "instruction-following": "fieldguide.tasks.kinds.instructions:InstructionFollowing",
        "chat": "fieldguide.tasks.kinds.chat:Chat",
        "lm-eval-multiple-choice": "fieldguide.tasks.kinds.harness:HarnessChoice",
        "lm-eval-generate-until": "fieldguide.tasks.kinds.harness:HarnessText",
        "lm-eval-loglikelihood": "fieldguide.tasks.kinds.harness:HarnessContinuation",
        "lm-eval-loglikelihood-rolling": "fieldguide.tasks.kinds.harness:HarnessRolling",
    },
    "metric": {
        "accuracy": "fieldguide.tasks.metrics:ACCURACY",
        "macro_f1": "fieldguide.tasks.metrics:MACRO_F1",
        "agreement": "fieldguide.tasks.kinds.preference:AGREEMENT",
        "mcc": "fieldguide.tasks.scoring.labels:MCC",
        "micro_f1": "fieldguide.tasks.scoring.labels:MICRO_F1",
        "labels_macro_f1": "fieldguide.tasks.scoring.labels:LABELS_MACRO_F1",
        "subset_accuracy": "fieldguide.tasks.scoring.labels:SUBSET_ACCURACY",
        "pearson": "fieldguide.tasks.scoring.numbers:PEARSON",
        "spearman": "fieldguide.tasks.scoring.numbers:SPEARMAN",
        "mae": "fieldguide.tasks.scoring.numbers:MAE",
        "ndcg10": "fieldguide.tasks.scoring.ranking:NDCG10",
        "mrr": "fieldguide.tasks.scoring.ranking:MRR",
        "map": "fieldguide.tasks.scoring.ranking:MAP",
        "recall10": "fieldguide.tasks.scoring.ranking:RECALL10",
        "squad_f1": "fieldguide.tasks.scoring.spans:SQUAD_F1",
        "exact_match": "fieldguide.tasks.scoring.spans:EXACT_MATCH",
        "pass_at_1": "fieldguide.tasks.scoring.programs:PASS_AT_1",
        "pass_at_10": "fieldguide.tasks.scoring.programs:PASS_AT_10",
        "numeric_match": "fieldguide.tasks.scoring.strings:NUMERIC_MATCH",
        "exact_text": "fieldguide.tasks.scoring.strings:EXACT_TEXT",
        "edit_similarity": "fieldguide.tasks.scoring.strings:EDIT_SIMILARITY",
        "parts_match": "fieldguide.tasks.scoring.strings:PARTS_MATCH",
        "reward": "fieldguide.tasks.scoring.environments:REWARD",
        "solved": "fieldguide.tasks.scoring.environments:SOLVED",
        "hits1": "fieldguide.tasks.scoring.hits:HITS1",
        "hits3": "fieldguide.tasks.scoring.hits:HITS3",
        "hits10": "fieldguide.tasks.scoring.hits:HITS10",
        "byte_likelihood": "fieldguide.tasks.scoring.likelihood:BYTE_LIKELIHOOD",
        "bits_per_byte": "fieldguide.tasks.scoring.likelihood:BITS_PER_BYTE",
        "word_perplexity": "fieldguide.tasks.scoring.likelihood:WORD_PERPLEXITY",
        "token_perplexity": "fieldguide.tasks.scoring.likelihood:TOKEN_PERPLEXITY",
        "answer_logprob": "fieldguide.verdict.likelihoods:ANSWER_LOGPROB",
        "greedy_match": "fieldguide.tasks.scoring.requests:GREEDY_MATCH",
        "continuation_perplexity": "fieldguide.tasks.scoring.requests:CONTINUATION_PERPLEXITY",
        "harness_match": "fieldguide.tasks.scoring.requests:HARNESS_MATCH",
        "rouge_l": "fieldguide.tasks.scoring.generation:ROUGE_L",
        "rouge_1": "fieldguide.tasks.scoring.generation:ROUGE_1",
        "rouge_2": "fieldguide.tasks.scoring.generation:ROUGE_2",
        "chrf": "fieldguide.tasks.scoring.generation:CHRF",
        "bleu": "fieldguide.tasks.scoring.generation:BLEU",
        "length_ratio": "fieldguide.tasks.scoring.generation:LENGTH_RATIO",
        "all_checks": "fieldguide.tasks.scoring.instructions:ALL_CHECKS",
        "checks": "fieldguide.tasks.scoring.instructions:CHECKS_HELD",
        "all_checks_loose": "fieldguide.tasks.scoring.instructions:ALL_CHECKS_LOOSE",
        "checks_loose": "fieldguide.tasks.scoring.instructions:CHECKS_LOOSE",
        "turn_checks": "fieldguide.tasks.scoring.instructions:TURN_CHECKS",
        "all_turns": "fieldguide.tasks.scoring.instructions:ALL_TURNS",
        "consistency": "fieldguide.tasks.scoring.instructions:CONSISTENCY",
        "span_f1": "fieldguide.tasks.scoring.tags:SPAN_F1",
        "tag_accuracy": "fieldguide.tasks.scoring.tags:TAG_ACCURACY",
        "las": "fieldguide.tasks.scoring.parses:LAS",
        "uas": "fieldguide.tasks.scoring.parses:UAS",
    },
    "approach": {
        "majority": "fieldguide.approaches.baselines.majority:Majority",
        "tfidf-logreg": "fieldguide.approaches.baselines.tfidf:TfidfLogReg",
        "token-logreg": "fieldguide.approaches.baselines.token_logreg:TokenLogReg",
        "bm25": "fieldguide.approaches.baselines.bm25:Bm25",
        "embedding-zero-shot": "fieldguide.approaches.embedding.zero_shot:EmbeddingZeroShot",
        "embedding-knn": "fieldguide.approaches.embedding.knn:EmbeddingKnn",
        "linear-probe": "fieldguide.approaches.embedding.linear_probe:LinearProbe",
        "prompt-zero-shot": "fieldguide.approaches.prompting.zero_shot:PromptZeroShot",
        "prompt-few-shot": "fieldguide.approaches.prompting.few_shot:PromptFewShot",
        "prompt-cot": "fieldguide.approaches.prompting.reasoning.thinking:PromptCot",
        "prompt-self-consistency": "fieldguide.approaches.prompting.reasoning.self_consistency:SelfConsistency",
        "prompt-decomposed": "fieldguide.approaches.prompting.reasoning.decomposed:PromptDecomposed",
        "prompt-described": "fieldguide.approaches.prompting.described:PromptDescribed",
        "prompt-chosen-shots": "fieldguide.approaches.prompting.shots.chosen_shots:ChosenShots",
        "prompt-calibrated": "fieldguide.approaches.prompting.shots.calibrated:PromptCalibrated",
        "prompt-rank": "fieldguide.approaches.prompting.rank:PromptRank",
        "prompt-samples": "fieldguide.approaches.prompting.samples:PromptSamples",
        "prompt-chat": "fieldguide.approaches.prompting.chat:PromptChat",
        "prompt-retrieved": "fieldguide.approaches.prompting.retrieved:PromptRetrieved",
        "prompt-tools": "fieldguide.approaches.prompting.tools.tools:PromptTools",
        "prompt-search": "fieldguide.approaches.prompting.search:PromptSearch",
        "prompt-act": "fieldguide.approaches.prompting.tools.act:PromptAct",
        "prompt-cleaned": "fieldguide.approaches.prompting.cleaned:PromptCleaned",
        "prompt-verified": "fieldguide.approaches.prompting.candidates.verified:PromptVerified",
        "prompt-judged": "fieldguide.approaches.prompting.candidates.judged:PromptJudged",
        "fine-tune": "fieldguide.approaches.tuning.fine_tune:FineTune",
        "prompt-likelihood": "fieldguide.approaches.prompting.likelihood:ReadAsIs",
        "byte-ngram": "fieldguide.approaches.baselines.byte_ngram:ByteNgram",
        "fine-tune-lm": "fieldguide.approaches.tuning.fine_tune_lm:FineTuneLM",
        "bi-encoder": "fieldguide.approaches.tuning.bi_encoder:BiEncoder",
        "cascade": "fieldguide.approaches.cascade:Cascade",
        "span-overlap": "fieldguide.approaches.baselines.span_overlap:SpanOverlap",
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
