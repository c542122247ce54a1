"""What the estimates' commands share: the model, the devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from luosi.estimate.chips import Chip

ModelOption = Annotated[str, typer.Option(help="A public model, a config.json, or a size such as 70B or 671B-A37B.")]
OnOption = Annotated[str, typer.Option(help="Which devices and how many, as in h100:1024; `this` for this machine.")]


def devices(on: str, workspace: str) -> tuple[Chip, int]:
    """The chip and the number that `on` names.

    Raises:
        UsageError: There is no such chip, or the number is not one.
    """
    from luosi.estimate.quantities import machines

    if on == "this":
        from luosi.cli.estimate.here import chip_here

        return chip_here(workspace), 1
    return machines(on)
