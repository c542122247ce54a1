"""Plan: the price before. Machines, prices, and a budget turned into a recipe; imports no torch."""
