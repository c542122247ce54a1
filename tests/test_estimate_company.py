"""A company's months: costs, cash, runway and models against sums done by hand; doubt against the file's own percentiles."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luosi.errors import UsageError
from luosi.estimate import energy, money
from luosi.estimate.catalogue import architecture_named
from luosi.estimate.chips import chip
from luosi.estimate.company.lines import HOURS_A_MONTH, purchases
from luosi.estimate.company.measures import interval
from luosi.estimate.company.telling import as_text
from luosi.estimate.serving.fleet import Demand, fleet
from luosi.estimate.training.asking import wanted
from luosi.estimate.training.job import plan
from tests.company_kit import HEAD, Kit

PEOPLE = '[[people]]\nname = "team"\ncount = 10\ncost_per_year = 120_000\n'
RENT = '[[compute]]\nname = "gpus"\nchip = "h100"\ndevices = 100\nusd_hour = 2.0\nsource = "a test"\n'
MODEL = '[[training]]\nname = "model"\nstart = "2024-03"\nchip = "h100"\ndevices = 1000\nflop = 1e24\nmfu = 0.4\ngoodput = 1.0\nusd_hour = 2.0\n'


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    return Kit(tmp_path)


def test_people_cost_what_they_are_paid(kit: Kit) -> None:
    found = kit.measured(PEOPLE + "growth_per_year = 1.0\nraise_per_year = 0.1\n")
    by_hand = sum(10 * 10_000 * 2 ** (month / 12) * 1.1 ** (month / 12) for month in range(24))
    assert found["people"] == pytest.approx(by_hand)
    assert found["cost.2024"] + found["cost.2025"] == pytest.approx(by_hand)
    assert found["share.people"] == pytest.approx(1)


def test_an_entry_counts_from_its_first_month_to_its_last(kit: Kit) -> None:
    done = kit.run(PEOPLE + 'start = "2024-03"\nend = "2024-05"\n')
    assert done.cost[0].tolist() == [0, 0, 100_000, 100_000, 100_000] + [0] * 19


def test_rent_follows_the_price_and_a_lease_keeps_it(kit: Kit) -> None:
    falling = kit.run(RENT + "busy = 0.5\nprice_change_per_year = -0.5\n").cost[0]
    assert falling[0] == pytest.approx(100 * HOURS_A_MONTH * 2.0 * 0.5)
    assert falling[12] == pytest.approx(falling[0] / 2)
    leased = kit.run(RENT + 'how = "leased"\nlease_discount = 0.25\nbusy = 0.5\nprice_change_per_year = -0.5\n').cost[0]
    assert leased == pytest.approx(np.full(24, 100 * HOURS_A_MONTH * 1.5))


def test_spot_machines_are_rented_for_longer(kit: Kit) -> None:
    usual = kit.run(RENT).cost.sum()
    taken = [kit.run(RENT + f'how = "spot"\ntaken_a_month = {share}\n').cost.sum() for share in (0.05, 10.0)]
    assert usual < taken[0] < taken[1]


def test_owned_machines_are_paid_at_once_and_written_off_over_their_years(kit: Kit) -> None:
    text = '[[compute]]\nname = "own"\nchip = "h100"\nhow = "owned"\ndevices = 80\nyears = 1\nserver_usd = 300_000\nusd_kwh = 0.1\n'
    done = kit.run(text)
    capital = 10 * 300_000 * (1 + money.quote("network share").amount)
    monthly = 10 * (
        10.2 * money.quote("space").amount + energy.server_watts(chip("h100")) / 1000 * 1.1 * HOURS_A_MONTH * 0.1
    )
    assert done.paid[0, 0] == pytest.approx(capital + monthly)
    assert done.paid[0, 1] == pytest.approx(monthly)
    assert done.paid[0, 12] == pytest.approx(capital + monthly)  # bought again
    assert done.cost[0] == pytest.approx(np.full(24, capital / 12 + monthly))
    hour = money.owned(chip("h100"), years=1, server_usd=300_000, usd_kwh=0.1)
    assert done.cost[0, 0] / (80 * HOURS_A_MONTH) == pytest.approx(hour.usd)


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=60), st.integers(1, 24))
@settings(max_examples=100, deadline=None)
def test_there_are_always_enough_machines_and_none_is_too_old(wanted: list[float], life: int) -> None:
    devices = np.array([wanted])
    bought = purchases(devices, life)
    held = np.array([bought[0, max(0, month - life + 1) : month + 1].sum() for month in range(len(wanted))])
    assert (bought >= 0).all()
    assert (held >= devices[0] - 1e-6).all()
    assert bought[0, 0] == wanted[0]


def test_the_money_ends_in_the_month_that_it_does(kit: Kit) -> None:
    found = kit.report("cash = 1_050_000\n" + PEOPLE)  # 100,000 a month
    assert found["outlook"]["runway_months"] == {"p10": 11, "p50": 11, "p90": 11}
    assert found["outlook"]["chance_money_ends"] == 1
    assert found["by_month"][9]["cash"]["p50"] == pytest.approx(50_000)
    assert found["by_month"][10]["month"] == "2024-11"
    assert found["by_month"][10]["cash"]["p50"] == pytest.approx(-50_000)
    assert found["outlook"]["missing_at_worst"]["p50"] == pytest.approx(1_350_000)
    enough = kit.report("cash = 2_400_000\n" + PEOPLE)
    assert enough["outlook"]["runway_months"]["p50"] is None
    assert enough["outlook"]["chance_money_ends"] == 0


def test_revenue_breaks_even_when_it_covers_the_month(kit: Kit) -> None:
    users = '[[users]]\nname = "users"\ncount = 1000\ngrowth_per_month = 0.1\npaying = 0.5\nprice_per_month = 100\n'
    found = kit.report(PEOPLE + users)
    by_hand = next(month for month in range(24) if 1000 * 1.1**month * 50 >= 100_000) + 1
    assert found["outlook"]["break_even_months"]["p50"] == by_hand
    capped = kit.report(PEOPLE + users + "at_most = 1500\n")
    assert capped["outlook"]["break_even_months"]["p50"] is None
    user_months = sum(min(1500, 1000 * 1.1**month) for month in range(24))
    assert capped["outlook"]["cost_per_user_month"]["p50"] == pytest.approx(2_400_000 / user_months)


def test_a_round_comes_as_often_as_it_should(kit: Kit) -> None:
    head = HEAD.replace("trials = 200", "trials = 4000")
    done = kit.run('[[funding]]\namount = 5e6\nmonth = "2024-06"\nchance = 0.7\n', head)
    assert done.raised[:, 5].mean() == pytest.approx(3.5e6, rel=0.05)
    assert set(done.raised[:, 5]) == {0.0, 5e6}
    assert done.raised.sum() == done.raised[:, 5].sum()


def test_a_model_ships_after_its_flop(kit: Kit) -> None:
    found = kit.report(MODEL)
    days = 1e24 / (1000 * 989e12 * 0.4) / 86400
    model = found["models"][0]
    assert model["days"]["p50"] == pytest.approx(days)
    assert model["device_hours"]["p50"] == pytest.approx(days * 24_000)
    assert model["usd"]["p50"] == pytest.approx(days * 48_000)
    assert model["ships"]["p50"] == pytest.approx(2 + days / (HOURS_A_MONTH / 24))
    assert found["budget"]["compute.training"]["cost"]["p50"] == pytest.approx(days * 48_000)
    assert [month["cost"]["p50"] > 0 for month in found["by_month"]][:5] == [False, False, True, False, False]
    assert model["chance_ships_in_time"] == 1


def test_the_next_model_takes_ten_times_the_compute(kit: Kit) -> None:
    first = MODEL.replace("flop = 1e24", "parameters_b = [60, 80]\ntokens_b = 2000")
    found = kit.measured(
        first + '[[training]]\nname = "next"\nof = "model"\ntimes = 10\nchip = "h100"\ndevices = 5000\nmfu = 0.4\n'
    )
    assert found["training.next.flop"] == pytest.approx(10 * found["training.model.flop"])
    assert found["training.next.parameters_b"] == pytest.approx(math.sqrt(10) * found["training.model.parameters_b"])
    assert found["training.model.flop"] == pytest.approx(
        6 * found["training.model.parameters_b"] * found["training.model.tokens_b"] * 1e18
    )


def test_a_model_by_name_has_its_step_predicted(kit: Kit) -> None:
    head = '[[training]]\nname = "a"\nchip = "h100"\ndevices = 64\ntokens_b = 100\ngoodput = 1.0\n'
    found = kit.report(head + 'model = "llama-3.1-8b"\n')["models"][0]
    job = plan(wanted(model="llama-3.1-8b", on="h100:64", tokens="100B"))
    assert found["flop"]["p50"] == pytest.approx(job.flop)
    assert found["days"]["p50"] == pytest.approx(job.seconds.p50 / 86400, rel=0.1)
    assert found["days"]["p10"] == pytest.approx(job.seconds.p10 / 86400, rel=0.1)
    assert kit.measured(head + 'model = "8B"\nmfu = 0.4\n')["training.a.days"][0] > 0
    with pytest.raises(UsageError, match=r"training\.a: .*llama-3.1-405b"):
        kit.run(head.replace("devices = 64", "devices = 1") + 'model = "llama-3.1-405b"\n')


def test_the_chance_that_money_ends_before_the_model_ships(kit: Kit) -> None:
    never, always = (kit.report(f"cash = {cash}\n" + PEOPLE + MODEL)["models"][0] for cash in (1e9, 150_000))
    assert never["chance_money_ends_first"] == 0
    assert always["chance_money_ends_first"] == 1
    doubtful = kit.report("cash = [200_000, 3_000_000]\n" + PEOPLE + MODEL)["models"][0]
    assert 0 < doubtful["chance_money_ends_first"] < 1


def test_an_unknown_price_refuses_the_money_and_not_the_time(kit: Kit) -> None:
    unpaid = kit.report(MODEL.replace("h100", "b100").replace("usd_hour = 2.0", "paid = false"))["models"][0]
    assert unpaid["days"]["p50"] > 0
    assert "usd" not in unpaid
    assert "price unknown" in as_text(
        kit.report(MODEL.replace("h100", "b100").replace("usd_hour = 2.0", "paid = false"))
    )


def test_serving_follows_the_tokens(kit: Kit) -> None:
    text = (
        '[[users]]\nname = "users"\ncount = 10_000\ntokens_per_month = 1e6\n'
        '[serving]\nchip = "h100"\ntokens_s = 1000\nbusy = 0.5\nusd_hour = 2.0\nspeedup_per_year = 1.0\n'
        '[api]\nusd_per_million = 1.5\nsource = "a test"\n'
    )
    found = kit.report(text)
    million = 1e6 / (1000 * 0.5) / 3600 * 2.0
    assert found["by_month"][0]["cost"]["p50"] == pytest.approx(10_000 * million)
    assert found["by_month"][12]["cost"]["p50"] == pytest.approx(10_000 * million / 2)
    both = found["own_or_api"]
    assert both["api"]["p50"] == pytest.approx(24 * 10_000 * 1.5)
    assert both["chance_own_is_cheaper"] == 1
    assert both["break_even_months"]["p50"] == 1
    trained = kit.report(text + MODEL)["own_or_api"]
    assert trained["own"]["p50"] > both["own"]["p50"]
    margin = 1.5 - million / 2 ** (23 / 12)
    model = kit.measured(text + MODEL)["training.model.usd"][0]
    assert trained["break_even_tokens_a_month"] == pytest.approx(model / 24 / margin * 1e6)


def test_a_served_model_by_name_has_its_speed_predicted(kit: Kit) -> None:
    text = '[[users]]\nname = "users"\ncount = {users}\ntokens_per_month = 1e6\n[serving]\nchip = "h100"\nmodel = "llama-3.1-8b"\n'
    found = kit.measured(text.format(users=1e8))
    made = fleet(
        architecture_named("llama-3.1-8b"),
        chip("h100"),
        Demand(1000, 300, tokens=1e14 / (HOURS_A_MONTH / 24) * 300 / 1300),
    )
    assert np.median(found["devices.serving"]) == pytest.approx(made.mean_devices, rel=0.05)
    assert interval(found["devices.serving"]).p90 > interval(found["devices.serving"]).p10 * 1.1
    few = kit.measured(text.format(users=1))
    assert few["devices.serving"] == pytest.approx(1)  # a copy, however few ask
    with pytest.raises(UsageError, match=r"serving: .*deepseek-v4-pro"):
        kit.run(
            text.format(users=1).replace("llama-3.1-8b", "deepseek-v4-pro").replace("h100", "m4 max")
            + "usd_hour = 1.0\n"
        )


def test_the_ways_to_hold_a_fleet_are_priced_or_refused(kit: Kit) -> None:
    found = kit.report(RENT.replace("usd_hour = 2.0\n", ""))
    ways = {way["way"]: way for way in found["ways"]}
    assert ways["rented by the hour"]["usd_hour"] == chip("h100").usd_hour
    assert ways["rented by the hour"]["usd_year"] == pytest.approx((chip("h100").usd_hour or 0) * 100 * 8766)
    assert ways["leased for years"]["usd_hour"] is None
    assert "lease" in ways["leased for years"]["refused"]
    assert ways["rented as spot"]["parts"]["interruptions"] > 0
    built, halls = ways["bought, in a hall built for it"], ways["bought, in a leased hall"]
    assert built["usd_hour"] == pytest.approx(sum(built["parts"].values()))
    assert built["parts"]["servers"] == halls["parts"]["servers"]
    assert all(way["sources"] for way in ways.values() if way["usd_hour"])
    odd = kit.report(RENT.replace("usd_hour = 2.0", 'how = "owned"\nusd_hour = [-1, 2]'))
    assert "usd_hour is -1" in odd["ways"][0]["refused"]
    unpriced = kit.report(RENT.replace('"h100"', '"b100"'))
    refused = {way["way"]: way["refused"] for way in unpriced["ways"]}
    assert refused["rented by the hour"] == ""
    assert "no price is known" in refused["bought, in a leased hall"]


@pytest.mark.parametrize(("low", "high"), [(10.0, 40.0), (-0.3, 0.1)])
def test_doubt_is_what_the_file_says(kit: Kit, low: float, high: float) -> None:
    head = HEAD.replace("trials = 200", "trials = 20000")
    found = interval(kit.measured(f'[given.doubt]\nvalue = [{low}, {high}]\nsource = "a test"\n', head)["given.doubt"])
    assert found.p10 == pytest.approx(low, abs=0.02 * (high - low))
    assert found.p90 == pytest.approx(high, abs=0.03 * (high - low))


def test_one_more_entry_changes_no_others_draws_and_runs_repeat(kit: Kit) -> None:
    doubtful = PEOPLE.replace("120_000", "[100_000, 200_000]")
    alone, again = kit.measured(doubtful)["people.team"], kit.measured(doubtful)["people.team"]
    beside = kit.measured(doubtful.replace("team", "other") + doubtful)["people.team"]
    assert (alone == again).all()
    assert (alone == beside).all()
    assert (kit.measured(doubtful, HEAD + "seed = 2\n")["people.team"] != alone).any()


def test_another_currency_is_changed_once(kit: Kit) -> None:
    yuan = HEAD + 'currency = "CNY"\nper_usd = 7.0\n'
    assert kit.measured(RENT, yuan)["cost"] == pytest.approx(7 * kit.measured(RENT)["cost"])
    assert kit.measured(PEOPLE, yuan)["cost"] == pytest.approx(kit.measured(PEOPLE)["cost"])


def test_the_text_says_what_the_data_says(kit: Kit) -> None:
    found = kit.report("cash = 1_050_000\n" + PEOPLE + RENT + MODEL)
    text = as_text(found)
    for word in ("people", "compute.training", "money ends after", "Model model", "Other ways to hold gpus", "a test"):
        assert word in text
    assert "\x1b" not in text
    assert "nan" not in text
