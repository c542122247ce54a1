"""Power, energy and racks against what was metered; money of an hour against its parts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luosi.cost import Interval
from luosi.errors import UsageError
from luosi.estimate import energy, money
from luosi.estimate.chips import chip, chips

METERED = [
    ("h100", 7189.0, "MLPerf training v4.1, Dell, Llama-2-70B LoRA on 8 servers"),
    ("b200", 9583.0, "MLPerf training v5.0, Lenovo, the same"),
    ("b200", 9892.0, "MLPerf inference v5.1, Lenovo, Llama-3.1-405B offline"),
    ("b200", 9566.0, "the same, server"),
    ("b200", 9436.0, "Llama-3.1-8B, offline"),
    ("b200", 9011.0, "the same, server"),
]
TOTALS = [
    ("v100", 3.552e6, 1287.0, "GPT-3"),
    ("tpu v3", 512 * 20 * 24, 85.7, "T5-11B"),
    ("tpu v3", 1024 * 3.1 * 24, 24.1, "GShard-600B"),
    ("tpu v3", 1024 * 27 * 24, 179.0, "Switch, 1.5 T"),
    ("tpu v3", 1024 * 57.7 * 24, 451.0, "LaMDA"),
]


@pytest.mark.parametrize(("name", "watts", "run"), METERED, ids=[row[2] for row in METERED])
def test_a_servers_power_is_within_15_percent_of_the_meter(name: str, watts: float, run: str) -> None:
    assert energy.server_watts(chip(name)) == pytest.approx(watts, rel=0.15)


@pytest.mark.parametrize(("name", "device_hours", "mwh", "run"), TOTALS, ids=[row[3] for row in TOTALS])
def test_a_runs_energy_is_within_its_interval(name: str, device_hours: float, mwh: float, run: str) -> None:
    found = energy.joules(chip(name), Interval.exactly(device_hours * 3600)).times(1 / 3.6e9)
    assert found.p50 == pytest.approx(mwh, rel=0.18)
    assert found.p10 < mwh * 1.05 and found.p90 > mwh * 0.95


def test_doubt_of_time_and_of_power_come_together() -> None:
    sure = energy.joules(chip("h100"), Interval.exactly(3600.0))
    doubtful = energy.joules(chip("h100"), Interval.around(3600.0, 0.3))
    assert sure.p50 == doubtful.p50
    assert doubtful.p10 < sure.p10 < sure.p90 < doubtful.p90
    assert energy.joules(chip("h100"), Interval.exactly(0.0)) == Interval.exactly(0.0)
    idle = energy.joules(chip("h100"), Interval.exactly(3600.0), busy=0.0)
    assert idle.p50 / sure.p50 == pytest.approx(energy.IDLE_SHARE / energy.BUSY_SHARE)


@given(st.floats(0.5, 200), st.floats(0.5, 200))
def test_a_rack_holds_no_more_than_it_can_feed(server_kw: float, rack_kw: float) -> None:
    try:
        held = energy.per_rack(server_kw, rack_kw)
    except UsageError:
        assert server_kw > rack_kw
    else:
        assert held >= 1
        assert held * server_kw <= rack_kw * (1 + 1e-6) < (held + 1) * server_kw * (1 + 1e-5)


def test_racks_of_a_cluster() -> None:
    a100 = chip("a100")
    assert energy.servers(a100, 801) == 101
    assert energy.racks(a100, 800, 20) == 25  # 4.55 kW each, four in a rack
    assert energy.racks(a100, 800, 20, measured=False) == 34  # 6.5 kW each, three
    with pytest.raises(UsageError, match="does not fit a rack of 5 kW"):
        energy.racks(chip("h100"), 8, 5)


@pytest.mark.parametrize("wrong", [-0.1, 1.1, math.nan])
def test_a_share_that_is_none_is_refused(wrong: float) -> None:
    with pytest.raises(UsageError, match="busy"):
        energy.server_watts(chip("h100"), wrong)
    with pytest.raises(UsageError, match="busy"):
        money.owned(chip("h100"), busy=wrong)
    with pytest.raises(UsageError, match="PUE"):
        energy.joules(chip("h100"), Interval.exactly(1.0), pue=wrong if wrong != 1.1 else 0.5)


def test_an_hours_parts_add_up_and_name_their_sources() -> None:
    for hour in (
        money.rented(chip("h100")),
        money.rented(chip("h100"), spot=True, busy=0.5),
        money.leased(chip("h100"), discount=0.4, busy=0.9),
        money.owned(chip("h100"), busy=0.8),
    ):
        assert hour.usd == pytest.approx(sum(hour.parts.values()))
        assert hour.quotes and all(quote.source and quote.date for quote in hour.quotes)
        assert all(quote.source in str(quote) and quote.date in str(quote) for quote in hour.quotes)
    assert money.rented(chip("h100"), busy=0.5).usd == 2 * money.rented(chip("h100")).usd


def test_an_unknown_price_is_refused_and_a_given_one_taken() -> None:
    unpriced = next(one for one in chips() if one.usd_hour is None and one.usd_hour_spot is None)
    for spot in (False, True):
        with pytest.raises(UsageError, match="price"):
            money.rented(unpriced, spot=spot)
    with pytest.raises(UsageError, match="no price is known"):
        money.owned(unpriced)
    assert money.rented(unpriced, usd_hour=3.0).usd == 3.0
    assert money.owned(unpriced, server_usd=300e3).usd > 0
    assert "user" in str(money.rented(unpriced, usd_hour=3.0).quotes[0])


def test_buying_breaks_even_where_it_says() -> None:
    for name in ("h100", "b200"):
        busy = money.break_even_busy(chip(name))
        assert 0.3 < busy < 1
        assert money.owned(chip(name), busy=busy).usd == pytest.approx(money.rented(chip(name)).usd, rel=1e-6)
    assert money.break_even_busy(chip("h100"), usd_hour=0.1) == math.inf


@pytest.mark.parametrize("wrong", [0.0, -2.0, math.nan, math.inf])
def test_prices_that_cannot_be_are_refused(wrong: float) -> None:
    for call in (
        lambda: money.rented(chip("h100"), usd_hour=wrong),
        lambda: money.owned(chip("h100"), server_usd=wrong),
        lambda: money.owned(chip("h100"), years=wrong),
        lambda: money.leased(chip("h100"), discount=wrong or 1.0),
    ):
        with pytest.raises(UsageError):
            call()


def test_every_listed_figure_has_a_source_and_a_date() -> None:
    for item in (
        "server H100-SXM",
        "kwh US industry",
        "space",
        "building",
        "network share",
        "pue new",
        "yuan a dollar 2023",
    ):
        found = money.quote(item)
        assert found.amount > 0 and found.source and found.date >= "2019"
    with pytest.raises(UsageError) as caught:
        money.quote("server H100")
    assert "server H100-SXM" in caught.value.hint
