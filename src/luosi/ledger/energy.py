"""Energy: joules since a start, read from the processor's own counters (RAPL, through Linux's powercap), where they can be read.

Counts whole packages and their memory, whoever uses them: on a shared machine other programs' share is in it. Where there is
no counter (virtual machines, other systems, no permission) the answer is None and the caller models. Knows no prices.
"""

from __future__ import annotations

from pathlib import Path

POWERCAP = Path("/sys/class/powercap")


class _Domain:
    """One RAPL domain: a counter in microjoules that starts again from 0 after `max_energy_range_uj`."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "energy_uj"
        self._range = int((folder / "max_energy_range_uj").read_text())
        self._last = self._read()
        self.microjoules = 0

    def _read(self) -> int:
        return int(self._file.read_text())

    def advance(self) -> None:
        """Add what was used since the last call; right as long as the counter went round at most once between."""
        now = self._read()
        self.microjoules += now - self._last + (self._range if now < self._last else 0)
        self._last = now


class EnergyCounter:
    """Joules since it was made. Ask at least every minute: at 300 W a counter goes round in about 15 minutes.

    Args:
        root: Where the kernel shows the counters.
    """

    def __init__(self, root: Path = POWERCAP) -> None:
        try:
            self._domains = [_Domain(folder) for folder in _folders(root)]
        except (OSError, ValueError):
            self._domains = []

    def joules(self) -> float | None:
        """Joules since the start; None where they cannot be measured."""
        try:
            for domain in self._domains:
                domain.advance()
        except (OSError, ValueError):
            self._domains = []
        return sum(domain.microjoules for domain in self._domains) / 1e6 if self._domains else None


def _folders(root: Path) -> list[Path]:
    """The domains that add up to the machine: `psys` (the whole platform) alone where it exists, else packages and memory."""
    found = {folder: (folder / "name").read_text().strip() for folder in sorted(root.glob("intel-rapl:*"))}
    platform = [folder for folder, name in found.items() if name == "psys"]
    return platform or [folder for folder, name in found.items() if name.startswith("package") or name == "dram"]
