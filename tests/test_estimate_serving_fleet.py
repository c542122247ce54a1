"""Fleets: how many machines a demand takes, and the queue before them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luosi.errors import UsageError
from luosi.estimate.catalogue import architecture_named
from luosi.estimate.chips import chip
from luosi.estimate.serving.fleet import Demand, fleet
from luosi.estimate.serving.queue import places_for, wait

LLAMA = architecture_named("llama-3.1-70b")


def erlang(load: float, places: int, stay: float) -> float:
    """The mean wait of an M/M/n queue, by the sum."""
    blocked = 1.0
    for n in range(1, places + 1):
        blocked = load * blocked / (n + load * blocked)
    waiting = places * blocked / (places - load * (1 - blocked))
    return waiting * stay / (places - load)


@pytest.mark.parametrize(("load", "places"), [(8, 10), (50, 55), (50, 65), (400, 420)])
def test_the_wait_is_the_queue_s(load: float, places: int) -> None:
    assert wait(load, places, 10.0) == pytest.approx(erlang(load, places, 10.0), rel=0.35, abs=0.2)


@given(load=st.floats(0.01, 1e5), stay=st.floats(0.1, 300), longest=st.floats(0.01, 10))
def test_places_keep_the_wait(load: float, stay: float, longest: float) -> None:
    places = places_for(load, stay, longest)
    assert places > load and wait(load, places, stay) <= longest
    assert wait(load, load + (places - load) * 0.9 - 0.002 * places, stay) > longest or places - load < 0.03 * places


def test_a_demand_in_users_requests_and_tokens_takes_the_same_fleet() -> None:
    people = fleet(LLAMA, chip("h100"), Demand(1000, 300, users=1000))
    requests = fleet(LLAMA, chip("h100"), Demand(1000, 300, requests=people.requests))
    tokens = fleet(LLAMA, chip("h100"), Demand(1000, 300, tokens=people.tokens_a_day))
    assert people.copies == pytest.approx(requests.copies, abs=1) and tokens.copies == pytest.approx(
        requests.copies, abs=1
    )
    assert people.copies_by_night < people.copies
    assert people.run.devices * people.copies == people.devices.p50 >= people.mean_devices


def test_ten_times_the_demand_takes_nearly_ten_times_the_machines() -> None:
    small, large = (fleet(LLAMA, chip("h200"), Demand(1000, 300, requests=r)) for r in (30, 300))
    assert 7 < large.devices.p50 / small.devices.p50 <= 10.5
    assert large.dollars_per_million is not None and small.dollars_per_million is not None
    assert large.dollars_per_million.p50 <= small.dollars_per_million.p50 * 1.05


def test_what_it_costs_has_a_source_and_an_unknown_price_refuses_the_money_only() -> None:
    known = fleet(LLAMA, chip("h100"), Demand(1000, 300, requests=20))
    assert known.hour is not None and known.hour.quotes[0].source and known.hour.quotes[0].date
    tokens_an_hour = known.tokens_a_day / 24
    assert known.dollars_per_million is not None
    assert known.dollars_per_million.p50 == pytest.approx(
        known.mean_devices * known.hour.usd / tokens_an_hour * 1e6, rel=1e-6
    )
    unknown = fleet(LLAMA, chip("b100"), Demand(1000, 300, requests=20))
    assert unknown.dollars_per_million is None and unknown.hour is None and unknown.joules_per_million.p50 > 0
    given_ = fleet(LLAMA, chip("b100"), Demand(1000, 300, requests=20), usd_hour=4.0)
    assert given_.dollars_per_million is not None


def test_a_copy_is_spread_over_servers_only_if_it_must() -> None:
    demand = Demand(1000, 300, requests=20)
    assert fleet(architecture_named("deepseek-v3"), chip("h200"), demand).run.devices == 8
    wide = fleet(architecture_named("deepseek-v3"), chip("h100"), demand).run
    assert wide.devices >= 16 and wide.copies == wide.devices and wide.chip.scaleup_gbs == chip("h100").scaleout_gbs
    with pytest.raises(UsageError, match="8 H100-SXM hold 640 GB"):
        fleet(architecture_named("deepseek-v3"), chip("h100"), demand, most_devices=8)


def test_limits_are_kept() -> None:
    slow = fleet(LLAMA, chip("h100"), Demand(1000, 300, requests=20), token_within=0.06)
    fast = fleet(LLAMA, chip("h100"), Demand(1000, 300, requests=20), token_within=0.015)
    assert fast.copy.token.p50 <= 0.015 < slow.copy.token.p50 and fast.devices.p50 > slow.devices.p50
    assert slow.copy.first is not None and slow.copy.first.p50 + slow.waiting <= 2.0 * 1.01


@pytest.mark.parametrize(
    ("problem", "says"),
    [
        (
            lambda: fleet(architecture_named("deepseek-v3"), chip("rtx 4090"), Demand(1000, 300, users=10)),
            "GB of weights",
        ),
        (lambda: fleet(LLAMA, chip("h100"), Demand(1000, 300, users=10), token_within=0.001), "the nearest"),
        (lambda: fleet(LLAMA, chip("h100"), Demand(1000, 300, users=1e5), most_devices=8), "they serve"),
        (lambda: Demand(1000, 300), "users, requests"),
        (lambda: Demand(1000, 300, users=1, requests=2), "users and requests"),
        (lambda: Demand(1000, math.nan, users=1), "answer"),
        (lambda: Demand(-5, 300, users=1), "prompt"),
        (lambda: Demand(1000, 300, users=math.inf), "users"),
        (lambda: fleet(LLAMA, chip("h100"), Demand(1000, 300, users=10), first_within=0.0), "first_within"),
        (lambda: fleet(LLAMA, chip("h100"), Demand(1000, 300, users=10), token_within=math.nan), "token_within"),
    ],
)
def test_what_cannot_be_is_answered_with_what_would_do(problem, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError) as told:
        problem()
    assert says in str(told.value)
