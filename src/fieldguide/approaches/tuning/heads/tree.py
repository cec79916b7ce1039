"""The best dependency tree: the maximum spanning arborescence with one child of the root, by Chu–Liu and Edmonds.

Chu and Liu 1965, Edmonds 1967; for parsing McDonald et al. 2005 (HLT/EMNLP). Places count the root as 0 and tokens from 1.
"""

from __future__ import annotations

import numpy as np


def best_tree(scores: np.ndarray) -> list[int]:
    """The head of each token in the tree with the greatest sum of scores among those with exactly one child of the root.

    `scores` (n + 1, n + 1): [dependent, head], row 0 and the diagonal unused, what is not finite read as 0. A bonus against each edge from the root that no
    other edges can make up for leaves one of them, so that the plain algorithm finds the best such tree.
    """
    scores = np.nan_to_num(scores.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    if len(scores) < 2:
        return []
    span = float(np.ptp(scores[1:]))
    scores[1:, 0] -= (span + 1.0) * len(scores)
    return arborescence(scores)[1:].tolist()


def arborescence(scores: np.ndarray) -> np.ndarray:
    """(nodes,) the head of each node but the root, 0, in the best spanning arborescence; the root's own is −1.

    Every node takes its best head; while that makes a cycle, the cycle becomes one node, in which an edge from outside is worth what
    it adds to the edge that it drives out. Undone from the last, each cycle keeps all its edges but that one.
    """
    weights = scores.astype(np.float64)
    np.fill_diagonal(weights, -np.inf)
    weights[0] = -np.inf
    size = len(weights)
    alive = np.arange(size)
    dependent, head = (np.array(index) for index in np.indices((size, size)))  # the edge of `scores` behind each edge
    inside = [{node} for node in range(size)]  # nodes of `scores` that have become this one
    merged: list[list[tuple[set[int], int, int]]] = []
    best = weights.argmax(axis=1)
    while len(cycle := _cycle(best, alive)):
        merged.append([(inside[i], int(dependent[i, best[i]]), int(head[i, best[i]])) for i in cycle.tolist()])
        others, whole = np.setdiff1d(alive, cycle), int(cycle[0])
        into = weights[np.ix_(cycle, others)] - weights[cycle, best[cycle]][:, None]  # (cycle, others)
        out = weights[np.ix_(others, cycle)]  # (others, cycle)
        entered, left = cycle[into.argmax(axis=0)], cycle[out.argmax(axis=1)]
        edges = [(edge[entered, others], edge[others, left]) for edge in (dependent, head)]
        for edge, (coming, going) in zip((dependent, head), edges, strict=True):
            edge[whole, others], edge[others, whole] = coming, going
        weights[whole, others], weights[others, whole] = into.max(axis=0), out.max(axis=1)
        inside[whole] = set().union(*(inside[i] for i in cycle.tolist()))
        alive = np.append(others, whole)
        best[others[np.isin(best[others], cycle)]] = whole  # their best edge leaves the cycle still
        best[whole] = others[into.max(axis=0).argmax()]
    heads = np.full(size, -1)
    for node in alive[alive != 0]:
        heads[dependent[node, best[node]]] = head[node, best[node]]
    for parts in reversed(merged):
        for nodes, own, its in parts:
            if all(heads[node] < 0 for node in nodes):
                heads[own] = its
    return heads


def _cycle(best: np.ndarray, alive: np.ndarray) -> np.ndarray:
    """The nodes of some cycle among the edges node → best[node]; none if all lead to the root."""
    seen = {0}
    for start in alive.tolist():
        path, node = [], start
        while node not in seen:
            seen.add(node)
            path.append(node)
            node = int(best[node])
        if node in path:
            return np.array(path[path.index(node) :])
    return np.array([], dtype=np.int64)
