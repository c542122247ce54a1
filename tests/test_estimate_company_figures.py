"""The worked examples: every published figure ends in a verdict, and in the right one. And files that are wrong, answered in one line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luosi.errors import InputError, UsageError
from luosi.estimate.company.report import estimate_company
from luosi.estimate.company.telling import as_text
from tests.company_kit import HEAD, Kit

EXAMPLES = Path(__file__).parents[1] / "examples/company"

VERDICTS = {
    "chatgpt_day": ["reproduced", "reproduced", "reproduced", "explained by a model of GPT-4's compute"],
    "thousand_cards": ["reproduced", "reproduced", "not reproduced, factor 4.3"],
    "fifty_million": ["reproduced", "reproduced", "reproduced", "reproduced"],
    "racks": ["reproduced", "reproduced", "explained by what the servers draw"],
    "trillion_model": ["explained by the chip", "not reproduced, factor 0.61", "explained by experts"],
    "cloud_tenants": ["reproduced", "reproduced"],
    "openai_2024": ["reproduced", "reproduced", "reproduced"],
    "spot_saving": ["reproduced", "reproduced", "not reproduced, factor 0.82", "not reproduced, factor 0.78"],
    "m6_energy": ["reproduced", "not reproduced, factor 3.5", "not reproduced, factor 3.2"],
    "next_model": ["reproduced", "explained by two years of chips"],
    "capital_spending": ["explained by the twelve months to June 2024", "reproduced"],
    "lease_2023_2030": ["reproduced", "reproduced"],
    "yuan": ["not reproduced, factor 1.2", "reproduced", "not reproduced, factor 0.86"],
    "startup": [],
}


def test_every_example_is_here() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.toml")} == set(VERDICTS)


@pytest.mark.parametrize("name", VERDICTS)
def test_every_published_figure_ends_in_its_verdict(name: str) -> None:
    found = estimate_company(EXAMPLES / f"{name}.toml")
    verdicts = [claim["verdict"] for claim in found["claims"]]
    assert len(verdicts) == len(VERDICTS[name])
    for verdict, expected in zip(verdicts, VERDICTS[name], strict=True):
        assert verdict.startswith(expected)
    text = as_text(found)
    assert all(claim["text"] in text for claim in found["claims"])
    assert found["sources"] or name in ("racks", "capital_spending")


@pytest.mark.parametrize(
    ("name", "claim", "value", "close"),
    [
        ("chatgpt_day", 0, 694_464, 0.001),  # 28,936 x 24
        ("m6_energy", 2, 0.03, 0.1),  # not 1 %
        ("m6_energy", 1, 122_880 / 3.552e6, 0.01),
        ("trillion_model", 2, 110, 0.02),  # dense on 1,200 A800
        ("yuan", 2, 3.1e9 / 540e6, 1e-6),
        ("cloud_tenants", 1, 7.7e6, 0.01),
        ("openai_2024", 2, 4.5e9, 0.02),
    ],
)
def test_the_computed_figure_is_the_one_done_by_hand(name: str, claim: int, value: float, close: float) -> None:
    found = estimate_company(EXAMPLES / f"{name}.toml")["claims"][claim]
    assert found["computed"]["p50"] == pytest.approx(value, rel=close)


CLAIM = '[given.one]\nvalue = 10\nsource = "a test"\n[given.none]\nvalue = 0\nsource = "a test"\n[[claims]]\nsays = "ten"\nlow = {low}\nhigh = {high}\nmeasure = ["{measure}"]\n'


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (10, 10, "reproduced"),
        (10.4, 10.4, "reproduced"),
        (5, 20, "reproduced"),
        (20, 30, "not reproduced, factor 0.5"),
        (1, 2, "not reproduced, factor 5"),
        (0, 0, "not reproduced, factor inf"),
    ],
)
def test_a_verdict_follows_from_the_range(low: float, high: float, verdict: str, tmp_path: Path) -> None:
    found = Kit(tmp_path).report(CLAIM.format(low=low, high=high, measure="given.one"))
    assert found["claims"][0]["verdict"] == verdict


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CLAIM.format(low=1, high=2, measure="given.on"), "no measure 'given.on'"),
        (CLAIM.format(low=3, high=2, measure="given.one"), "from 3 to 2"),
        (CLAIM.format(low=1, high=2, measure="given.one") + 'over = ["given.none"]\n', "cannot be divided"),
        (CLAIM.format(low=1, high=2, measure="chip.b100.usd_hour"), "no usd_hour of b100"),
        ("nonsense", "TOML"),
        ("moths = 3\n", "moths"),
        ('[[people]]\nname = "a"\ncount = "ten"\ncost_per_year = 1\n', "people.0.count"),
        ('[[people]]\nname = "a"\ncount = nan\ncost_per_year = 1\n', "people.0.count"),
        ('[[people]]\nname = "a"\ncount = inf\ncost_per_year = 1\n', "people.0.count"),
        ('[[people]]\nname = "a"\ncount = -1\ncost_per_year = 1\n', "people.a.count"),
        ('[[people]]\nname = "a"\ncount = [3, 2]\ncost_per_year = 1\n', "people.a.count"),
        ('[[people]]\nname = "a"\ncount = [1, 2, 3]\ncost_per_year = 1\n', "people.0.count"),
        ('[[people]]\nname = "a"\ncount = 1\ncost_per_year = 1\nstart = "2024-13"\n', "people.0.start"),
        (
            '[[people]]\nname = "a"\ncount = 1\ncost_per_year = 1\nstart = "2024-05"\nend = "2024-03"\n',
            "before it starts",
        ),
        ('[[people]]\nname = "a"\ncount = 1\ncost_per_year = 1\n' * 2, "two entries are called 'a'"),
        ('[[funding]]\namount = 1\nmonth = "2029-01"\n', "2029-01"),
        ('[[training]]\nname = "a"\nchip = "h100"\ndevices = 8\n', "give model"),
        ('[[training]]\nname = "a"\nchip = "h100"\ndevices = 8\nof = "b"\ntimes = 2\n', "'b'"),
        (
            '[[training]]\nname = "a"\nchip = "h100"\ndevices = 8\nflop = 1e20\nstart = "2023-01"\n',
            "before the company's first month",
        ),
        ('[[compute]]\nname = "a"\nchip = "h1000"\ndevices = 8\n', "no chip 'h1000'"),
        ('[[compute]]\nname = "a"\nchip = "b100"\ndevices = 8\n', "compute.a: no price of B100"),
        ('[[compute]]\nname = "a"\nchip = "h100"\ndevices = 8\nbusy = 1.5\n', "compute.a.busy"),
        ('[[compute]]\nname = "a"\nchip = "h100"\ndevices = 8\nhow = "stolen"\n', "compute.0.how"),
        ('[[users]]\nname = "a"\ncount = 1\ngrowth_per_month = 20.0\n', "users.a.growth"),
        (
            '[[compute]]\nname = "serving"\nchip = "h100"\ndevices = 8\n[serving]\nchip = "h100"\ntokens_s = 1\n',
            "two entries are called 'serving'",
        ),
        ('[serving]\nchip = "h100"\n', "give model or tokens_s"),
        ('[api]\nusd_per_million = 1.0\nsource = ""\n', "api.source"),
        ('[[racks]]\nname = "a"\nrack_kw = 5\nserver_kw = 6\n', "does not fit"),
        ('currency = "CNY"\n', "per_usd"),
    ],
)
def test_a_wrong_file_is_answered_with_the_field(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        Kit(tmp_path).report(text)
    assert message in caught.value.message
    assert "\n" not in caught.value.message.strip()
    assert caught.value.exit_code == 2


WHOLE = (
    HEAD
    + """cash = 3e6
[[people]]
name = "team"
count = [8, 12]
cost_per_year = 150_000
growth_per_year = [0.2, 0.6]
[[compute]]
name = "own"
how = "owned"
chip = "h100"
devices = 16
busy = 0.6
years = 2
[[compute]]
name = "taken"
how = "spot"
chip = "h100"
devices = 64
[[users]]
name = "users"
count = 500
growth_per_month = [0.08, 0.16]
at_most = 2000
tokens_per_month = [1e6, 4e6]
paying = [0.15, 0.30]
price_per_month = 49
[serving]
chip = "h100"
tokens_s = [1500, 3500]
busy = 0.4
[api]
usd_per_million = [0.3, 0.6]
source = "a test"
price_change_per_year = -0.2
[[funding]]
amount = 6e6
month = "2024-06"
chance = 0.7
[[training]]
name = "model"
chip = "h100"
devices = 64
parameters_b = 8
tokens_b = [20, 60]
"""
)
NUMBERS = list(re.finditer(r"(?<== )[0-9.e_\[][^\n]*", WHOLE))
CHANGED = st.sampled_from(
    [
        "0",
        "-1",
        "0.5",
        "1e-12",
        "1e30",
        "1e300",
        "nan",
        "-inf",
        "[1, 0]",
        "[0, 1]",
        "[-1, 1]",
        "[1e-9, 1e9]",
        "[]",
        "true",
        '"x"',
        "400",
    ]
)


@given(st.dictionaries(st.integers(0, len(NUMBERS) - 1), CHANGED, min_size=1, max_size=3))
@settings(max_examples=120, deadline=None)
def test_any_number_in_a_file_is_reckoned_with_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, changes: dict[int, str]
) -> None:
    text = WHOLE
    for index in sorted(changes, reverse=True):
        found = NUMBERS[index]
        text = text[: found.start()] + changes[index] + text[found.end() :]
    kit = Kit(tmp_path_factory.getbasetemp())
    try:
        as_text(kit.report(text, ""))
    except UsageError as error:
        assert "\n" not in error.message


def test_a_file_that_is_not_there_or_asks_too_much_is_answered(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        estimate_company(tmp_path / "none.toml")
    with pytest.raises(InputError, match="cannot be read"):
        estimate_company(tmp_path)
    with pytest.raises(InputError, match="fewer trials"):
        Kit(tmp_path).report("", HEAD.replace("trials = 200", "trials = 100000").replace("months = 24", "months = 360"))
