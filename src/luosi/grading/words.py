"""Answers as words that can be compared: one width and case, no punctuation, no articles; pure Python, no tables to load.

A word is a run of letters and digits, or a number with its separators; where a script writes no spaces (Chinese, Japanese,
Thai, ..) every character is one. Characters, not the words of a segmenter, as in CMRC 2018's token F1: two answers that differ
by one character then never differ by how a segmenter happened to cut them, and nothing has to be installed.
Simplified and traditional characters are different words.
"""

from __future__ import annotations

import re
import unicodedata

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_UNSPACED}]|\d+(?:[.,]\d+)*(?![^\W_])|(?:(?![{_UNSPACED}])[^\W_])+")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_APOSTROPHE = re.compile(r"(?<=\w)['\u2019](?=\w)")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_CITED = re.compile(r"[\[［【]\s*\d{1,3}(?:\s*[,，、;-]\s*\d{1,3})*\s*[\]］】]")
_LEAD = re.compile(
    r"""^\W{0,9}(?:(?:so|therefore|thus|hence|因此|所以)\W{1,9})?
    (?:(?:the\s+)?(?:correct\s+|right\s+|final\s+)?answer(?:\s+to\s+(?:the|this|your)\s+question)?(?:\s+is|\s*[:=])
    |(?:正确|最终|参考)?(?:答案|答)(?:应该|应)?(?:是|为|[:=]))\s*[:=]?\s*""",
    re.IGNORECASE | re.VERBOSE,
)
_SENTENCE = re.compile(r"(?<=[。！？!?；])|(?<=\.)(?=\s+[^\s\d])|\n+")

_CUE = re.compile(r"\banswer(?:\s+is|\s*[:=])|\b(?:therefore|thus|hence)\b|答案(?:是|为|[:=])|因此|所以", re.IGNORECASE)

ARTICLES = frozenset(("a", "an", "the"))
_FUNCTION_WORDS = """
about also am and any are as at be been but by can could did do does for from had has have he her his how i if in into is it its
may me more must my no not of on one or our shall she should so some such than that their them then there these they this those
to under up us was we were what when where which who whom whose why will with would yes you your
的 了 是 在 和 与 及 或 有 为 于 以 也 就 都 而 被 把 之 其 这 那 个 吗 呢 吧 啊 什 么 哪 谁 怎 何 几
"""
_FUNCTION = frozenset(_FUNCTION_WORDS.split())


def plain(text: str) -> str:
    """One width (NFKC), single spaces within lines, no citation marks such as [1], no Markdown stars.

    >>> plain("Ｎｏ ３２０  **days** [1]")
    'No 320 days'
    """
    text = unicodedata.normalize("NFKC", _CITED.sub(" ", text)).replace("*", "").replace("`", "")
    return "\n".join(" ".join(line.split()) for line in text.splitlines()).strip()


def without_lead(text: str) -> str:
    """`plain` text without "The answer is", "答案是" and the like in front, where something is left.

    >>> without_lead("The answer is: 25 days.")
    '25 days.'
    """
    text = plain(text)
    return _LEAD.sub("", text, count=1).strip() or text


def sentences(text: str) -> list[str]:
    """The sentences (and lines) of a text, without spaces around them."""
    return [part.strip() for part in _SENTENCE.split(text) if part.strip()]


def answering(text: str) -> list[str]:
    """The sentences of a `plain` text in the order in which the answer is looked for: those after its last "the answer is"
    (答案是, therefore, ..) if it has one, then all."""
    text = plain(text)
    cues = [match.end() for match in _CUE.finditer(text)]
    return (sentences(text[cues[-1] :]) if cues else []) + sentences(without_lead(text))


def words(text: str) -> list[str]:
    """The words of a text in order, lower-cased, articles left out; "1,200" is the word "1200".

    >>> words("The Ｄog's 1,200 bones, 狗。")
    ['dogs', '1200', 'bones', '狗']
    """
    text = unicodedata.normalize("NFKC", _CITED.sub(" ", text)).casefold()
    found = _WORD.findall(_APOSTROPHE.sub("", text))
    return [w.replace(",", "") if _THOUSANDS.fullmatch(w) else w for w in found if w not in ARTICLES]


def content(text: str) -> list[str]:
    """The words that carry meaning: `words` less function words."""
    return [word for word in words(text) if word not in _FUNCTION]


def is_chinese(text: str) -> bool:
    """Whether a text is to be answered in Chinese: a fifth of its letters or more are Chinese characters.

    >>> is_chinese("SmolLM2 的词表有多大？"), is_chinese("What does 螺丝 mean?")
    (True, False)
    """
    letters = sum(character.isalpha() for character in text)
    return 5 * len(_HAN.findall(text)) >= letters > 0
