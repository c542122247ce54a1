"""Prices: sourced rows, the workspace's own in front, nothing guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from luosi.cost import Machine, Money
from luosi.errors import InputError, UsageError
from luosi.plan.prices import COMPARABLE_CLOUD, listed_prices, load_prices, rates

CPU = Machine(name="cpu", cores=6, memory_bytes=2**30, fp32_flops=1e11, bf16_flops=1e11, watts_busy=20)


def gpu(name: str) -> Machine:
    return CPU.model_copy(update={"name": f"{name}, cpu", "device": "cuda"})


def test_every_row_says_where_and_when_and_is_not_free() -> None:
    table = listed_prices()
    assert len(table.models) >= 8 and len({row.provider for row in table.models.values()}) >= 4
    for rows in (table.models, table.machines, table.accelerators, table.electricity):
        for row in rows.values():
            assert len(row.source) > 10 and row.date > "2020-01-01"
    assert all(row.prompt_nano > 0 and row.completion_nano > 0 for row in table.models.values())


def test_a_rented_model_has_two_prices_in_whole_nano_units() -> None:
    model = listed_prices().model("gpt-6-luna")
    assert model.prompt.money == Money(nano=100_000_000, currency="USD")
    assert (model.prompt.unit, model.completion.unit) == ("million_prompt_tokens", "million_completion_tokens")


def test_an_unknown_model_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(UsageError, match=r"no rented model 'gpt-6-lunar'\nhint: did you mean 'gpt-6-luna'"):
        listed_prices().model("gpt-6-lunar")


def test_a_processor_is_billed_like_as_many_cores_of_a_comparable_cloud_and_says_so() -> None:
    table = listed_prices()
    price = rates(CPU, table).machine_hour
    row = table.machines[COMPARABLE_CLOUD]
    assert price is not None
    assert price.money.nano == row.hour_nano * CPU.cores // row.vcpus
    assert "6 cores" in price.source and COMPARABLE_CLOUD in price.source and price.date == row.date


def test_an_accelerator_is_billed_by_its_own_row_and_an_unknown_one_refused() -> None:
    table = listed_prices()
    price = rates(gpu("NVIDIA GH200 480GB"), table).machine_hour
    assert price is not None and price.money.nano == table.accelerators["GH200"].hour_nano
    with pytest.raises(UsageError, match=r"no price is known for an hour of Homemade.*\nhint: .*rates\.toml"):
        rates(gpu("Homemade 1"), table)


OWN = """
[use]
electricity = "office"
[electricity.office]
currency = "USD"
kwh_nano = 250_000_000
source = "our bill"
date = "2026-10-01"
[models.gpt-6-luna]
provider = "OpenAI"
currency = "USD"
prompt_nano = 90_000_000
completion_nano = 400_000_000
source = "our contract"
date = "2026-10-01"
"""


def test_the_workspace_rows_come_first_and_an_owned_machine_pays_by_energy(tmp_path: Path) -> None:
    path = tmp_path / "rates.toml"
    assert load_prices(path) == listed_prices()
    path.write_text(OWN)
    table = load_prices(path)
    assert table.model("gpt-6-luna").source == "our contract"
    assert table.model("claude-haiku-5-5") == listed_prices().model("claude-haiku-5-5")
    assert rates(CPU, table).money(wall_s=3600, joules=3.6e6) == Money(nano=250_000_000, currency="USD")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[use", "is not TOML"),
        ('[machines.x]\nvcpus = 2\ncurrency = "USD"\nhour_nano = 0.5\nsource = "s"\ndate = "2026-01-01"', "hour_nano"),
        ('[machines.x]\nvcpus = 2\ncurrency = "USD"\nhour_nano = 5\ndate = "2026-01-01"', "machines.x.source"),
        ("[prices]\n", "prices"),
        ("\udcff", "is not UTF-8"),
    ],
)
def test_a_wrong_rates_file_names_the_row(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "rates.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=message):
        load_prices(path)


def test_use_must_name_one_row_that_exists(tmp_path: Path) -> None:
    path = tmp_path / "rates.toml"
    path.write_text('[use]\nmachine = "aws c7i.larg"\n')
    with pytest.raises(UsageError, match=r"did you mean 'aws c7i\.large'"):
        rates(CPU, load_prices(path))
    path.write_text('[use]\nmachine = "aws c7i.large"\nelectricity = "EU household"\n')
    with pytest.raises(UsageError, match="both"):
        rates(CPU, load_prices(path))
    path.write_text('[use]\nmachine = "aws c7i.large"\n')
    assert rates(CPU, load_prices(path)).money(wall_s=3600, joules=0).nano == 89_250_000
