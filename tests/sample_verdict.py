"""A realistic verdict for tests of the report: every status, curves at four label counts, and (unless told otherwise) hostile strings."""

from __future__ import annotations

from math import sqrt
from typing import Any

from fieldguide.records import Usage
from fieldguide.verdict.verdict import Constraints, CurvePoint, Estimate, Standing, Verdict

SCRIPT = "<script>alert(1)</script>"
BREAKOUT = '"><img src=x onerror=alert(2)>'
RTL = "إلغاء الاشتراك \u202eتجربة"
LONG_LABEL = "a_label_of_eighty_characters_that_never_breaks_anywhere_because_it_has_no_spaces_"[:80]
TEMPLATE = "{{7*7}}"
MARKUP = "[bold red]not markup[/bold red]"
ANSI = "\x1b[31mred\x1b[0m"
HOSTILE = (SCRIPT, BREAKOUT, RTL, LONG_LABEL, TEMPLATE, MARKUP)

LADDER = (16, 64, 256, 1024)


def estimate(value: float, rows: int = 400, method: str = "Wilson") -> Estimate:
    half = 1.96 * sqrt(max(value * (1 - value), 1e-4) / rows)
    return Estimate(value, max(0.0, value - half), min(1.0, value + half), method, rows)


def curve(values: tuple[float, ...], counts: tuple[int, ...] = LADDER, fit_s: float = 0.1, rows: int = 400) -> tuple[CurvePoint, ...]:
    return tuple(
        CurvePoint(n, 3, estimate(v, rows), {"accuracy": estimate(v, rows), "macro_f1": estimate(v - 0.02, rows, "bootstrap over rows")}, 0.011, fit_s)
        for n, v in zip(counts, values, strict=False)
    )


def standing(
    name: str, title: str, family: str, status: str, reason: str, values: tuple[float, ...], counts: tuple[int, ...] = LADDER, **more: Any
) -> Standing:
    points = curve(values, counts, more.get("fit_s") or 0.0, more.get("rows", 400))
    given: dict[str, Any] = {"rows": 400, "quality": points[-1].quality, "metrics": points[-1].metrics, "n_labels": points[-1].n_labels}
    return Standing(name, more.pop("params", {}), title, family, status, reason, key=f"key-{name}", curve=points, **{**given, **more})


def loss(value: float, low: float, high: float) -> Estimate:
    return Estimate(value, low, high, "paired bootstrap over rows, Holm", 400)


def _measured(h: bool) -> list[Standing]:
    minilm, smol = ("minilm-l6",), ("smollm2-135m",)
    return [
        standing(
            "fine-tune", "Fine-tuned encoder" + (f" {SCRIPT}" if h else ""), "tuning", "best estimate", "It has the highest measured accuracy, and costs more than the recommended one.",
            (0.552, 0.748, 0.871, 0.921), loss=loss(0.0, 0.0, 0.0), latency_p50_s=0.0092, latency_p95_s=0.0148, cost_per_1k_usd=0.00048, fit_s=74.2,
            trainable_parameters=22_713_992, usage=Usage(61_440, 2_880_000, seconds=322.0, forward_flops=1.1e14, backward_flops=2.1e14), models=minilm, params={"model": "minilm-l6"},
        ),
        standing(
            "linear-probe", "Linear probe on embeddings", "embedding", "recommended", "The cheapest approach whose loss against the best is bounded within 2 points.",
            (0.641, 0.792, 0.868, 0.914), loss=loss(0.007, -0.006, 0.018), latency_p50_s=0.0031, latency_p95_s=0.0049, cost_per_1k_usd=0.00011, fit_s=0.42,
            trainable_parameters=3080, usage=Usage(2_440, 96_000, cached_tokens=61_000, seconds=18.4, forward_flops=1.6e12), models=minilm, params={"model": "minilm-l6"},
        ),
        standing(
            "embedding-knn", "Nearest neighbours" + (f" {LONG_LABEL}" if h else ""), "embedding", "worse", "It loses at least 1.4 points to the best.",
            (0.603, 0.741, 0.822, 0.878), loss=loss(0.043, 0.014, 0.069), latency_p50_s=0.0033, latency_p95_s=0.0052, cost_per_1k_usd=0.00012, fit_s=0.03, models=minilm,
        ),
        standing(
            "tfidf-logreg", "TF-IDF + logistic regression", "baseline", "worse", "It loses at least 4.2 points to the best.",
            (0.314, 0.522, 0.731, 0.845), loss=loss(0.076, 0.042, 0.109), latency_p50_s=0.00021, latency_p95_s=0.00034, cost_per_1k_usd=0.0000087, fit_s=0.06,
        ),
        standing(
            "prompt-few-shot", "Few-shot prompt" + (f" {BREAKOUT}" if h else ""), "prompting", "struck out", "Its p95 latency of 1.9 s is above the limit of 500 ms.",
            (0.588, 0.664), (16, 64), rows=100, loss=loss(0.257, 0.161, 0.352), latency_p50_s=1.31, latency_p95_s=1.92, cost_per_1k_usd=0.041, fit_s=2.8,
            usage=Usage(3_200, 4_100_000, cached_tokens=3_600_000, seconds=412.0, forward_flops=1.1e15), models=smol,
        ),
        standing(
            "embedding-zero-shot", "Embedding zero-shot" + (f" {RTL}" if h else ""), "embedding", "worse", "It loses at least 24 points to the best.",
            (0.648,), (0,), loss=loss(0.273, 0.241, 0.318), latency_p50_s=0.0030, latency_p95_s=0.0047, cost_per_1k_usd=0.00010, fit_s=0.02, models=minilm,
        ),
        standing(
            "prompt-zero-shot", "Zero-shot prompt" + (f" {MARKUP}" if h else ""), "prompting", "cannot tell", "100 rows are too few to bound its loss.",
            (0.472,), (0,), rows=100, loss=loss(0.449, -0.01, 0.512), latency_p50_s=0.38, latency_p95_s=0.61, cost_per_1k_usd=0.013, fit_s=0.0, models=smol,
        ),
        standing(
            "majority", "Majority label", "baseline", "worse", "A trivial baseline, shown for scale.",
            (0.148,), (0,), loss=loss(0.773, 0.73, 0.81), latency_p50_s=0.000004, latency_p95_s=0.000006, cost_per_1k_usd=0.0, fit_s=0.0, baseline=True,
        ),
    ]  # fmt: skip


def _unmeasured(h: bool) -> list[Standing]:
    return [
        Standing(
            "remote-prompt", {"model": "openai:some-model", "demonstrations": 8}, "Few-shot prompt, remote model", "prompting", "failed", "Every one of its trials failed.",
            key="key-remote-prompt", models=("openai:some-model",), local=False,
            errors=("ConnectError: the server at localhost:9 refused the connection." + (f" {SCRIPT} {ANSI}" if h else ""),),
        ),
        Standing("span-reader", {}, "Span reader", "tuning", "unsuited", "It gives span answers, and classification asks for label.", key="key-span-reader"),
    ]  # fmt: skip


def sample_verdict(hostile: bool = True) -> Verdict:
    """Eight measured approaches, one that failed and one unsuited. With `hostile`, strings that try to break out of HTML, SVG, rich and jinja."""
    h = hostile
    labels = ["billing", "cancel", "delivery", "login", "refund", "returns", "technical", LONG_LABEL if h else "warranty"]
    return Verdict(
        sentence="Use a linear probe on embeddings: accuracy 0.914 [0.88, 0.94] with 1,024 labels. It is at most 1.8 points below the best measured "
        "(a fine-tuned encoder), and costs a quarter as much to run." + (f" {SCRIPT}{TEMPLATE}" if h else ""),
        recommended="key-linear-probe",
        sure=True,
        best="key-fine-tune",
        standings=(*_measured(h), *_unmeasured(h)),
        doubts=(
            "Prompted approaches answered 100 of the 400 certify rows, so their intervals are wide.",
            "Two labels have fewer than 10 certify rows; macro-F1 rests on few examples of them." + (f" {MARKUP}" if h else ""),
            "Fine-tuning still gained 5 points from 256 to 1,024 labels: more labels may change the verdict.",
            "Latency was measured on a machine that other work shared.",
            "The few-shot prompt was measured at 16 and 64 labels only; its context holds no more demonstrations.",
        ),
        notes=(
            "The target column was inferred to be 'intent' (8 values)." + (f" {BREAKOUT}" if h else ""),
            "7 near-duplicates of test rows were dropped from train.",
        ),
        task={
            "name": f"support {SCRIPT}" if h else "support messages", "kind": "classification", "inputs": ["text"], "target": "intent", "labels": {"count": len(labels), "names": labels},
            "metric": "accuracy", "fingerprint": "9f0c3a1d27be4415", "source": f"data/{BREAKOUT}.csv" if h else "data/support.csv",
        },
        rows={"train": 1024, "select": 200, "calibrate": 0, "certify": 400},
        tolerance=0.02,
        constraints=Constraints(max_latency_p95_s=0.5),
        machine_price_usd_per_hour=0.13,
        rows_to_settle=None,
        winner_folder="runs/support messages/winner" if h else "runs/support/winner",
        spent=Usage(71_080, 7_480_000, 640, 3_661_000, 761.0, 1.3e15, 2.1e14, 0.0),
        seconds=598.0,
        budget="10m",
        provenance={
            "version": "0.1.0", "date": "2025-11-20T14:03:00Z", "platform": "Linux x86_64, Python 3.11.9", "seeds": [0, 1, 2],
            "models": {"minilm-l6": "sha256:53aa51172d142c89", "smollm2-135m": f"sha256:{TEMPLATE}" if h else "sha256:a1b57c92ee30f7d4"},
        },
        confusions=(
            {"target": "refund", "given": "returns", "count": 9},
            {"target": SCRIPT if h else "billing", "given": LONG_LABEL if h else "refund", "count": 6},
            {"target": RTL if h else "login", "given": "technical", "count": 4},
        ),
        handed_over={"n_labels": 1024, "seed": 0, "quality": estimate(0.914)},
    )  # fmt: skip


def bare_verdict() -> Verdict:
    """Nothing was feasible and nothing was measured: every optional field is None or empty."""
    return Verdict("Nothing could be measured: every approach failed.", None, False, None, (), (), (), {}, {}, 0.02, Constraints(), 0.0)


def none_verdict() -> Verdict:
    """Standings whose every optional field is None, and no recommendation."""
    return Verdict(
        "No approach meets the constraints.", None, False, None,
        (Standing("majority", {}, "Majority label", "baseline", "not measured", ""), Standing("fine-tune", {}, "Fine-tuned encoder", "tuning", "failed", "", errors=("",))),
        ("One doubt.",), (), {"name": "x", "labels": 3}, {"certify": 5}, 0.02, Constraints(local_only=True), 0.1, rows_to_settle=900, handed_over={"quality": None},
    )  # fmt: skip
