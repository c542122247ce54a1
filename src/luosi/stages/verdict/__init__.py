"""Sets the routes side by side: quality with paired intervals from scorecards, money from the ledger and today's prices."""
