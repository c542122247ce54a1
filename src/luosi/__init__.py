"""Luosi: your text, your questions and a budget in; the cheapest route to a model that answers them out, served, proved and billed."""
