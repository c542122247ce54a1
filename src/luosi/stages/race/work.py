"""The work of race: open what answers, run the course, write who said what."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import psutil

from luosi.artifacts import Bundle, Exam, Facts, Question
from luosi.cost import Cost, Money
from luosi.errors import InputError, RecipeError
from luosi.pipeline.journal import Journal
from luosi.pipeline.stage import Context, Input, Inputs
from luosi.stages.race.config import Config
from luosi.stages.race.course import Course, Model
from luosi.stages.race.own import Loaded, OwnModel
from luosi.stages.race.purse import Purse
from luosi.stages.race.rented import RentedModel
from luosi.stages.race.results import write
from luosi.text.hashing import generator

MEMORY = 0.5
"""Share of the machine's memory for engines and weights."""


def race(config: Config, inputs: Inputs, context: Context) -> Facts:
    """Fill `context.out`; see `RaceStage.run`."""
    given = [one.step for one in inputs.all("bundles")]
    if given != config.bundles:
        raise RecipeError(
            f"it lists {', '.join(given) or 'none'}; the arms take their models from {', '.join(config.bundles) or 'none'}",
            field="inputs.bundles",
            hint="list the steps that arms name, in the order in which they first name them",
        )
    questions = _questions(config, inputs.artifact("exam", Exam))
    with ExitStack() as stack:
        journal = stack.enter_context(Journal[dict[str, Any]](context.scratch / "race.jsonl"))
        loaded = stack.enter_context(Loaded(MEMORY * context.machine.memory_bytes))
        purse = Purse(config.cap_nano, journal)
        if purse.lost_nano:
            context.spend(Cost(fees=Money(nano=purse.lost_nano, currency=config.currency)))
            lost = Money(nano=purse.lost_nano, currency=config.currency)
            context.say(f"a request was cut off before its answer was noted; {lost} put aside for it count as spent")

        def own(bundle: Input) -> OwnModel:
            assert isinstance(bundle.artifact, Bundle)
            threads = _threads(journal, context.machine.cores)
            return OwnModel(bundle.artifact, bundle.key, loaded, threads=threads, precision=config.precision)

        models: dict[str, Model] = {one.step: own(one) for one in inputs.all("bundles")}
        used = {arm.rented for arm in config.arms.values() if arm.rented} | ({config.judge} - {""})
        models |= {name: RentedModel(config.rented[name], purse) for name in sorted(used)}
        judge = models[config.judge] if config.judge else next(map(own, inputs.all("judge")), None)
        index = inputs.one("index").artifact.path if inputs.all("index") else None
        course = Course(config, questions, models, index=index, judge=judge, journal=journal, context=context)
        course.run()
        return write(config, inputs, course, models, judge.name if judge else "", purse, context)


def _threads(journal: Journal[dict[str, Any]], cores: int) -> int:
    """Threads of the engines, fixed when the race first starts, for another number may give other answers: all cores, less those
    that other processes keep busy, since threads that wait for one without a core take many times as long."""
    if "threads" not in journal.done:
        busy = psutil.cpu_percent(interval=1.0) / 100
        journal.add("threads", {"threads": max(1, round(cores * (1 - busy)))})
    return int(journal.done["threads"]["threads"])


def _questions(config: Config, exam: Exam) -> list[Question]:
    """Those that are asked, shuffled."""
    questions = [question for question in exam.questions() if not config.sources or question.source in config.sources]
    if not questions:
        raise InputError(
            f"the exam has no question of {', '.join(config.sources) or 'any source'}",
            hint="give questions of your own to the exam step (own = FILE), or sources = [] to ask all there are",
        )
    generator(config.seed, "order").shuffle(questions)
    return questions
