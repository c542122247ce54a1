"""Energy as counted by the processor and as modelled."""

from __future__ import annotations

from pathlib import Path

import pytest

from luosi.ledger.energy import EnergyCounter
from luosi.plan.energy import modelled_watts, power_table


def domain(root: Path, folder: str, name: str, microjoules: int, *, top: int = 1_000_000) -> Path:
    path = root / folder
    path.mkdir(parents=True)
    (path / "name").write_text(f"{name}\n")
    (path / "max_energy_range_uj").write_text(f"{top}\n")
    (path / "energy_uj").write_text(f"{microjoules}\n")
    return path / "energy_uj"


def test_packages_and_memory_are_added_cores_are_not(tmp_path: Path) -> None:
    package = domain(tmp_path, "intel-rapl:0", "package-0", 100)
    core = domain(tmp_path, "intel-rapl:0:0", "core", 100)
    memory = domain(tmp_path, "intel-rapl:0:1", "dram", 100)
    counter = EnergyCounter(tmp_path)
    for file, value in ((package, 600_100), (core, 500_100), (memory, 200_100)):
        file.write_text(str(value))
    assert counter.joules() == pytest.approx(0.8)


def test_the_whole_platform_stands_alone(tmp_path: Path) -> None:
    domain(tmp_path, "intel-rapl:0", "package-0", 0).write_text("0")
    platform = domain(tmp_path, "intel-rapl:1", "psys", 0)
    counter = EnergyCounter(tmp_path)
    (tmp_path / "intel-rapl:0/energy_uj").write_text("700000")
    platform.write_text("900000")
    assert counter.joules() == pytest.approx(0.9)


def test_a_counter_that_went_round_is_counted_on(tmp_path: Path) -> None:
    file = domain(tmp_path, "intel-rapl:0", "package-0", 900_000)
    counter = EnergyCounter(tmp_path)
    file.write_text("100000")
    assert counter.joules() == pytest.approx(0.2)
    file.write_text("50000")
    assert counter.joules() == pytest.approx(1.15)


def test_no_counter_and_a_counter_that_breaks_measure_nothing(tmp_path: Path) -> None:
    assert EnergyCounter(tmp_path / "none").joules() is None
    file = domain(tmp_path, "intel-rapl:0", "package-0", 5)
    counter = EnergyCounter(tmp_path)
    assert counter.joules() == 0.0
    file.write_text("not a number")
    assert counter.joules() is None


def test_modelled_watts_grow_with_cores_and_know_accelerators() -> None:
    idle, busy = modelled_watts(4)
    assert 0 < idle < busy == pytest.approx(2 * modelled_watts(2)[1])
    assert modelled_watts(4, "NVIDIA GH200 480GB")[1] - busy == 900  # not the H200 whose name is in it
    assert modelled_watts(4, "some other board")[1] == busy
    for row in power_table().accelerator:
        assert row.source and row.date
