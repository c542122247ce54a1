"""Ratings as they are told to people. Knows no votes; standard library only, so that telling a rating loads nothing."""

UNTOLD = 4000.0
"""An interval of ratings, or a difference of two, as large in Elo is not told: so few voters stand behind it that their number decides it."""
