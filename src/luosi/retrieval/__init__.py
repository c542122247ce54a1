"""Retrieval: documents cut into passages, passages found by a question, passages put before a model. Knows no model that answers."""
