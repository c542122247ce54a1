"""Tokenizers between Hugging Face's `tokenizer.json` and GGUF's `tokenizer.ggml.*` fields.

GGUF keeps the vocabulary and the merges, but of the rule that splits text into words only a name, which llama.cpp knows. Five such
rules are recognised here, those whose ids were compared with the engine's over all of Unicode; with any other the model would load
and read every text wrongly, so it is refused. Byte-level BPE only; knows no weights.

One difference remains: llama.cpp's tables end with Unicode 15, those of `tokenizers` with 16 and 17, so the letters and digits of
`NEWER_THAN_ENGINE` (rare scripts, 2024 and later) are parts of words here and signs there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tokenizers import Tokenizer, processors

from luosi.errors import InputError
from luosi.models.tokenizer import IM_END, chat_template, load_tokenizer, special_ids, without_normaliser

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED = 1, 2, 3, 4, 5
"""`tokenizer.ggml.token_type`, ggml's enum llama_token_type."""

_END_OF_TURN = (IM_END, "<|eot_id|>")
_SUPPORTED = "Luosi takes byte-level BPE tokenizers that split words like GPT-2, SmolLM2, Qwen2/Qwen3 or Llama 3"


def _words(digits: str) -> dict[str, Any]:
    """The word rule of GPT-4's kind, as `tokenizer.json` has it; `digits` is how long a run of digits may be."""
    pattern = (
        rf"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{digits}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    return {"type": "Sequence", "pretokenizers": [split, {**_BYTES, "use_regex": False}]}


_BYTES: dict[str, Any] = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
_DIGITS: dict[str, Any] = {"type": "Digits", "individual_digits": True}


class WordRule(NamedTuple):
    """How text is split before the merges, and whether a word that is in the vocabulary skips them."""

    pre_tokenizer: dict[str, Any]
    ignore_merges: bool


WORD_RULES: dict[str, WordRule] = {
    "qwen2": WordRule(_words(""), False),
    "llama-bpe": WordRule(_words("{1,3}"), True),
    "smaug-bpe": WordRule(_words("{1,3}"), False),
    "smollm": WordRule({"type": "Sequence", "pretokenizers": [_DIGITS, _BYTES]}, False),
    "gpt-2": WordRule(_BYTES, False),
}
"""llama.cpp's name (`tokenizer.ggml.pre`) -> the same rule in `tokenizer.json`."""


NEWER_THAN_ENGINE = tuple(
    range(first, last + 1)
    for first, last in (
        (0x1C89, 0x1C8A), (0xA7CB, 0xA7CD), (0xA7DA, 0xA7DC), (0x105C0, 0x105F3), (0x10D40, 0x10D65), (0x10D6F, 0x10D85),
        (0x10EC2, 0x10EC4), (0x11380, 0x113B7), (0x113D1, 0x113D3), (0x116D0, 0x116E3), (0x11BC0, 0x11BE0), (0x11BF0, 0x11BF9),
        (0x11DE0, 0x11DE9), (0x13460, 0x143FA), (0x16100, 0x16139), (0x16D40, 0x16D79), (0x16FF4, 0x16FF6), (0x18CFF, 0x18CFF),
        (0x1CCF0, 0x1CCF9), (0x1E5D0, 0x1E5FA),
    )
)  # fmt: skip
"""Code points that `tokenizers` 0.23 takes for letters or digits and llama.cpp (October 2026) does not; found by comparing all."""


class GGUFTokenizer(NamedTuple):
    """What a GGUF says of its tokenizer; ids are None where it says nothing."""

    tokens: list[str]
    types: list[int]
    merges: list[str]
    pre: str
    bos: int | None
    eos: int | None
    pad: int | None
    eot: int | None
    add_bos: bool
    chat_template: str | None


def word_rule(content: Mapping[str, Any]) -> str:
    """llama.cpp's name for the word rule of a parsed `tokenizer.json`.

    Raises:
        InputError: None of `WORD_RULES`, or not byte-level BPE.
    """
    model = content["model"]
    if model.get("type") != "BPE" or model.get("byte_fallback"):
        kind = "BPE with byte fallback" if model.get("type") == "BPE" else model.get("type")
        raise InputError(f"the tokenizer is {kind}, expected byte-level BPE", hint=_SUPPORTED)
    rule = WordRule(_plain(content["pre_tokenizer"]), bool(model.get("ignore_merges")))
    for name, known in WORD_RULES.items():
        if rule == WordRule(_plain(known.pre_tokenizer), known.ignore_merges):
            return name
    raise InputError(
        f"the tokenizer splits words in a way that the engine has no name for: {json.dumps(content['pre_tokenizer'])}",
        hint=_SUPPORTED,
    )


def _plain(rule: Any) -> Any:
    """`rule` without what changes no ids: `trim_offsets`, and a sequence of one."""
    if not isinstance(rule, dict):
        return rule
    if rule.get("type") == "Sequence":
        parts = [_plain(part) for part in rule["pretokenizers"]]
        return parts[0] if len(parts) == 1 else {"type": "Sequence", "pretokenizers": parts}
    return {name: value for name, value in rule.items() if name != "trim_offsets"}


def describe_tokenizer(folder: Path, vocab_size: int) -> GGUFTokenizer:
    """What a GGUF must say of the tokenizer in `folder`, for a model with `vocab_size` rows (unused ones get names of their own).

    Raises:
        InputError: The tokenizer cannot be said in GGUF: word rule, normaliser, a token that takes the spaces beside it.
    """
    tokenizer = without_normaliser(load_tokenizer(folder))
    content = json.loads(tokenizer.to_str())
    pre = word_rule(content)
    tokens = [f"[PAD{number}]" for number in range(vocab_size)]
    types = [UNUSED] * vocab_size
    for text, number in tokenizer.get_vocab(with_added_tokens=True).items():
        if number >= vocab_size:
            raise InputError(f"the tokenizer has the id {number}, but the model has only {vocab_size} rows")
        tokens[number], types[number] = text, NORMAL
    for added in content["added_tokens"]:
        if added["lstrip"] or added["rstrip"] or added["single_word"]:
            raise InputError(f"the token {added['content']!r} takes neighbouring spaces, which the engine cannot do")
        types[added["id"]] = CONTROL if added["special"] else USER_DEFINED
    special = special_ids(folder)
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    eot = next((vocabulary[text] for text in _END_OF_TURN if text in vocabulary), None)
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in content["model"]["merges"]]
    add_bos = _adds_bos(tokenizer, special.bos)
    return GGUFTokenizer(
        tokens, types, merges, pre, special.bos, special.eos, special.pad, eot, add_bos, chat_template(folder)
    )


def _adds_bos(tokenizer: Tokenizer, bos: int | None) -> bool:
    added = tokenizer.encode("").ids
    if added not in ([], [bos]):
        raise InputError(f"the tokenizer adds the ids {added} to every text, expected none or bos ({bos})")
    return bool(added)


def build_tokenizer(said: GGUFTokenizer) -> Tokenizer:
    """The tokenizer that a GGUF describes.

    Raises:
        InputError: A word rule we do not know, a vocabulary with a token twice, merges that do not fit it.
    """
    rule = WORD_RULES.get(said.pre)
    if rule is None:
        known = ", ".join(WORD_RULES)
        raise InputError(f"tokenizer.ggml.pre is {said.pre!r}, expected one of {known}", hint=_SUPPORTED)
    used = [(number, text) for number, text in enumerate(said.tokens) if said.types[number] != UNUSED]
    vocabulary = {text: number for number, text in used}
    if len(vocabulary) != len(used):
        raise InputError(f"its vocabulary of {len(used)} tokens holds only {len(vocabulary)} different ones")
    content = _tokenizer_json(said, rule, used)
    try:
        tokenizer = Tokenizer.from_str(json.dumps(content, ensure_ascii=False))
    except Exception as error:  # the Rust binding raises plain Exception
        raise InputError(f"its merges do not fit its vocabulary: {error}") from error
    if said.add_bos and said.bos is not None:
        bos = said.tokens[said.bos]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, said.bos)]
        )
    return tokenizer


def _tokenizer_json(said: GGUFTokenizer, rule: WordRule, used: list[tuple[int, str]]) -> dict[str, Any]:
    """The parsed `tokenizer.json` of the (id, text) pairs that are used."""
    special = (CONTROL, UNKNOWN)
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {
        "version": "1.0",
        "added_tokens": [
            {"id": number, "content": text, "special": said.types[number] in special, **flags}
            for number, text in used
            if said.types[number] in (*special, USER_DEFINED)
        ],
        "pre_tokenizer": rule.pre_tokenizer,
        "decoder": _BYTES,
        "model": {
            "type": "BPE",
            "vocab": {text: number for number, text in used},
            "merges": [merge.split(" ") for merge in said.merges],
            "ignore_merges": rule.ignore_merges,
        },
    }
