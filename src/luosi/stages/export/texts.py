"""Texts that tell tokenizers apart, and prompts to continue: written for this purpose, or drawn from all of Unicode by a seed. Knows no
tokenizer, only which letters the engine's tables lack.
"""

from __future__ import annotations

import random

from luosi.models.gguf_tokenizer import NEWER_THAN_ENGINE

LEFT_OUT = (range(0xD800, 0xE000), *NEWER_THAN_ENGINE)

PROMPTS = (
    "The capital of France is",
    "This licence is granted to you, free of charge, provided that",
    "def fibonacci(n):\n    ",
    "1, 2, 3, 4,",
    "Water boils at a temperature of",
    "Once upon a time, in a village by the sea,",
    "The main difference between a cat and a dog is",
    "SELECT name, price FROM products WHERE",
    "Dear Sir or Madam,\n\nI am writing to",
    "In 1969, the first",
    "To install the package, run the following command:",
    "The user may not copy, modify or distribute",
    "一年有四个季节：",
    "La liberté consiste à",
    "Q: How many legs does a spider have?\nA:",
    "<p>Hello, <b>world</b>",
    "The three primary colours are red,",
    "Returns the number of items in the list, or",
    "If it rains tomorrow, we will",
    "The warranty does not cover",
)
"""Short, of many kinds."""

CHATS = (
    ("What is a screw?",),
    ("螺丝是什么？", "一种紧固件。", 'Is it "made" of steel?\n\n- yes\n- no'),
)
"""Conversations that a user begins and has the last word in."""

HARD_TEXTS = (
    "", " ", "  ", "\n", "\r\n", "\t", "a", " a", "a ", "  a  b  ", "\n\n\n", " \n \n ", "\r\r\n\n", "x\n", "\x00", "a\x00b", "\x7f\x1b[0m",
    "don't DON'T we'll WE'LL I'm I'M he'd they've you're it's 'tis ''s 's", "can’t won’t",
    "1", "12", "123", "1234567890", "3.14159", "1,000,000", "٣٤٥", "一二三", "Ⅻ½²", "१२३", "v2.0.1-rc3",
    "Hello, world!", "hello world", "HelloWorld", "hello_world", "foo.bar(baz)[0] += 1;  // comment", "    return x\n\n\n    y", "\tif (a && !b) {\n\t}",
    "https://example.com/a?b=c&d=%20#e", "me@example.com", "C:\\path\\to\\file", "$100 €50 ¥9", "a+b=c", "!!!", "?!?!", "...", "……", "—–-", "\"quoted\" «quoted» „quoted“ 「引用」",
    "naïve café", "nai\u0308ve cafe\u0301", "\u1e9b\u0323", "ﬁ ﬀ ㎏", "İstanbul ıI", "ſ K Å", "ß ẞ SS", "Ω Ω",
    "Ünïcödé", "русский текст", "ελληνικά", "עברית", "العربية", "हिन्दी", "ไทย", "日本語のテキスト", "中文文本，没有空格。", "한국어", "한", "Tiếng Việt",
    "👍", "👍🏽", "👨‍👩‍👧‍👦", "🇫🇷🇩🇪", "e\u200dx", "\u200b\u200c\u200d\ufeff", "\u00a0\u2003\u3000\u1680x", "\u0085\u2028\u2029", "\u202e\u202d", "\ufffd\ufffe\uffff", "\U0001f9ff\U000e0001\U0010ffff", "𝒜𝓑 𐍈 𠀀",
    "<|endoftext|>", "<|im_start|>user\nhi<|im_end|>\n", "a<|endoftext|>b <|im_end|> c", "<|im_start|", "<s></s><unk><pad>", "[PAD0] [UNK] [MASK]",
    "a" * 300, " " * 65, "\n" * 33, "ab " * 40, "é" * 50, "1" * 40, "👍" * 20,
)  # fmt: skip
"""Each has misled some tokenizer: white space, contractions, digits, scripts, composed and bare accents, joiners, special tokens."""


def random_texts(count: int, seed: int) -> list[str]:
    """`count` texts of up to 24 code points from all of Unicode, half of them mixed with plain letters and spaces; left out are
    surrogates, which are no text, and the few newest letters that the engine does not know (`NEWER_THAN_ENGINE`)."""
    source = random.Random(seed)
    texts = []
    for number in range(count):
        top = (0x250, 0x3000, 0x10000, 0x110000)[number % 4]
        points = [source.randrange(top) for _ in range(source.randint(1, 24))]
        characters = [chr(point) for point in points if not any(point in left_out for left_out in LEFT_OUT)]
        if number % 2:
            characters = [source.choice((character, "a", " ", "1")) for character in characters]
        texts.append("".join(characters))
    return texts
