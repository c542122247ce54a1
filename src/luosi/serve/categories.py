"""What kind of prompt it is, as far as can be told without a model: its script and its length. What it is about, only its writer knows.

The language is told by script alone: Chinese from Japanese and Korean, but not English from French, which are both "latin". Words are
counted, a Han character being one, so that a Chinese question about `quicksort` is Chinese. The topic is what a pool's prompt says it
is, or the file that a question of the user's own is about; prompts written by hand have none.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

KINDS = ("language", "length", "topic")
SHORT, MEDIUM, LONG = "short", "medium", "long"
LENGTHS = {SHORT: 100, MEDIUM: 1000}
"""Characters below which a prompt is called so; the rest are long."""
KANA_SHARE = 0.1
"""Japanese from so many kana among its characters on."""
_WORDS = re.compile(
    r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff]|[^\W\d_]+?(?=[\u3040-\u30ff\u3400-\u9fff]|\W|\d|_|$)"
)
_EAST = {"CJK": "zh", "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko"}


def language(prompt: str) -> str:
    """The script most of the words are in, whatever their width: "zh", "ja", "ko", "latin", "cyrillic", ...; "none" without a letter.

    >>> [language(text) for text in ("用 Python 写一个 quicksort", "Who signs?", "これは何ですか", "Кто?", "2+2")]
    ['zh', 'latin', 'ja', 'cyrillic', 'none']
    """
    words = _WORDS.findall(unicodedata.normalize("NFKC", prompt[:20_000]))
    scripts = Counter(_script(word[0]) for word in words if word[0].isalpha())
    if not scripts:
        return "none"
    if scripts["ja"] >= KANA_SHARE * (scripts["ja"] + scripts["zh"]) > 0 and scripts["ja"]:
        scripts["ja"] += scripts.pop("zh", 0)
    return scripts.most_common(1)[0][0]


def _script(letter: str) -> str:
    name = unicodedata.name(letter, "OTHER").split()[0]
    return _EAST.get(name, name.lower())


def length(prompt: str) -> str:
    """How long it is, in characters.

    >>> length("x" * 99), length("x" * 100), length("x" * 1000)
    ('short', 'medium', 'long')
    """
    return next((name for name, limit in LENGTHS.items() if len(prompt) < limit), LONG)
