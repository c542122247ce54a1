"""Questions made by rules from the structure that texts have: questions and answers, terms with definitions, records, tables, articles of
laws, sections, sentences that define, sentences with one number. English and Chinese. Knows no model and decides nothing: filters do.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from luosi.artifacts import Passage
from luosi.retrieval.prompt import is_chinese
from luosi.stages.pairs.candidate import Candidate, plain
from luosi.text.hashing import generator


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


LABELS = _set(
    "note notes example examples warning caution tip hint see remark remarks important usage default returns parameters args arguments "
    "raises source references reference http https e.g i.e question answer q a table figure fig summary abstract todo "
    "注 注意 说明 备注 例 例如 示例 提示 警告 见 参见 来源 如下 问 答 图 表 摘要"
)
"""What stands before a colon without being a term."""

_TITLES = _set("name title term subject topic product item 名称 标题 姓名 主题 术语 条目 品名")
_MEANINGS = _set("def definition description meaning summary 定义 释义 说明 描述 含义 简介")
_NOT_A_SUBJECT = _set(
    "it this these those that there he she they we you i what which who if when where how each all any such here one another both some most "
    "many neither either nothing everything something as in on at by for from to with under and or but not no then "
    "its their his her our your following above"
)
_DEFINED = re.compile(
    r"^(?:[-*•·]\s+)?(?:\*\*|__)?[\"“「《]?(?P<term>[^\W_][^:：|\n\t]{0,60}?)[\"”」》]?(?:\*\*|__)?"
    r"\s*(?:[:：](?=\s|[^\x00-\x7f/])|\s[—–-]\s)\s*(?P<body>\S.{12,})$"
)
_FIELD = re.compile(r"^(?P<key>[^\W\d_][\w -]{0,30}?)\s*[:：]\s*(?P<value>\S.*)$")
_QUOTED = re.compile(r'^"(?P<text>(?:[^"\\]|\\.)*)"(?:\s.*)?$')
_SENTENCE = re.compile(r"(?<=[.!?])[\"”')]*\s+(?=[\"“(]?[A-Z0-9])|(?<=[。！？])|\n\s*\n")
_IS = re.compile(
    r"^(?:(?P<article>An?|The)\s+)?[\"“]?(?P<term>[^\W\d_][\w’'()/-]*(?: [\w’'()/-]+){0,5}?)[\"”]?\s+"
    r"(?P<verb>(?:is|are)(?= (?:an?|the|any|one) )|(?:shall )?means?|refers? to|denotes?|(?:is|are) defined as)\s\S"
)
_IS_CHINESE = re.compile(
    r"^(?:本[^，。]{1,4}所?称的?)?[“「]?(?P<term>[^，。；：、\s“”「」（）()]{2,20})[”」]?(?:，|,)?(?:是指|系指|指的是|，指|定义为)\S"
)
_ARTICLE = re.compile(
    r"^\s*(?P<number>第[一二三四五六七八九十百千零〇0-9]{1,9}条)(?:\s|　|【[^】]*】)*(?P<text>\S.*)$", re.S
)
_NUMBER = re.compile(r"(?<= )(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?: ?%)?(?=[ ,;.!?]|$)(?!\.\d)")
_HAN_NUMBER = re.compile(
    r"(?<![第上下同每这那其当\d一二三四五六七八九十百千万])[一二三四五六七八九十百千万两\d]+(?:年|个月|日|天|小时|万元|元|倍|次|％|%)"
)
_NAMES_A_PLACE = re.compile(
    r"(?:section|article|figure|fig\.?|table|version|chapter|paragraph|clause|page|no\.?|part|step|appendix|note)$",
    re.I,
)
_ITEM = re.compile(r"^(?:第[^条 　]{1,9}条\s*|[\d.]+\s+|[（(]?[a-z\d一二三四五六七八九十]{1,3}[)）、]\s*|[-*•·]\s+)")
_LISTS = re.compile(r"(?:为|包括|包含|如下|有|是|设.{1,3})$")
"""How a Chinese clause before a colon ends that counts things up and names none."""
_NO_PROSE = re.compile(r"\w:\S|[=_|]|://")
_CODE = re.compile(r"^[\w-]+:\S|\w://")
_CELLS = re.compile(r"\s*\|\s*|\t+")
_RULER = re.compile(r"^[\s|:=+-]+$")

TITLE = "# "
"""Before a section's title among the lines of the passage that begins with it."""

Rule = Callable[[Passage, Sequence[str]], Iterator[tuple[str, str]]]
"""(passage, its lines) -> (question, answer)."""


class Words(NamedTuple):
    """Ways to ask for the same, one of which is drawn: a model is to answer whichever a person chooses."""

    english: tuple[str, ...]
    chinese: tuple[str, ...]


MEANING = Words(
    ("What is {0}?", "What does {0} mean?", "How is {0} defined?"), ("什么是{0}？", "{0}是什么？", "{0}指什么？")
)
FIELD = Words(("What is the {1} of {0}?",), ("{0}的{1}是什么？", "{0}的{1}为何？"))
SECTION = Words(
    ("What is said about {0}?", "What do you know about {0}?"), ("关于{0}，是怎么说的？", "请介绍{0}。这是什么？")
)
ARTICLE = Words(("What does {1} of {0} say?",), ("《{0}》{1}是如何规定的？", "{0}{1}的内容是什么？"))
GAP = Words(("Which number is missing here: {0}",), ("下面这句话的空格处应填什么：{0}",))


def asks(words: Words, *parts: str) -> str:
    """One of the ways to ask about `parts`, in the language of the first, always the same for the same parts."""
    ways = words.chinese if is_chinese(parts[0]) else words.english
    return generator("words", *parts).choice(ways).format(*parts)


def candidates(passage: Passage, *, opens: bool) -> Iterator[Candidate]:
    """What the rules offer for one passage, the surest rules first; `opens` says that its section begins with it."""
    title = passage.heading.split(" > ")[-1]
    lines = [*([f"{TITLE}{title}", ""] if opens else []), *(line.rstrip() for line in passage.text.split("\n"))]
    for name, rule in RULES.items():
        for question, answer in rule(passage, lines):
            yield Candidate(question, " ".join(answer.split()), "template", name, passage)


def sentences(text: str) -> list[str]:
    """The sentences of a text, lines joined."""
    return [part for part in (" ".join(piece.split()) for piece in _SENTENCE.split(text) if piece) if part]


def _unnumbered(sentence: str) -> str:
    """A sentence without the number of its article or list item."""
    return _ITEM.sub("", sentence)


def _answered(passage: Passage, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """A line that asks, and the paragraph after it: "Q: ..? / A: ..", headings that ask."""
    for place, line in enumerate(lines):
        asked = re.sub(
            r"^(?:#+\s*|\d+[.)、]\s*|[-*]\s+|(?:Q|Question|问)\s*\d*\s*[:：.]\s*|\*\*)+|\*\*$", "", line
        ).strip()
        if not asked.endswith(("?", "？")) or len(sentences(asked)) > 1:
            continue
        rest = "\n".join(lines[place + 1 :]).strip("\n")
        answer = re.sub(r"^(?:\*\*)?(?:A|Answer|答)\s*\d*\s*[:：.]\s*(?:\*\*)?", "", re.split(r"\n\s*\n", rest)[0])
        if answer and not answer.rstrip().endswith(("?", "？")):
            yield asked, answer


def _defined(passage: Passage, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """ "Term: what it is." on a line of its own; a record's fields are no terms."""
    for line in () if next(_records(passage, lines), None) else map(_unnumbered, lines):
        found = _DEFINED.match(line)
        if not found or not _is_term(found["term"]) or _RULER.match(found["body"]):
            continue
        body = found["body"].strip()
        words = len(body) / 2 if is_chinese(body) else len(body.split())
        if body[-1] in ".。!" and (body[0].isupper() or is_chinese(body[0])) and words >= 5:
            yield asks(MEANING, found["term"].strip()), body


def _is_term(term: str) -> bool:
    words = term.strip().split()
    return (
        0 < len(words) <= 7
        and words[0].lower() not in _NOT_A_SUBJECT
        and term.strip().lower().rstrip(".") not in LABELS
        and not (is_chinese(term) and (len(term) > 15 or _LISTS.search(term)))
        and not any(sign in term for sign in "。，；！？,;?!")
        and not term.strip().replace(".", "").isdigit()
    )


def _records(passage: Passage, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Blocks of "key: value" lines of which one names the thing: what the others say of it."""
    for block in "\n".join(lines).split("\n\n"):
        fields = [found for found in map(_FIELD.match, block.split("\n")) if found]
        keys = [found["key"].lower() for found in fields]
        titles = [found["value"] for found, key in zip(fields, keys, strict=True) if key in _TITLES]
        if len(fields) < 2 or len(titles) != 1 or {"from", "subject"} <= set(keys):  # the last: the head of a letter
            continue
        for found, key in zip(fields, keys, strict=True):
            quoted = _QUOTED.match(found["value"])
            value = quoted["text"] if quoted else found["value"]
            says = re.search(r"[^\W\d_]{3}|[\u4e00-\u9fff]", value) and not _CODE.search(value)
            if key in _TITLES or keys.count(key) > 1 or not says:
                continue
            words = MEANING if key in _MEANINGS else FIELD
            yield asks(words, titles[0], found["key"].replace("_", " ")), value


def _tables(passage: Passage, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Rows of a table under its header: what stands in each column for what the first one names."""
    rows = [
        [cell.strip() for cell in _CELLS.split(line.strip().strip("|"))] for line in lines if not _RULER.match(line)
    ]
    for width, group in itertools.groupby(rows, key=len):
        header, *body = list(group)
        if width < 2 or len(body) < 2 or not all(map(_is_title, header)):
            continue
        for label, *cells in body:
            if not 0 < len(label) <= 60 or label[0].isdigit():
                continue
            for column, cell in zip(header[1:], cells, strict=True):
                if plain(cell) and cell != column:
                    yield asks(FIELD, label, column if is_chinese(column) else column.lower()), cell


def _is_title(cell: str) -> bool:
    """Whether a cell may head a column: short, and neither a number nor the middle of a sentence."""
    return 0 < len(cell) <= 40 and (cell[0].isupper() or is_chinese(cell)) and cell[-1] not in ".,;:，。；："


def _articles(passage: Passage, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """An article of a law, asked for by its number."""
    title = _subject(passage)
    for paragraph in re.split(r"\n(?=\s*第[一二三四五六七八九十百千零〇0-9]{1,9}条)", "\n".join(lines)):
        found = _ARTICLE.match(paragraph)
        if found and title:
            yield asks(ARTICLE, title, found["number"]), re.split(r"\n\s*(?:\n|第[^条\n]{1,9}[章节])", found["text"])[0]


def _subject(passage: Passage) -> str:
    """What the passage's file is about: the outermost heading, else the file's name."""
    outermost = passage.heading.split(" > ")[0].strip()
    stem = PurePosixPath(passage.file).stem
    return (outermost if outermost and not outermost.startswith("第") else stem).strip("《》")


def _sections(passage: Passage, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """A section's title and its first sentence."""
    title = re.sub(r"^[\d.]+\s+", "", lines[0].removeprefix(TITLE).strip())
    if lines[0].startswith(TITLE) and len(title.split()) + len(title) / 4 >= 3 and not title.endswith(("?", "？")):
        yield asks(SECTION, title), sentences(passage.text)[0]


def _sentences_that_define(passage: Passage, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """ "A warranty is a promise .." and "专利，是指……"."""
    for sentence in map(_unnumbered, sentences("\n".join(lines))):
        found = _IS_CHINESE.match(sentence) if is_chinese(sentence) else _IS.match(sentence)
        if found and _is_term(found["term"]) and len(sentence) > len(found.group()) + 10:
            article = found.groupdict().get("article")
            term = f"{article.lower()} {found['term']}" if article else found["term"]
            yield asks(MEANING, term), sentence


def _gaps(passage: Passage, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """A sentence of prose with exactly one number, without it."""
    for sentence in map(_unnumbered, sentences("\n".join(lines))):
        chinese = is_chinese(sentence)
        found = list((_HAN_NUMBER if chinese else _NUMBER).finditer(sentence))
        words = len(sentence) / 2 if chinese else len(sentence.split())
        if (
            len(found) != 1
            or words < 8
            or len(sentence) > 300
            or sentence[-1] not in ".。!！"
            or _NO_PROSE.search(sentence)
        ):
            continue
        before, after = sentence[: found[0].start()].rstrip(), sentence[found[0].end() :].lstrip()
        if before[-1:].isalnum() and not _NAMES_A_PLACE.search(before):
            yield asks(GAP, f"“{before} ____ {after}”") + ("？" if chinese else "?"), found[0].group()


RULES: dict[str, Rule] = {
    "question and answer": _answered,
    "record": _records,
    "term": _defined,
    "definition": _sentences_that_define,
    "table": _tables,
    "article": _articles,
    "section": _sections,
    "number": _gaps,
}
"""By the name that a pair's note gives."""
