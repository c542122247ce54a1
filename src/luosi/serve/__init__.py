"""Serve: own and rented models behind one OpenAI-shaped API."""
