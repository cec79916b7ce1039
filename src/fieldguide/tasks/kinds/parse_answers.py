"""Dependency parses as models write them: a line a token, CoNLL-U, JSON, or Stanford's relation(head-1, token-2)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fieldguide.tasks.kinds.token_answers import Find, Pairs, fold, json_in, lookup, one_of, scanned, unwrapped

Arc = list[Any]
"""[head, relation]: heads count from 1, 0 is the root."""
HEAD_KEYS = frozenset({"head", "head_id", "heads", "parent"})
RELATION_KEYS = frozenset({"deprel", "deprels", "relation", "relations", "rel", "label", "dep"})
TOKEN_KEYS, PLACE_KEYS = frozenset({"token", "word", "form", "text"}), frozenset({"id", "index", "number", "place"})
HEAD = r"(?:(?i:head|parent)[\W_]{1,5})?(\d{1,4}|(?i:root)(?=[\W_]+(?i:root)\b))(?:[\W_]{1,5}(?i:deprel|relation|rel|label))?"


def arcs_in(tokens: Sequence[str], relations: Sequence[str], text: str) -> list[list[Arc]]:
    """The different ways in which a text gives each token a head and a relation."""
    find = lookup(relations)
    if (said := json_in(text)) is not None:
        readings = [_from_json(tokens, find, said)]
    else:
        readings = [_from_conll(tokens, find, text), _from_triples(tokens, find, text)]
        after = f"{HEAD}[\\W_]{{1,20}}?({one_of(relations)})"
        for numbered in (True, False):
            for named in (True, False):
                found = scanned(tokens, after, text, numbered=numbered, named=named)
                readings.append([[int(head) if head.isdecimal() else 0, find(name)] for head, name in found] if found else None)
    return [reading for i, reading in enumerate(readings) if reading is not None and reading not in readings[:i]]


def _from_conll(tokens: Sequence[str], find: Find, text: str) -> list[Arc] | None:
    """CoNLL-X and CoNLL-U: ten columns, of which the first two are number and token, the seventh and eighth head and relation."""
    arcs: list[Arc] = []
    for line in text.split("\n"):
        cells = line.strip().split("\t") if "\t" in line else line.split()
        if not line.strip() or line.startswith("#") or re.fullmatch(r"\d+-\d+", cells[0]):
            continue
        i = len(arcs)
        if i == len(tokens) or len(cells) < 8 or cells[0] != str(i + 1) or fold(cells[1]) != fold(tokens[i]) or not cells[6].isdecimal():
            return None
        arcs.append([int(cells[6]), find(cells[7])])
    return arcs if len(arcs) == len(tokens) and all(relation for _, relation in arcs) else None


def _from_triples(tokens: Sequence[str], find: Find, text: str) -> list[Arc] | None:
    """Stanford's way: nsubj(reminds-2, It-1), in any order."""
    found = re.findall(r"([\w:]{1,40})\(([^\s()]{1,100})-(\d{1,4}), ?([^\s]{1,100})-(\d{1,4})\)", text)
    if len(found) != len(tokens) or sorted(int(own) for *_, own in found) != list(range(1, len(tokens) + 1)):
        return None
    arcs: list[Arc] = [[0, None]] * len(tokens)
    for name, over, head, token, own in found:
        known = int(head) == 0 or (int(head) <= len(tokens) and fold(over) == fold(tokens[int(head) - 1]))
        if not known or fold(token) != fold(tokens[int(own) - 1]):
            return None
        arcs[int(own) - 1] = [int(head), find(name)]
    return arcs if all(relation for _, relation in arcs) else None


def _from_json(tokens: Sequence[str], find: Find, said: Any) -> list[Arc] | None:
    """[[2, "nsubj"], …], or objects with a head and a relation each, or one object with a list of each."""
    said = unwrapped(said)
    if isinstance(said, Pairs):
        heads, names = ([value for key, value in said if key.casefold() in keys and isinstance(value, list)] for keys in (HEAD_KEYS, RELATION_KEYS))
        rows: list[Any] = list(zip(heads[0], names[0], strict=True)) if len(heads) == len(names) == 1 and len(heads[0]) == len(names[0]) else []
    else:
        rows = [_row(tokens, i, part) for i, part in enumerate(said)] if isinstance(said, list) and len(said) == len(tokens) else []
    arcs = [[head, find(name)] for head, name in filter(None, rows) if type(head) is int and isinstance(name, str)]
    return arcs if len(arcs) == len(tokens) == len(rows) and all(relation for _, relation in arcs) else None


def _row(tokens: Sequence[str], i: int, part: Any) -> tuple[Any, Any] | None:
    """Head and relation from one object, [head, relation], [token, head, relation] or [number, token, head, relation]."""
    if isinstance(part, Pairs):
        asked = (HEAD_KEYS, RELATION_KEYS, TOKEN_KEYS, PLACE_KEYS)
        heads, names, words, places = ([value for key, value in part if key.casefold() in keys] for keys in asked)
        if len(heads) != 1 or len(names) != 1 or places not in ([], [i + 1]) or any(fold(str(word)) != fold(tokens[i]) for word in words):
            return None
        return heads[0], names[0]
    if not isinstance(part, list) or not 2 <= len(part) <= 4 or part[:-2] not in ([], [tokens[i]], [i + 1, tokens[i]], [i + 1]):
        return None
    return part[-2], part[-1]
