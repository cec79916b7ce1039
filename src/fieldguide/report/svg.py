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
    ElementTree.register_namespace("", SVG)
    for element in root.iter():
        for attribute, value in list(element.attrib.items()):
            if attribute == "id":
                element.set("id", f"{name}-{value}")
            elif "url(#" in value:
                element.set(attribute, value.replace("url(#", f"url(#{name}-"))
            elif attribute in ("role", "class") or attribute.startswith("aria-"):
                del element.attrib[attribute]
    for tag, text, place in (("title", title, 0), ("desc", description, 1)):
        child = ElementTree.Element(f"{{{SVG}}}{tag}", {"id": f"{name}-{tag}"})
        child.text = text
        root.insert(place, child)
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    root.attrib.pop("version", None)
    text = ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)
    return text if standalone else re.sub(r' xmlns(:\w+)?="[^"]*"', "", text, count=2)
