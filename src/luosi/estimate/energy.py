"""Power, energy and racks before anything runs: from a chip's server at full load, what such servers were measured to draw, and the PUE.

A server draws less than its plate says: of the runs with a meter (MLPerf training v4.1 and v5.0, MLPerf inference v5.1, GPT-3, T5, GShard,
Switch, LaMDA) the share was 0.61 to 0.79 of the plate, median 0.70, whatever the MFU. Knows no prices.
"""

from __future__ import annotations

import math

from luosi.cost import Interval
from luosi.errors import UsageError
from luosi.estimate.chips import Chip

BUSY_SHARE = 0.70
"""Of a server's plate while it trains or serves; the median of the metered runs named above."""
IDLE_SHARE = 0.25
"""Of the plate while it waits: BLOOM's 384 A100 (idle 0.26 of 0.69 GWh in all, Luccioni 2022, arXiv 2211.02001)."""
SIGMA = 0.10
"""Of the logarithm, from the spread of the same runs."""
PUE = 1.10
"""Of a new, large data centre: `pue new` in data/prices.csv; the usual one has 1.56."""


def server_watts(chip: Chip, busy: float = 1.0) -> float:
    """What one server of `server_devices` draws on average if it works the share `busy` of the time.

    >>> from luosi.estimate.chips import chip
    >>> round(server_watts(chip("h100")))  # MLPerf v4.1 metered 7189
    7140
    """
    if not 0 <= busy <= 1:
        raise UsageError(f"a server is busy {busy:g} of the time", hint="between 0 and 1")
    return 1000 * chip.server_kw * (IDLE_SHARE + (BUSY_SHARE - IDLE_SHARE) * busy)


def servers(chip: Chip, devices: float) -> int:
    """Servers that hold so many devices."""
    return math.ceil(devices / chip.server_devices)


def joules(chip: Chip, device_seconds: Interval, *, busy: float = 1.0, pue: float = PUE) -> Interval:
    """Energy at the meter of the data centre for so many seconds of one device, its share of host, network and cooling included.

    Raises:
        UsageError: `pue` is below 1 or `busy` no share.
    """
    if not 1 <= pue < 10:
        raise UsageError(
            f"a PUE of {pue:g} is impossible", hint="1 is a data centre without cooling; 1.1 to 1.6 are usual"
        )
    watts = Interval.around(server_watts(chip, busy) / chip.server_devices * pue, SIGMA)
    if device_seconds.p50 <= 0:
        return Interval.exactly(0.0)
    return _product(watts, device_seconds)


def per_rack(server_kw: float, rack_kw: float) -> int:
    """Servers of `server_kw` in a rack that is fed and cooled with `rack_kw`.

    Raises:
        UsageError: Not even one fits.

    >>> per_rack(4.5, 20.0)
    4
    """
    if not (0 < server_kw < math.inf and 0 < rack_kw < math.inf):
        raise UsageError(f"{server_kw:g} kW a server and {rack_kw:g} kW a rack", hint="both are above 0")
    fitting = math.floor(rack_kw / server_kw + 1e-9)
    if not fitting:
        raise UsageError(
            f"a server of {server_kw:g} kW does not fit a rack of {rack_kw:g} kW",
            hint=f"give the rack {server_kw:g} kW or more",
        )
    return fitting


def racks(chip: Chip, devices: float, rack_kw: float, *, measured: bool = True) -> int:
    """Racks that so many devices need.

    Args:
        measured: Whether a server counts with what it draws, or with what its plate says, as cautious planners do.
    """
    server_kw = chip.server_kw * (BUSY_SHARE if measured else 1.0)
    return math.ceil(servers(chip, devices) / per_rack(server_kw, rack_kw))


def _product(one: Interval, other: Interval) -> Interval:
    """Of two independent forecasts: medians multiply, relative half-widths add in quadrature."""
    p50 = one.p50 * other.p50
    down = math.hypot(math.log(one.p50 / one.p10), math.log(other.p50 / max(other.p10, 1e-9 * other.p50)))
    up = math.hypot(math.log(one.p90 / one.p50), math.log(other.p90 / other.p50))
    return Interval(p10=p50 * math.exp(-down), p50=p50, p90=p50 * math.exp(up))
