"""Ratings from votes between two models: who is ahead, how surely, and how little would turn it around.

`rank(votes)` makes a `Ranking` of votes in memory or in a file; `Ranking.refit` adds votes at once; `Chooser` says which pair to ask
about next. Knows no page, no server and no model: luosi.ranking needs numpy, and pyarrow only for Parquet and for speed.
"""

from luosi.ranking.likelihood import TREATMENTS
from luosi.ranking.lines import Difference, Rated
from luosi.ranking.pairs import Chooser, Pair
from luosi.ranking.ranking import Ranking, rank
from luosi.ranking.reading import as_votes, read_votes, write_votes
from luosi.ranking.settings import Settings
from luosi.ranking.votes import BAD, LEFT, RIGHT, TIE, Votes

__all__ = [
    "BAD",
    "LEFT",
    "RIGHT",
    "TIE",
    "TREATMENTS",
    "Chooser",
    "Difference",
    "Pair",
    "Ranking",
    "Rated",
    "Settings",
    "Votes",
    "as_votes",
    "rank",
    "read_votes",
    "write_votes",
]
