"""The plan page: sliders for size, tokens, hardware and price, and what a training run comes to; where each figure is from is one click away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial

from markupsafe import Markup
from nicegui import ui

from luosi.cost import Interval
from luosi.estimate import picture
from luosi.estimate.quantities import count, dollars, duration, energy, gigabytes, power
from luosi.web.frame import View, say
from luosi.web.planned import (
    DEVICES,
    PRECISIONS,
    PRICES,
    SIZES,
    START,
    TOKENS,
    Planned,
    Setting,
    chip_names,
    model_names,
    nearest_stop,
    reckon,
)
from luosi.web.source import Unreadable, ask
from luosi.web.tables import table, two_lines
from luosi.web.words import Words

UNITS = {"ms": "毫秒", "s": "秒", "min": "分钟", "h": "小时", "days": "天", "years": "年"}
VALUE = "(event) => emit(Number(event.target.value))"


async def show(view: View) -> None:
    """Fill the page."""
    say("h1", view.words("plan"))
    await Page(view).again()


class Page:
    """The form and the figures below it."""

    def __init__(self, view: View) -> None:
        self._words, self._setting = view.words, START
        words = self._words
        with ui.element("section").classes("card"):
            with ui.element("div").classes("fields"):
                self._model = ui.select(
                    model_names(),
                    value=START.model,
                    label=words("plan_model"),
                    with_input=True,
                    new_value_mode="add-unique",
                )
                chip = ui.select(chip_names(), value=START.chip, label=words("plan_chip"), with_input=True)
                precision = ui.select(list(PRECISIONS), value=START.precision, label=words("plan_precision"))
                for field in (self._model, chip, precision):
                    field.props("outlined dense options-dense")
            self._model.on_value_change(lambda event: self._set(model=str(event.value or "")))
            chip.on_value_change(lambda event: self._set(chip=str(event.value or ""), usd_hour=None))
            precision.on_value_change(lambda event: self._set(precision=str(event.value)))
            self._slider("plan_size", SIZES, 8e9, count, lambda value: self._size(value), words("plan_by_model"))
            self._slider("plan_tokens", TOKENS, START.tokens, count, lambda value: self._set(tokens=value))
            self._slider("plan_devices", DEVICES, START.devices, count, lambda value: self._set(devices=int(value)))
            self._slider(
                "plan_price", PRICES, 3.0, dollars, lambda value: self._set(usd_hour=value), words("plan_listed")
            )
        self._shown = ui.element("div").props("aria-live=polite").classes("planned")

    def _slider(
        self,
        name: str,
        stops: Sequence[float],
        start: float,
        said: Callable[[float], str],
        moved: Callable[[float], object],
        untouched: str = "",
    ) -> None:
        with ui.element("label").classes("slider"):
            label = ui.label()
            slider = ui.element("input").classes("range")
            place = nearest_stop(tuple(stops), start)
            slider.props(f'type=range min=0 max={len(stops) - 1} defaultValue={place} aria-label="{self._words(name)}"')

        def tell(place: int) -> float:
            value = stops[min(max(place, 0), len(stops) - 1)]
            label.text = f"{self._words(name)}: {said(value)}"
            slider.props(f'aria-valuetext="{said(value)}"')
            return value

        tell(place)
        if untouched:
            label.text = f"{self._words(name)}: {untouched}"
        slider.on("input", lambda event: tell(int(event.args)), js_handler=VALUE, throttle=0.05)
        slider.on("change", lambda event: moved(tell(int(event.args))), js_handler=VALUE)

    def _size(self, value: float) -> object:
        self._model.set_options([*model_names(), count(value)], value=count(value))  # which sets the model
        return None

    async def _set(self, **changed: object) -> None:
        self._setting = replace(self._setting, **changed)  # type: ignore[arg-type]
        await self.again()

    async def again(self) -> None:
        """Reckon and draw."""
        setting = self._setting
        try:
            planned: Planned | str = await ask(reckon, setting)
        except Unreadable as error:
            planned = str(error)
        if setting is not self._setting:
            return  # moved on meanwhile
        self._shown.clear()
        with self._shown:
            if isinstance(planned, str):
                ui.label(planned).classes("notice").props("role=alert")
            else:
                draw(planned, setting, self._words)


def draw(planned: Planned, setting: Setting, words: Words) -> None:
    """The figures of a run, its pictures, the ways to pay, and where all that is from."""
    job, outlay = planned.job, planned.outlay
    best = job.best
    with ui.element("section").classes("tiles"):
        _tile(words("plan_days"), spoken(words, outlay.seconds.p50), between(outlay.seconds, partial(spoken, words)))
        paid = next((way for way in outlay.ways if way.usd), None)
        money = (dollars(paid.usd.p50), between(paid.usd, dollars)) if paid and paid.usd else (words("unknown"), "")
        _tile(words("plan_money"), *money)
        _tile(words("plan_mfu"), f"{best.mfu:.0%}", words("plan_least", time=spoken(words, job.least_seconds)))
        _tile(words("plan_energy"), energy(outlay.joules.p50), power(outlay.watts))
        memory = sum(best.memory.values())
        _tile(words("plan_memory"), gigabytes(memory), words("plan_of", all=gigabytes(job.usable_bytes)))
        _tile(
            words("plan_kept"), f"{outlay.goodput.useful:.0%}", words("plan_failures", count=f"{outlay.failures:,.1f}")
        )
    with ui.element("section").classes("card"):
        say("h2", words("plan_where"))
        step = picture.Panel(words("plan_step"), _named(best.parts, words), partial(spoken, words))
        held = picture.Panel(
            words("plan_held"), _named(best.memory, words), gigabytes, job.usable_bytes, words("plan_usable")
        )
        wanted = job.wanted
        title = f"{wanted.architecture.name}, {wanted.asked.devices:,} {wanted.chip.name}"
        ui.html(picture.svg(title, _layout(planned), [step, held])).classes("drawn")
    with ui.element("section").classes("card"):
        say("h2", words("plan_ways"))
        ui.html(_ways(planned, words)).classes("scroll")
        for way in outlay.ways:
            if way.refused or way.note:
                ui.label(f"{words(f'way_{way.name}')}: {way.refused or way.note}").classes("hint")
        say("h2", words("plan_counts"))
        ui.html(_counts(planned, words)).classes("scroll")
    with ui.element("details").classes("card"):
        say("summary", words("plan_sources"))
        ui.html(_sources(planned, setting, words)).classes("scroll")


def spoken(words: Words, seconds: float) -> str:
    """A time in the page's language."""
    said = duration(seconds)
    number, _, unit = said.partition(" ")
    return f"{number} {UNITS.get(unit, unit)}" if words.language == "zh" else said


def between(value: Interval, said: Callable[[float], str]) -> str:
    """Its 80 % interval."""
    return f"{said(value.p10)} … {said(value.p90)}"


def _tile(name: str, value: str, small: str) -> None:
    with ui.element("div").classes("card tile"):
        say("small", name)
        say("strong", value)
        say("span", small)


def _named(parts: dict[str, float], words: Words) -> tuple[tuple[str, float], ...]:
    return tuple((words(f"part_{name}"), value) for name, value in parts.items())


def _layout(planned: Planned) -> str:
    one = planned.job.best.configuration
    said = [
        f"{field.name.replace('_', ' ')} {getattr(one, field.name)}"
        for field in fields(one)
        if isinstance(getattr(one, field.name), int)
    ]
    return ", ".join(
        [*said, f"batch {planned.job.wanted.asked.global_batch:,} x {planned.job.wanted.asked.sequence:,}"]
    )


def _ways(planned: Planned, words: Words) -> Markup:
    heads = [words(key) for key in ("plan_way", "plan_money", "plan_hour", "plan_days")]
    rows = [
        [
            words(f"way_{way.name}"),
            two_lines(dollars(way.usd.p50), between(way.usd, dollars)) if way.usd else words("unknown"),
            dollars(way.usd_device_hour) if way.usd_device_hour else "–",
            spoken(words, way.seconds.p50) if way.seconds else "–",
        ]
        for way in planned.outlay.ways
    ]
    return table(words("plan_ways"), heads, rows)


def _counts(planned: Planned, words: Words) -> Markup:
    heads = [words(key) for key in ("plan_devices", "plan_days", "plan_device_hours", "plan_money")]
    rows = [
        [
            f"{one.devices:,} {one.chip}",
            spoken(words, one.days * 86_400),
            count(one.device_hours),
            words("unknown") if one.usd is None else dollars(one.usd),
        ]
        for one in planned.job.counts
    ]
    return table(words("plan_counts"), heads, rows)


def _sources(planned: Planned, setting: Setting, words: Words) -> Markup:
    chip, ways = planned.job.wanted.chip, planned.outlay.ways
    price = (
        words("plan_own_price")
        if setting.usd_hour
        else f"{chip.price_source} ({chip.price_date})"
        if chip.usd_hour
        else words("unknown")
    )
    rows = [
        [words("plan_model"), planned.model_source or words("plan_made_up")],
        [words("plan_chip"), f"{chip.source}. {chip.note}"],
        [words("plan_price"), price],
        *([words(f"way_{way.name}"), "; ".join(way.sources)] for way in ways if way.sources),
        [words("plan_step"), words("plan_fit")],
    ]
    return table(words("plan_sources"), [words("plan_figure"), words("plan_source")], rows)
