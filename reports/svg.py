"""A matplotlib figure as SVG that may stand inside an HTML page with a strict content security
policy.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from reports.plot import Plot
from reports.style import rendered

SVG = "{http://www.w3.org/2000/svg}"
XLINK = "{http://www.w3.org/1999/xlink}"
PX_PER_PT = 1.45  # the text of plots is then a little smaller than the page's
DROPPED = {f"{SVG}metadata", f"{SVG}style"}


def inline_svg(plot: Plot, prefix: str) -> str:
    """The plot as an <svg> element: ids begin with `prefix`, no style attribute, title and
    description for readers.

    The page sets the font of its text and `stroke-linejoin: round` for its lines.
    """
    root = ElementTree.fromstring(rendered(plot.figure, "svg"))

    for element in list(root.iter()):
        for child in [child for child in element if child.tag in DROPPED]:
            element.remove(child)
        _style_to_attributes(element)
        _prefix_ids(element, prefix)

    for name in ("width", "height"):
        length_pt = float(root.attrib[name].removesuffix("pt"))
        root.attrib[name] = f"{PX_PER_PT * length_pt:.0f}"

    title, text = f"{prefix}-title", f"{prefix}-text"
    root.attrib |= {"role": "img", "aria-labelledby": f"{title} {text}"}
    root.insert(0, _told("title", title, plot.title))
    root.insert(1, _told("desc", text, plot.text))

    ElementTree.register_namespace("", SVG[1:-1])
    return ElementTree.tostring(root, encoding="unicode")


def _told(tag: str, element_id: str, text: str) -> ElementTree.Element:
    """An element that screen readers read aloud."""
    element = ElementTree.Element(f"{SVG}{tag}", {"id": element_id})
    element.text = text
    return element


def _style_to_attributes(element: ElementTree.Element) -> None:
    for declaration in filter(None, element.attrib.pop("style", "").split(";")):
        name, value = (part.strip() for part in declaration.split(":", 1))
        if name != "font-family":
            element.set(name, value)


def _prefix_ids(element: ElementTree.Element, prefix: str) -> None:
    if "id" in element.attrib:
        element.set("id", f"{prefix}-{element.attrib['id']}")

    href = element.attrib.pop(f"{XLINK}href", None)
    if href is not None:
        element.set("href", f"#{prefix}-{href[1:]}")

    for name, value in element.attrib.items():
        element.set(name, re.sub(r"url\(#", f"url(#{prefix}-", value))
