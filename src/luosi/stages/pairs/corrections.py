"""What people corrected, from a JSONL file; every row that cannot be used says why."""

from __future__ import annotations

from pathlib import Path

from luosi.artifacts.base import file_sha256
from luosi.errors import InputError
from luosi.stages.pairs.candidate import Candidate, plain
from luosi.stages.pairs.config import Config
from luosi.text.streams import Unreadable, opened
from luosi.text.tables import jsonl_rows


def corrections(config: Config) -> tuple[list[Candidate], list[str]]:
    """The usable corrections in file order, and one message for each row that was refused. Of two answers to one question, the later
    stands: it was said by somebody who saw the first.

    Raises:
        InputError: The file is missing or has changed.
    """
    path = Path(config.corrections).expanduser()
    if not path.is_file():
        raise InputError(f"the corrections {path} do not exist", hint="give the JSONL file that was exported")
    found = file_sha256(path)
    if found != config.corrections_sha256:
        raise InputError(
            f"the corrections {path} have changed: the digest is {found}, the recipe has {config.corrections_sha256}",
            hint=f'restore the file, or put corrections_sha256 = "{found}" into the recipe to take it as it is now',
        )
    kept: dict[str, Candidate] = {}
    problems: list[str] = []
    rows: dict[str, int] = {}
    with opened(path) as stream:
        for number, row in jsonl_rows(stream):
            if isinstance(row, Unreadable):
                problems.append(f"row {number}: {row.reason}")
                continue
            question, answer = (str(row.get(field) or "").strip() for field in ("question", "answer"))
            if not plain(question) or not plain(answer):
                problems.append(f"row {number}: no {'answer' if plain(question) else 'question'}")
                continue
            if plain(question) in kept:
                problems.append(f"row {rows[plain(question)]}: corrected again in row {number}")
            note = str(row.get("origin") or f"{path.name} row {number}")
            kept[plain(question)] = Candidate(question, answer, "correction", note, None)
            rows[plain(question)] = number
    return list(kept.values()), problems
