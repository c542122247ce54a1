"""The race as it is run: in rounds, every arm that is still in is asked the next questions; then marks, and who can still win.

A pure function of the journal and of what the models say: a race that was killed goes the same way again as far as it had come,
and asks nobody twice.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from luosi.artifacts import Question
from luosi.artifacts.answers import Answered, Judgement
from luosi.artifacts.retrieval import Passage
from luosi.cost import Cost, Money
from luosi.grading import judge_messages, read_judgement
from luosi.models.flops import forward_flop
from luosi.pipeline.journal import Journal
from luosi.pipeline.stage import Context
from luosi.stages.race.config import ArmConfig, Config
from luosi.stages.race.marking import answered
from luosi.stages.race.own import OwnModel, Turns
from luosi.stages.race.said import Asking, Found, Said
from luosi.statistics.racing import Race

if TYPE_CHECKING:
    from luosi.retrieval.search import Searcher

FAILURES = 3
"""So many failed requests in a row, and a rented model is asked no more."""
NOTHING = Found((), 0.0)


class Model(Protocol):
    """What answers; `who` is asked and pays. None where the money left does not suffice."""

    name: str

    def answer(self, asking: Asking, who: str) -> Said | None:
        """The answer to a question."""

    def chat(self, turns: Turns, answer_tokens: int, who: str) -> Said | None:
        """What goes on from a chat."""


@dataclass(frozen=True)
class Out:
    """Why an arm is asked no more: in a word, and for people."""

    reason: str
    detail: str


class Course:
    """One race.

    Args:
        config: Of the step.
        questions: In the order in which they are asked.
        models: By step or rented name.
        index: Folder of the passages; None where no arm has the files.
        judge: What marks the questions that need one; None for nobody.
        journal: What was said so far.
        context: Of the step.
    """

    def __init__(
        self,
        config: Config,
        questions: Sequence[Question],
        models: Mapping[str, Model],
        *,
        index: Path | None,
        judge: Model | None,
        journal: Journal[dict[str, Any]],
        context: Context,
    ) -> None:
        self.config, self.questions = config, questions
        self._models, self._index, self._judge, self._journal, self._context = models, index, judge, journal, context
        self._race = Race(tuple(config.arms), len(questions), risk=config.risk)
        self._failures = Counter[str]()
        self.asked = Counter[str]()
        """Questions each arm was asked."""
        self.said: dict[tuple[str, str], Said] = {}
        """By (arm, question's id)."""
        self.answers: list[Answered] = []
        """By question, then arm."""
        self.out: dict[str, Out] = {}
        """The arms that were stopped."""
        self.judge_out = ""
        """Why the judge is asked no more."""
        self.not_judged = 0
        """Questions that needed a judge and were marked without one, for every arm alike."""

    def run(self) -> None:
        """To the end.

        Raises:
            BudgetExceeded, Interrupted: The step must stop; it goes on from the journal.
        """
        models = dict.fromkeys(arm.bundle or arm.rented for arm in self.config.arms.values())
        for start in range(0, len(self.questions), self.config.round):
            some = self.questions[start : start + self.config.round]
            for model in models:
                for question in sorted(some, key=lambda question: not question.choices):
                    for arm, entry in self.config.arms.items():
                        if model in (entry.bundle, entry.rented) and arm not in self.out:
                            self._ask(arm, question)
            for question in some:
                self._mark(question)
            if self.config.sequential and self._race.alive:
                self._stop_losers()
            if len(self.out) == len(self.config.arms):
                break

    def _ask(self, arm: str, question: Question) -> None:
        entry = self.config.arms[arm]
        model = self._models[entry.bundle or entry.rented]
        name = f"answer {arm}\t{question.id}"
        if name not in self._journal.done:
            found = self._found(question, entry)
            asking = Asking(question, found.passages, self.config.system_prompt, self.config.answer_tokens)
            said = model.answer(asking, f"arm {arm}")
            if said is None:
                self._leave(arm, "spending cap", f"one more answer might cost more than is left of {self._cap}")
                return
            self._keep(name, model, said.model_copy(update={"searched_s": found.seconds}))
        said = Said.model_validate(self._journal.done[name])
        self.said[arm, question.id] = said
        self.asked[arm] += 1
        who = f"arm {arm}"
        self._failures[who] = self._failures[who] + 1 if said.trouble and entry.rented else 0
        if said.overdrawn:
            self._leave(arm, "spending cap", "its server gave longer answers than asked for, and charges for them")
        elif self._failures[who] == FAILURES:
            self._leave(arm, f"does not answer: {said.trouble}", f"{FAILURES} times in a row")
        self._tell()

    def _keep(self, name: str, model: Model, said: Said) -> None:
        """Into the journal, and on the bill."""
        self._journal.add(name, said.model_dump(), sync=said.ticket is not None)
        tokens = (said.prompt_tokens or 0) + (said.answer_tokens or 0)
        if isinstance(model, OwnModel):
            self._context.spend(Cost(flop=forward_flop(model.shape, tokens, tokens), tokens=tokens))
        elif said.nano:
            self._context.spend(Cost(tokens=tokens, fees=Money(nano=said.nano, currency=self.config.currency)))

    def _found(self, question: Question, entry: ArmConfig) -> Found:
        """The passages for a question: searched once, shared by the arms that have the files."""
        if not entry.files:
            return NOTHING
        name = f"search {question.id}"
        if name not in self._journal.done:
            searcher = self._searcher
            began = time.monotonic()
            hits = searcher.search(question.prompt, self.config.passages)
            seconds = time.monotonic() - began
            self._journal.add(name, {"passages": [hit.passage.model_dump() for hit in hits], "seconds": seconds})
        piece = self._journal.done[name]
        return Found([Passage.model_validate(passage) for passage in piece["passages"]], piece["seconds"])

    @cached_property
    def _searcher(self) -> Searcher:
        from luosi.retrieval.search import Searcher  # numpy: not needed without the files

        assert self._index is not None, "the stage asks for an index where an arm has the files"
        return Searcher(self._index)

    def _mark(self, question: Question) -> None:
        """Mark the answers to one question and enter them in the race."""
        row = {
            arm: answered(arm, question, self.said[arm, question.id], self._found(question, entry))
            for arm, entry in self.config.arms.items()
            if (arm, question.id) in self.said
        }
        if question.grader == "judge":
            row = self._judged(question, row)
        self.answers += row.values()
        for arm in self._race.alive:
            if arm not in row:  # out of money, or dead: no loser, but in no race any more
                self._race.withdraw(arm)
        self._race.add({arm: one.mark for arm, one in row.items()})

    def _judged(self, question: Question, row: dict[str, Answered]) -> dict[str, Answered]:
        """The row marked by the judge; as it was, for all arms alike, where one of its judgements is not to be had."""
        done = dict(row)
        for arm, one in row.items():
            if not one.trouble:
                judgement = self._judgement(arm, question, one.text)
                if judgement is None:
                    self.not_judged += 1
                    return row
                mark = float(bool(judgement.first and judgement.second))
                update = {"mark": mark, "marks": one.marks | {"judge": mark}, "judgement": judgement}
                done[arm] = one.model_copy(update=update)
        return done

    def _judgement(self, arm: str, question: Question, text: str) -> Judgement | None:
        if self._judge is None or self.judge_out:
            return None
        words: list[bool | None] = []
        for place in ("first", "last"):
            name = f"judge {place} {arm}\t{question.id}"
            if name not in self._journal.done:
                turns = judge_messages(question, text, accepted_first=place == "first")
                said = self._judge.chat(turns, self.config.answer_tokens, "judge")
                if said is None:
                    self.judge_out = f"spending cap of {self._cap}"
                    return None
                self._keep(name, self._judge, said)
            said = Said.model_validate(self._journal.done[name])
            self._failures["judge"] = self._failures["judge"] + 1 if said.trouble else 0
            if said.overdrawn or self._failures["judge"] == FAILURES:
                self.judge_out = (
                    f"it does not answer: {said.trouble}" if said.trouble else "it takes more than asked for"
                )
            if said.trouble:
                return None
            words.append(read_judgement(said.text))
        return Judgement(first=words[0], second=words[1], model=self._judge.name)

    def _stop_losers(self) -> None:
        asked = len(self._race.marks[self._race.leader])
        for stopped in self._race.stop_losers():
            if stopped.arm != self.config.reference:
                chance = f"a chance of {stopped.chance:.1%} to end ahead of {stopped.by}"
                self._leave(stopped.arm, "cannot win", f"after {asked} of {len(self.questions)} questions {chance}")

    def _leave(self, arm: str, reason: str, detail: str) -> None:
        self.out[arm] = Out(reason, detail)
        self._context.say(f"{arm} is asked no more: {reason} ({detail})")

    @property
    def _cap(self) -> str:
        return str(Money(nano=self.config.cap_nano, currency=self.config.currency))

    def _tell(self) -> None:
        running = [arm for arm in self.config.arms if arm not in self.out]
        left = sum(len(self.questions) - self.asked[arm] for arm in running)
        self._context.progress(len(self.said), len(self.said) + left, "answers", arms=len(running))
