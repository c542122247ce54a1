"""What a race leaves: every answer, how each arm fared, and what it took."""

from __future__ import annotations

import math
from collections.abc import Mapping

from luosi.artifacts import Facts
from luosi.artifacts.answers import AnswersSummary, Arm
from luosi.artifacts.base import ArmFacts, write_json, write_jsonl
from luosi.cost import Money
from luosi.pipeline.stage import Context, Inputs
from luosi.stages.race.config import Config
from luosi.stages.race.course import Course, Model
from luosi.stages.race.own import OwnModel
from luosi.stages.race.purse import Purse
from luosi.stages.race.said import Said


def write(
    config: Config,
    inputs: Inputs,
    course: Course,
    models: Mapping[str, Model],
    judge: str,
    purse: Purse,
    context: Context,
) -> Facts:
    """Fill `context.out`; returns what was measured."""
    asked = {one.question for one in course.answers}
    write_jsonl(context.out / "answers.jsonl", [one.model_dump() for one in course.answers])
    write_jsonl(context.out / "questions.jsonl", [q.model_dump() for q in course.questions if q.id in asked])
    summary = AnswersSummary(
        arms=tuple(_arm(name, config, inputs, course, models) for name in config.arms),
        reference=config.reference,
        questions=len(course.questions),
        passages=config.passages,
        sequential=config.sequential,
        saved_share=saved_share(course),
        judge=judge,
    )
    write_json(context.out / "answers.json", summary.model_dump())
    for message in _counted(course, judge):
        context.say(message)
    arms = {name: _arm_facts(name, config, course, purse) for name in config.arms}
    figures: dict[str, float | int | str | bool] = {
        "saved_share": summary.saved_share,
        "answers": len(course.answers),
        "troubles": sum(bool(one.trouble) for one in course.answers),
        "fitted": sum(said.fitted for said in course.said.values()),
        "not_judged": course.not_judged,
    }
    if config.rented:
        figures |= {
            "cap_nano": purse.cap_nano, "fees_nano": purse.spent_nano,
            "judge_fees_nano": purse.paid_nano.get("judge", 0), "currency": config.currency,
        }  # fmt: skip
    return Facts(questions=len(course.questions), arms=arms, figures=figures)


def _arm(name: str, config: Config, inputs: Inputs, course: Course, models: Mapping[str, Model]) -> Arm:
    entry = config.arms[name]
    model = models[entry.bundle or entry.rented]
    out = course.out.get(name)
    return Arm(
        name=name,
        route=entry.route,
        model=model.name,
        files=entry.files,
        bundle_key=model.key if isinstance(model, OwnModel) else "",
        index_key=inputs.one("index").key if entry.files else "",
        leaves_house=bool(entry.rented),
        asked=course.asked[name],
        stopped=out.reason if out else "",
        stopped_detail=out.detail if out else "",
    )


def _arm_facts(name: str, config: Config, course: Course, purse: Purse) -> ArmFacts:
    said = [one for (arm, _), one in course.said.items() if arm == name]
    latencies = sorted(one.seconds + one.searched_s for one in said if not one.trouble)
    rented = bool(config.arms[name].rented)
    return ArmFacts(
        answers=len(latencies),
        latency_p50_s=_quantile(latencies, 0.5),
        latency_p90_s=_quantile(latencies, 0.9),
        busy_s=math.fsum(one.searched_s + (0 if rented else one.seconds) for one in said),
        prompt_tokens=sum(one.prompt_tokens or 0 for one in said),
        answer_tokens=sum(one.answer_tokens or 0 for one in said),
        fees=Money(nano=purse.paid_nano.get(f"arm {name}", 0), currency=config.currency) if rented else None,
    )


def _quantile(ascending: list[float], share: float) -> float | None:
    """The smallest value that at least `share` of them do not exceed; None of none."""
    return ascending[max(0, math.ceil(share * len(ascending)) - 1)] if ascending else None


def saved_share(course: Course) -> float:
    """Share of all tokens that asking every arm everything takes, which were not spent for arms that could not win.

    The questions that an arm was not asked count with its mean tokens per answer.
    """
    whole = saved = 0.0
    for arm in course.config.arms:
        said = [_tokens(one) for (name, _), one in course.said.items() if name == arm]
        mean = math.fsum(said) / len(said) if said else 0.0
        whole += mean * len(course.questions)
        if arm in course.out and course.out[arm].reason == "cannot win":
            saved += mean * (len(course.questions) - len(said))
    return saved / whole if whole else 0.0


def _tokens(said: Said) -> int:
    return (said.prompt_tokens or 0) + (said.answer_tokens or 0)


def _counted(course: Course, judge: str) -> list[str]:
    """What people should know of how it went."""
    said = []
    if fitted := sum(one.fitted for one in course.said.values()):
        said.append(
            f"{fitted} answers were given with fewer passages or a cut question: the model's context is too short"
        )
    if troubles := sum(bool(one.trouble) for one in course.answers):
        said.append(f"{troubles} of {len(course.answers)} answers did not come; they count as wrong")
    if course.not_judged:
        why = course.judge_out or (f"a judgement of {judge} did not come" if judge else "no judge model is given")
        said.append(f"{course.not_judged} questions that need a judge were marked by shared words instead: {why}")
    return said
