"""Sets the routes side by side: quality with paired intervals from scorecards and from answers to the user's own questions, money
from the ledger and today's prices, and what to do about it."""
