"""What a network costs, and how passes through a lent copy of it are metered.

Legend: B batch rows, L tokens in a row.
"""

from __future__ import annotations

import copy
import re
import time
from dataclasses import dataclass
from typing import Any

import torch

from fieldguide.models import meter
from fieldguide.records import Usage

IGNORED = -100
"""The label of a place without a target, in transformers and PyTorch."""


@dataclass(frozen=True)
class Size:
    """Parameters of a network, by the work they do."""

    total: int
    body: int
    """Those multiplied for every token: all but embeddings (looked up) and the projection to the vocabulary."""
    head: int
    """Those of the projection to the vocabulary, multiplied where a token is predicted; shared with the embeddings or not."""


def size_of(module: Any) -> Size:
    total = sum(p.numel() for p in module.parameters())
    looked_up = {id(m.weight): m.weight.numel() for m in module.modules() if isinstance(m, torch.nn.Embedding)}
    projection = module.get_output_embeddings() if hasattr(module, "get_output_embeddings") else None
    weight = getattr(projection, "weight", None)
    head = weight.numel() if weight is not None else 0
    own = head if weight is not None and id(weight) not in looked_up else 0
    return Size(total, total - sum(looked_up.values()) - own, head)


@dataclass(frozen=True)
class Halves:
    """Parameters of an encoder–decoder, by the tokens that are multiplied with them; the projection to the vocabulary is in neither."""

    encoder: int
    """For each encoder token: the encoder, and the decoder's keys and values over it."""
    decoder: int
    """For each decoder token: the rest of the decoder."""
    across: int
    """The decoder's keys and values over encoder tokens, which `encoder` counts too."""

    def flops(self, encoded: int, decoded: int) -> float:
        return 2.0 * (self.encoder * encoded + self.decoder * decoded)


def halves_of(module: Any) -> Halves:
    encoder, decoder = size_of(module.get_encoder()).body, size_of(module.get_decoder()).body
    across = sum(
        p.numel()
        for name, p in module.get_decoder().named_parameters()
        if re.search(r"(EncDecAttention|encoder_attn|cross_attn|cross_attention)\.(k|v|k_proj|v_proj|key|value)\.", name)
    )
    return Halves(encoder + across, decoder - across, across)


def metered_copy(module: torch.nn.Module, compute_parameters: int, decoder_parameters: int = 0) -> torch.nn.Module:
    """A copy to tune or to look inside. Each forward pass through it is recorded in the open meters.

    A row counts as a call, and a real token (by the attention mask) as 2 × `compute_parameters` operations, with 4 × more for
    the backward pass where the copy is being trained (Kaplan et al. 2020, section 2.1). With `decoder_parameters` the module is an
    encoder–decoder: its decoder's tokens count too, each with so many parameters. The spend limit is checked before each pass.
    Copies of the copy are metered too; saving its state leaves the hooks out.
    """
    lent = copy.deepcopy(module)
    lent.requires_grad_(True)
    started: list[float] = []

    def before(mod: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        rows, tokens = _batch(args, kwargs)
        written = 0
        if decoder_parameters:
            rows, written = _decoded(kwargs, rows, tokens)
        meter.check(rows)
        multiplied = float(compute_parameters * tokens + decoder_parameters * written)
        trains = torch.is_grad_enabled() and mod.training and any(p.requires_grad for p in mod.parameters())
        meter.record(
            Usage(
                calls=rows,
                prompt_tokens=tokens + written,
                forward_flops=2.0 * multiplied,
                backward_flops=4.0 * multiplied if trains else 0.0,
            )
        )
        started.append(time.perf_counter())

    def after(mod: torch.nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if started:
            meter.record(Usage(seconds=time.perf_counter() - started.pop()))

    lent.register_forward_pre_hook(before, with_kwargs=True)
    lent.register_forward_hook(after)
    return lent


def _batch(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[int, int]:
    """(rows, real tokens) of a forward pass called in the way of transformers' models."""
    mask = kwargs.get("attention_mask", args[1] if len(args) > 1 else None)
    inputs = kwargs.get("input_ids", args[0] if args else None)
    inputs = inputs if inputs is not None else kwargs.get("inputs_embeds")
    if not isinstance(inputs, torch.Tensor):
        return 1, 0
    rows, length = inputs.shape[0], inputs.shape[1]  # (B, L) or (B, L, width)
    whole = isinstance(mask, torch.Tensor) and mask.dim() == 2 and tuple(mask.shape) == (rows, length)
    return rows, int(mask.sum()) if whole else rows * length  # type: ignore[union-attr]


def _decoded(kwargs: dict[str, Any], rows: int, tokens: int) -> tuple[int, int]:
    """(rows, real decoder tokens) of a pass through an encoder–decoder: those given, or its labels, or else its inputs moved by one."""
    given, mask, labels = (kwargs.get(name) for name in ("decoder_input_ids", "decoder_attention_mask", "labels"))
    if isinstance(given, torch.Tensor):
        return given.shape[0], int(mask.sum()) if isinstance(mask, torch.Tensor) and mask.shape == given.shape else given.numel()
    if isinstance(labels, torch.Tensor):
        return labels.shape[0], int((labels != IGNORED).sum())
    return rows, tokens
