"""Retrieve: a corpus cut into passages that a question finds, by words and by meaning."""
