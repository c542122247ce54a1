"""How long requests wait for a place if they come as they please, and how many places keep the wait short.

Halfin and Whitt's limit of the M/M/n queue (1981), which is close from a few places on: closed forms, no sums. It does not know bursts
beyond Poisson's.
"""

from __future__ import annotations

import math


def wait(load: float, places: float, stay: float) -> float:
    """Mean seconds that a request waits for a place.

    Args:
        load: Requests in service on average: those that come a second times `stay`.
        places: That there are.
        stay: Seconds that a request holds its place.

    >>> wait(10.0, 10.0, 1.0)
    inf
    >>> wait(10.0, 40.0, 1.0) < 1e-6
    True
    """
    if places <= load:
        return math.inf
    spare = (places - load) / math.sqrt(load)
    below = 0.5 * (1 + math.erf(spare / math.sqrt(2)))
    kept_waiting = 1 / (1 + spare * math.sqrt(2 * math.pi) * below * math.exp(min(700.0, spare**2 / 2)))
    return kept_waiting * stay / (places - load)


def places_for(load: float, stay: float, longest: float) -> float:
    """The fewest places with a mean wait of `longest` seconds at most, to a thousandth of their number; `load` and `stay` as above."""
    low, high = load, load + 20 * math.sqrt(load) + 20
    while high - low > 1e-3 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if wait(load, middle, stay) <= longest else (middle, high)
    return high
