"""Published figures in a company's file: what others gave, racks and spot offers to reckon with, and claims to be checked.

Computes nothing: `measures` does, and `claims` judges.
"""

from __future__ import annotations

from pydantic import Field

from luosi.cost import Frozen
from luosi.estimate.company.entries import Name, Number, Uncertain
from luosi.estimate.goodput import TAKEN_A_MONTH


class Rack(Frozen):
    """A rack of servers."""

    name: Name
    """As the measure `racks.NAME` calls it."""
    rack_kw: Number = Field(gt=0)
    """With which it is fed and cooled."""
    server_kw: Number | None = Field(default=None, gt=0)
    """Else what the chip's server has on its plate."""
    chip: str = ""
    """As in data/chips.csv; not read if `server_kw` is given."""


class Spot(Frozen):
    """Machines that may be taken away, for a run that stops with any of them."""

    name: Name
    """As the measures `spot.NAME.listed` and `spot.NAME.saving` call it."""
    chip: str
    """As in data/chips.csv."""
    devices: int = Field(ge=1)
    """Of the run, all of which wait when one is taken."""
    parameters_b: Number = Field(gt=0)
    """Of the model that is trained: how big its checkpoints are."""
    taken_a_month: Number = Field(default=TAKEN_A_MONTH, gt=0, le=30)
    """Share of the servers that are taken back in a month."""
    wait_s: Number = Field(default=600.0, gt=0)
    """Until there is another machine."""
    usd_hour: Number | None = Field(default=None, gt=0)
    """Of one device, if not at the listed price."""
    usd_hour_spot: Number | None = Field(default=None, gt=0)
    """The same on the spot market."""
    source: str = ""
    """Where and when prices given here were read."""


class Given(Frozen):
    """A figure that others published."""

    value: Uncertain
    """In the unit its name says."""
    source: str = Field(min_length=1)
    """Where it was published."""


class Ratio(Frozen):
    """Measures multiplied and divided."""

    measure: list[str] = Field(min_length=1)
    """Their product ..."""
    over: list[str] = Field(default_factory=list)
    """... divided by the product of these ..."""
    times: Number = 1.0
    """... and multiplied by this number."""


class Explanation(Ratio):
    """Another reckoning that does give the claimed figure."""

    by: str = Field(min_length=1)
    """What it says, after "explained by"."""


class Claim(Ratio):
    """A published figure, set against this file's own."""

    says: str = Field(min_length=1)
    """In words."""
    low: Number
    """The published figure, or the lower end of its range."""
    high: Number
    """The same, or the upper end."""
    unit: str = ""
    """For the text."""
    tolerance: Number = Field(default=0.05, ge=0, lt=1)
    """By which low .. high is widened on both sides, as a share."""
    explained: list[Explanation] = Field(default_factory=list)
    """Tried in this order if the claim is not reproduced."""
