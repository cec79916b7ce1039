"""A head and a relation for each token: biaffine scores over the tokens' first sub-tokens and a root vector of its own.

Dozat and Manning 2017 (arXiv:1611.01734, section 3): a layer each for dependents and heads, of arcs and of relations, then a biaffine
product. Both are trained by cross-entropy, relations at the true head. The best tree with one root is decoded (`tree`), and each of
its arcs gets its best relation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch.nn.functional import cross_entropy, leaky_relu, pad

from fieldguide.approaches.tuning.heads import SEQUENCES
from fieldguide.approaches.tuning.heads.head import Example, Head, States
from fieldguide.approaches.tuning.heads.sequences import Sequencer
from fieldguide.approaches.tuning.heads.tree import best_tree
from fieldguide.records import Inputs, Prediction
from fieldguide.tasks.kinds.forms import TokensKind
from fieldguide.tasks.task import TaskSpec

ARC, RELATION = 256, 100  # widths of a token's layers; D below is the sum of all four
SLOPE = 0.1  # of the leaky ReLU


class ParseHead(Head):
    def __init__(self, task: TaskSpec, hidden: int, dropout: float) -> None:
        super().__init__(task, hidden, dropout)
        self.root = torch.nn.Parameter(torch.empty(1, hidden))
        self.layer = torch.nn.Linear(hidden, 2 * (ARC + RELATION))
        self.arc = torch.nn.Parameter(torch.empty(ARC + 1, ARC))
        self.relation = torch.nn.Parameter(torch.empty(len(task.labels), RELATION + 1, RELATION + 1))

    def examples(
        self, task: TaskSpec, inputs: Sequence[Inputs], sequencer: Sequencer, targets: Sequence[Any] | None = None, seed: int = 0
    ) -> list[Example]:
        """One a row, whatever its windows. Rows too long to train on are left out, since their arcs lead anywhere."""
        reader, number = cast(TokensKind, task.reader), {relation: i for i, relation in enumerate(task.labels)}
        found = []
        for i, row in enumerate(inputs):
            parts = sequencer.words(reader.tokens(task, row))
            places = [(k, place) for k, part in enumerate(parts) for place in part.places]
            goal = None if targets is None else [(head, number[relation]) for head, relation in targets[i]]
            if goal is None or (goal and len(parts) <= SEQUENCES["parse"].trained):
                found.append(Example(i, tuple(part.sequence for part in parts), goal, places))
        return found

    def forward(self, states: States, examples: Sequence[Example]) -> list[torch.Tensor]:
        """(1 + tokens, D) each, the root first: what its dependents' and heads' layers make of each."""
        starts, found = 0, []
        for example in examples:
            windows, places = [starts + k for k, _ in example.places], [place for _, place in example.places]
            found += [self.root, states.hidden[windows, places]]
            starts += len(example.sequences)
        layers = self.dropout(leaky_relu(self.layer(self.dropout(torch.cat(found))), SLOPE))
        return list(layers.split([1 + len(example.places) for example in examples]))

    def arcs(self, layers: torch.Tensor) -> torch.Tensor:
        """(tokens, 1 + tokens): scores of each token's heads, the root first; a token is not its own head."""
        dependents, heads = layers[1:, :ARC], layers[:, ARC : 2 * ARC]
        scores = dependents @ self.arc[1:] @ heads.T + self.arc[0] @ heads.T
        own = torch.ones_like(scores, dtype=torch.bool).tril(1).triu(1)
        return scores.masked_fill(own, -torch.inf)

    def relations(self, layers: torch.Tensor, heads: Sequence[int]) -> torch.Tensor:
        """(tokens, K): scores of each token's relation to a given head."""
        dependents, above = layers[1:, 2 * ARC : -RELATION], layers[list(heads), -RELATION:]
        return torch.einsum("td,kde,te->tk", pad(dependents, (0, 1), value=1.0), self.relation, pad(above, (0, 1), value=1.0))

    def loss(self, outputs: Sequence[torch.Tensor], examples: Sequence[Example]) -> torch.Tensor:
        """The mean over all tokens of both cross-entropies' sum."""
        total, tokens = [], 0
        for output, example in zip(outputs, examples, strict=True):
            layers, (heads, relations) = output.to(self.root.device), zip(*example.target, strict=True)
            total.append(cross_entropy(self.arcs(layers), torch.tensor(heads, device=layers.device), reduction="sum"))
            total.append(cross_entropy(self.relations(layers, heads), torch.tensor(relations, device=layers.device), reduction="sum"))
            tokens += len(heads)
        return torch.stack(total).sum() / tokens

    def score(self, outputs: Sequence[torch.Tensor], examples: Sequence[Example]) -> tuple[float, ...]:
        """The share of tokens whose best head and best relation are right, before a tree is made of them, then minus the loss."""
        right: list[bool] = []
        for output, example in zip(outputs, examples, strict=True):
            layers, (heads, relations) = output.to(self.root.device), zip(*example.target, strict=True)
            best = zip(self.arcs(layers).argmax(1).tolist(), self.relations(layers, heads).argmax(1).tolist(), strict=True)
            right += [own == true for own, true in zip(best, zip(heads, relations, strict=True), strict=True)]
        return sum(right) / len(right), -float(self.loss(outputs, examples))

    @torch.inference_mode()
    def answer(self, task: TaskSpec, inputs: Inputs, outputs: Sequence[torch.Tensor], examples: Sequence[Example]) -> Prediction:
        layers = outputs[0].to(self.root.device)
        heads = best_tree(pad(self.arcs(layers), (0, 0, 1, 0)).cpu().numpy())
        relations = self.relations(layers, heads).argmax(1).tolist() if heads else []
        return Prediction([[head, task.labels[relation]] for head, relation in zip(heads, relations, strict=True)])

