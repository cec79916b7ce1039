"""Vega-Lite → SVG that can stand in a page: titled, with ids of its own, nothing fetched, nothing that a screen reader reads twice."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any
from xml.etree import ElementTree

SVG = "http://www.w3.org/2000/svg"


def to_svg(chart: Any) -> ElementTree.Element:
    """An Altair chart drawn as an SVG tree."""
    import vl_convert

    return ElementTree.fromstring(vl_convert.vegalite_to_svg(chart.to_dict(validate=False)))


def recolour(root: ElementTree.Element, colours: Mapping[str, str]) -> ElementTree.Element:
    """A copy with every fill and stroke that `colours` names replaced: the same drawing in another theme."""
    root = deepcopy(root)
    for element in root.iter():
        for attribute in ("fill", "stroke"):
            colour = element.get(attribute, "")
            if colour in colours:
                element.set(attribute, colours[colour])
    return root


def finish(root: ElementTree.Element, *, name: str, title: str, description: str, standalone: bool) -> str:
    """The tree (changed on the way) as text, labelled for screen readers; `name` prefixes every id. Standalone files keep their namespace."""
    _named(root, name)
    for tag, text, place in (("title", title, 0), ("desc", description, 1)):
        child = ElementTree.Element(f"{{{SVG}}}{tag}", {"id": f"{name}-{tag}"})
        child.text = text
        root.insert(place, child)
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    root.attrib.pop("version", None)
    return _text(root, standalone)


def embed(text: str, name: str) -> str:
    """A finished SVG file as markup to stand in a page: ids of its own, no namespace. Raises `ElementTree.ParseError` if it is not well formed."""
    root = ElementTree.fromstring(text)
    labels, label = root.get("aria-labelledby", "").split(), root.get("aria-label", "")
    ids = _named(root, name)
    root.set("role", "img")
    if labels:
        root.set("aria-labelledby", " ".join(ids[each] for each in labels if each in ids))
    elif label:
        root.set("aria-label", label)
    return _text(root, standalone=False)


def _named(root: ElementTree.Element, name: str) -> dict[str, str]:
    """Every id becomes `name` and a number, in order, wherever it is used; roles, classes and labels go. Returns old id → new."""
    ids = {old: f"{name}-{i}" for i, old in enumerate(dict.fromkeys(e.get("id", "") for e in root.iter() if e.get("id")))}
    for element in root.iter():
        for attribute, value in list(element.attrib.items()):
            if attribute == "id":
                element.set("id", ids[value])
            elif attribute.endswith("href") and value.startswith("#"):
                element.set(attribute, f"#{ids.get(value[1:], '')}")
            elif "url(#" in value:
                element.set(attribute, re.sub(r"url\(#([^)]*)\)", lambda m: f"url(#{ids.get(m[1], '')})", value))
            elif attribute in ("role", "class") or attribute.startswith("aria-"):
                del element.attrib[attribute]
    return ids


def _text(root: ElementTree.Element, standalone: bool) -> str:
    ElementTree.register_namespace("", SVG)
    text = ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)
    return text if standalone else re.sub(r' xmlns(:\w+)?="[^"]*"', "", text, count=2)
