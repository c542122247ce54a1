"""Curate: raw files to a clean corpus with held-out documents; what was dropped is written down with the reason."""
