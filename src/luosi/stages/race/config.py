"""Who runs in a race, what they are asked with, and how much it may cost."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from luosi.artifacts.answers import RouteName
from luosi.pipeline.stage import NOT_IN_KEY, Seed, StageConfig


class ArmConfig(BaseModel):
    """One way to answer: a bundle or a rented model, with the files or without."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    route: RouteName
    """The route it stands for."""
    bundle: str = ""
    """Step that made its model; "" for a rented one."""
    files: bool = False
    """Whether passages of the files are shown with each question."""
    rented: str = ""
    """Name in `rented`; "" for a model of one's own."""

    @model_validator(mode="after")
    def _has_one_model(self) -> Self:
        if bool(self.bundle) == bool(self.rented):
            raise ValueError(
                f"bundle is {self.bundle!r} and rented is {self.rented!r}; expected exactly one of the two"
            )
        return self


class RentedConfig(BaseModel):
    """A model that somebody else serves, and its price: one that has none is refused, never taken to cost nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    model: str
    """What it is called at its address."""
    url: str = Field(json_schema_extra=NOT_IN_KEY)
    """The address up to its version: "https://api.example.com/v1"."""
    shape: Literal["openai", "anthropic"] = "openai"
    """Of requests and answers."""
    key_variable: str = Field(default="", json_schema_extra=NOT_IN_KEY)
    """Environment variable that holds the key; "" sends none."""
    timeout_s: float = Field(default=60, gt=0, json_schema_extra=NOT_IN_KEY)
    """Seconds for one answer."""
    prompt_nano: int = Field(ge=0)
    """Price of a million prompt tokens, in billionths of the currency."""
    completion_nano: int = Field(ge=0)
    """Price of a million answer tokens, in billionths of the currency."""
    currency: str = Field(pattern="^[A-Z]{3}$")
    """ISO 4217."""
    source: str = Field(min_length=1, json_schema_extra=NOT_IN_KEY)
    """Where the price was read."""
    date: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$", json_schema_extra=NOT_IN_KEY)
    """When."""


class Config(StageConfig):
    """One race. Steps are named as in the recipe; inputs.bundles lists those of the arms, in the order in which arms first name
    them."""

    arms: dict[str, ArmConfig] = Field(min_length=1)
    """By name; of arms that do equally well the first is ahead."""
    reference: str
    """The arm that differences are counted from, as a rule the open model as it is: asked everything, never stopped as a loser."""
    rented: dict[str, RentedConfig] = Field(default_factory=dict)
    """Rented models by name."""
    sources: tuple[str, ...] = ("own",)
    """Sources of the exam's questions that are asked; () for all. "own" are the user's own."""
    system_prompt: str = ""
    """Put before every question; "" leaves each model its own."""
    passages: int = Field(default=5, ge=1, le=50)
    """Passages of the files shown with a question."""
    answer_tokens: int = Field(default=64, ge=1)
    """Longest answer in tokens; a quarter of the model's context where that is less."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Arithmetic of the likelihood of choices; fp32 where the processor has no bf16."""
    sequential: bool = True
    """Whether arms that can no longer win are stopped."""
    risk: float = Field(default=0.05, gt=0, lt=1)
    """Largest chance that stopping early changes who wins."""
    round: int = Field(default=5, ge=1)
    """Questions between two looks at who can still win."""
    cap_nano: int = Field(default=0, ge=0)
    """Most that may be paid for all rented arms and the judge together, in billionths of their currency."""
    judge: str = ""
    """Name in `rented` of the model that marks what needs a judge; "" for the bundle in inputs.judge, or for none."""
    seed: Seed = 0
    """Of the order of the questions."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.reference not in self.arms:
            raise ValueError(f"reference {self.reference!r} is not one of the arms: {', '.join(self.arms)}")
        used = [arm.rented for arm in self.arms.values() if arm.rented] + ([self.judge] if self.judge else [])
        for name in used:
            if name not in self.rented:
                raise ValueError(f"{name!r} is not one of the rented models: {', '.join(self.rented) or 'none'}")
        if used and not self.cap_nano:
            raise ValueError("a rented model is used and cap_nano is 0; expected the most that may be paid")
        currencies = sorted({one.currency for one in self.rented.values()})
        if len(currencies) > 1:
            raise ValueError(
                f"the rented models are priced in {', '.join(currencies)}; expected one currency for one cap"
            )
        return self

    @property
    def bundles(self) -> list[str]:
        """The steps that arms take their models from, in the order in which arms first name them."""
        return list(dict.fromkeys(arm.bundle for arm in self.arms.values() if arm.bundle))

    @property
    def currency(self) -> str:
        """Of the rented models; "" where there are none."""
        return next((one.currency for one in self.rented.values()), "")
