"""A report as one HTML page: no script, no outside resource; made as a tree, so that whatever a text holds stays text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from luosi.report.content import Asked, Content, Table
from luosi.report.picture import HEIGHT, WIDTH, Line, Mark, Picture, Text, picture

_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")

STYLE = """
:root{color-scheme:light}
*{box-sizing:border-box}
body{margin:0 auto;padding:2.2rem 1.4rem 4rem;max-width:62rem;color:#1c2733;background:#fff;
 font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif}
h1{font-size:1.65rem;line-height:1.25;margin:0}
h2{font-size:1.15rem;margin:2.4rem 0 .6rem;padding-bottom:.25rem;border-bottom:1px solid #dfe5ec}
p{margin:.4rem 0}
.small,small{color:#5c6b7a;font-size:.86rem}
.lead{font-size:1.16rem;line-height:1.5;margin:.5rem 0;padding:.9rem 1.1rem;border-left:4px solid #0b63a5;background:#f2f6fa}
ul{margin:.4rem 0;padding-left:1.2rem}
li{margin:.25rem 0}
svg{display:block;width:100%;height:auto;max-width:50rem}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.86rem;font-variant-numeric:tabular-nums}
th,td{padding:.4rem .5rem;border-bottom:1px solid #e3e8ee;text-align:right;vertical-align:top;white-space:pre-line}
th{color:#5c6b7a;font-weight:600;vertical-align:bottom}
th:first-child,td:first-child{text-align:left;min-width:9rem}
td:not(:first-child){white-space:pre}
tr.last td{font-weight:600}
.asked{margin:1.1rem 0}
.asked h3{font-size:1rem;margin:0;white-space:pre-wrap;overflow-wrap:anywhere}
.said{display:grid;grid-template-columns:10.5rem 4.2rem 1fr;gap:.1rem .7rem;padding:.28rem 0;border-top:1px solid #eef1f5}
.said p{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}
.said .text{grid-column:3}
.said small{grid-column:3}
.right{color:#1d6b3c;font-weight:600}
.partly{color:#8a5a00;font-weight:600}
.wrong{color:#a3253f;font-weight:600}
.ai{border:1px solid #d9c48b;background:#fdf8e8;padding:.5rem .8rem;border-radius:4px}
@media (max-width:40rem){.said{grid-template-columns:1fr 4.2rem}.said .text,.said small{grid-column:1/3}}
@page{size:A4;margin:16mm 14mm}
@media print{body{padding:0;max-width:none;font-size:10pt}.wide{overflow:visible}table{font-size:7.6pt}
 thead{display:table-header-group}svg{max-width:152mm}tr,svg,.lead,.said,.ai{break-inside:avoid}h2,h3,.asked .small,.ai{break-after:avoid}}
"""


def html(content: Content) -> bytes:
    """The page, UTF-8."""
    words = content.words
    root = Element("html", lang="zh-Hans" if words.language == "zh" else "en")
    head, body = SubElement(root, "head"), SubElement(root, "body")
    SubElement(head, "meta", charset="utf-8")
    SubElement(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    SubElement(head, "meta", name="generator", content="Luosi; contains AI-generated content")
    _add(head, "title", f"{content.title}: {content.subtitle}")
    SubElement(head, "style").text = STYLE
    _add(body, "h1", content.title)
    _add(body, "p", content.subtitle, "small")
    _add(body, "h2", words("advice"))
    _add(body, "p", content.lead, "lead")
    if content.reasons:
        _add(body, "p", words("why"), "small")
        _list(body, content.reasons)
    _picture(body, picture(content.routes, words), content)
    _table(body, words("routes"), content.table)
    if content.findings:
        _add(body, "h2", words("findings"))
        _list(body, content.findings)
    if content.marking:
        _table(body, words("marking"), content.marking)
    if content.scores:
        _table(body, words("scores"), content.scores)
    if content.bill:
        _table(body, words("bill"), content.bill, total=True)
    if content.questions:
        _add(body, "h2", words("questions"))
        _add(body, "p", words("ai"), "ai")
        for asked in content.questions:
            _asked(body, asked)
    _add(body, "h2", words("notes"))
    _list(body, content.notes)
    page: bytes = tostring(root, encoding="utf-8", method="html")
    return b"<!doctype html>\n" + page + b"\n"


def _add(parent: Element, tag: str, text: str = "", style: str = "") -> Element:
    child = SubElement(parent, tag, {"class": style} if style else {})
    child.text = _NOT_TEXT.sub("\ufffd", text)
    return child


def _list(parent: Element, lines: Iterable[str]) -> None:
    whole = SubElement(parent, "ul")
    for line in lines:
        _add(whole, "li", line)


def _table(parent: Element, title: str, table: Table, *, total: bool = False) -> None:
    _add(parent, "h2", title)
    whole = SubElement(SubElement(parent, "div", {"class": "wide"}), "table")
    heads = SubElement(SubElement(whole, "thead"), "tr")
    for head in table.heads:
        _add(heads, "th", head).set("scope", "col")
    rows = SubElement(whole, "tbody")
    for number, cells in enumerate(table.rows, 1):
        row = SubElement(rows, "tr", {"class": "last"} if total and number == len(table.rows) else {})
        for cell in cells:
            _add(row, "td", cell)


def _asked(parent: Element, asked: Asked) -> None:
    whole = SubElement(parent, "section", {"class": "asked"})
    _add(whole, "h3", f"{asked.number}. {asked.prompt}")
    for fact in asked.facts:
        _add(whole, "p", fact, "small")
    for said in asked.answers:
        row = SubElement(whole, "div", {"class": "said"})
        _add(row, "p", said.who)
        _add(row, "p", said.mark, said.tone)
        _add(row, "p", said.text, "text")
        if said.note:
            _add(row, "small", said.note)


def _picture(parent: Element, drawn: Picture | None, content: Content) -> None:
    words = content.words
    if drawn is None:
        return
    _add(parent, "h2", words("picture"))
    parent.append(svg(drawn.shapes, words("picture")))
    _add(parent, "p", words("picture_hint"), "small")
    if drawn.absent:
        _add(parent, "p", words("not_drawn", names=", ".join(drawn.absent)), "small")


def svg(shapes: Sequence[Line | Mark | Text], title: str) -> Element:
    """The picture as an `svg` element."""
    root = Element("svg", viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}", role="img")
    _add(root, "title", title)
    for shape in shapes:
        if isinstance(shape, Line):
            ends = {"x1": shape.x1, "y1": shape.y1, "x2": shape.x2, "y2": shape.y2, "stroke-width": shape.width}
            SubElement(root, "line", {**_numbers(ends), "stroke": shape.colour})
        elif isinstance(shape, Mark):
            _mark(root, shape)
        else:
            given = {
                **_numbers({"x": shape.x, "y": shape.y, "font-size": shape.size}),
                "fill": shape.colour,
                "text-anchor": shape.anchor,
            }
            if shape.turned:
                given["transform"] = f"rotate(-90 {shape.x:g} {shape.y:g})"
            SubElement(root, "text", given).text = _NOT_TEXT.sub("\ufffd", shape.words)
    return root


def _mark(root: Element, mark: Mark) -> None:
    if mark.kind == "square":
        side = {
            "x": mark.x - mark.radius,
            "y": mark.y - mark.radius,
            "width": 2 * mark.radius,
            "height": 2 * mark.radius,
        }
        SubElement(root, "rect", {**_numbers(side), "fill": mark.colour})
        return
    circle = _numbers({"cx": mark.x, "cy": mark.y, "r": mark.radius})
    paint = (
        {"fill": "none", "stroke": mark.colour, "stroke-width": "1.4"} if mark.kind == "ring" else {"fill": mark.colour}
    )
    SubElement(root, "circle", {**circle, **paint})


def _numbers(values: dict[str, float]) -> dict[str, str]:
    return {name: f"{round(value, 2):g}" for name, value in values.items()}
