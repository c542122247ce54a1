"""The texts of one language, with their blanks filled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from luosi.web.texts import WORDS

Language = Literal["en", "zh"]
LANGUAGES: dict[Language, str] = {"en": "English", "zh": "中文"}
TAGS: dict[Language, str] = {"en": "en-US", "zh": "zh-CN"}


class Words:
    """The words of one language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._place = list(LANGUAGES).index(language)

    def __call__(self, key: str, **values: object) -> str:
        """The text of `key` with its braces filled.

        >>> Words("zh")("answers", count="1,000")
        '1,000 次回答'
        """
        return WORDS[key][self._place].format(**values)

    def route(self, route: str, files: bool) -> str:
        """A route's short name; routes unknown here are shown as they come.

        >>> Words("en").route("adapt", True)
        'adapted + files'
        """
        name = self(f"route_{route}") if f"route_{route}" in WORDS else route
        return self("with_files", route=name) if files else name

    def known(self, key: str, otherwise: str) -> str:
        """The text of `key`, where there is one.

        >>> Words("zh").known("length_short", "short"), Words("zh").known("length_huge", "huge")
        ('100 字符以下', 'huge')
        """
        return self(key) if key in WORDS else otherwise

    def text(self, sentences: Sequence[str]) -> str:
        """Sentences one after the other."""
        return (" " if self.language == "en" else "").join(sentences)

    def sentence(self, line: str | Mapping[str, str]) -> str:
        """A sentence that came in both languages, or in one."""
        return line if isinstance(line, str) else line[self.language]

    def place(self, file: str, page: int) -> str:
        """Where something stands; page 0 where the format has none."""
        return self("on_page", file=file, page=page) if page else file

    def metric(self, name: str) -> str:
        """The title of a curve; metrics and units of work unknown here are shown as they come.

        >>> Words("zh").metric("steps"), Words("en").metric("arms")
        ('步', 'arms')
        """
        return self(f"curve_{name}") if f"curve_{name}" in WORDS else name

    def figure(self, name: str, value: str) -> str:
        """A metric's latest value.

        >>> Words("en").figure("loss", "3.412"), Words("zh").figure("arms", "3")
        ('loss 3.412', 'arms 3')
        """
        return self(f"now_{name}", value=value) if f"now_{name}" in WORDS else f"{name} {value}"

    def mark(self, right: bool | None) -> str:
        """Right, wrong, or not decided."""
        return self("undecided" if right is None else "right" if right else "wrong")

    def stopped(self, reason: str) -> str:
        """Why an arm was stopped: the reasons known here in this language, what else there is as it comes."""
        for known in ("cannot win", "spending cap", "does not answer"):
            if reason.startswith(known):
                return self(f"stopped_{known.replace(' ', '_')}") + reason.removeprefix(known)
        return reason

    def state(self, state: str) -> str:
        """A state's name; states unknown here are shown as they come."""
        key = {"failed": "failed_state", "stopped": "stopped_state"}.get(state, state)
        return self(key) if key in WORDS else state
