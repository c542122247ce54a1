"""The table of chips: names that users and tables give, rates, prices with their sources."""

from __future__ import annotations

import pytest

from luosi.errors import UsageError
from luosi.estimate.chips import chip, chip_in, chips


@pytest.mark.parametrize(("text", "name"), [
    ("GB300-288GB_aarch64x72", "GB300"), ("Virtualized H200-SXM-141GB", "H200-SXM"), ("NVIDIA H100-SXM-80GBx8", "H100-SXM"),
    ("A100-SXM4-40GB", "A100-40GB-SXM"), ("TPUv6e-8", "TPU v6e"), ("CPU INTEL(R) XEON(R) 6980P", "Xeon 6980P 2S"), ("AMD Instinct MI355X", "MI355X"),
])  # fmt: skip
def test_the_longest_name_in_a_free_text_is_the_chip(text: str, name: str) -> None:
    found = chip_in(text)
    assert found is not None and found.name == name


@pytest.mark.parametrize("text", ["", "abacus", "XB300", "H1000"])
def test_no_chip_is_found_where_none_is_named(text: str) -> None:
    assert chip_in(text) is None


def test_users_names_are_found_and_unknown_ones_answered_with_the_nearest() -> None:
    assert (chip("h100").name, chip("tpu V5P").name, chip("a100 40gb").name) == ("H100-SXM", "TPU v5p", "A100-40GB-SXM")
    with pytest.raises(UsageError, match="no chip 'H10O'") as caught:
        chip("H10O")
    assert "H1" in caught.value.hint or "H2" in caught.value.hint


def test_a_precision_that_a_chip_lacks_runs_at_the_next_wider_one() -> None:
    assert chip("a100").tflops("fp8") == chip("a100").tflops("bf16") == 312
    assert chip("h100").tflops("nvfp4") == chip("h100").tflops("mxfp8") == 1979
    assert chip("b200").tflops("nvfp4") == 9000


def test_every_row_says_where_it_is_from_and_every_price_when() -> None:
    for one in chips():
        assert one.source and min(one.bf16_tflops, one.memory_gb, one.memory_gbs, one.tdp_w, one.server_kw) > 0
        assert (one.fp8_tflops or one.bf16_tflops) >= one.bf16_tflops
        if one.usd_hour is not None or one.usd_hour_spot is not None:
            assert one.price_source and one.price_date, one.name
        if one.usd_hour and one.usd_hour_spot:
            assert one.usd_hour_spot < one.usd_hour
