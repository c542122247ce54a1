"""Serve: own and rented models behind one OpenAI-shaped API, with exact charges."""

from luosi.serve.gateway import create_app
from luosi.serve.prices import TokenPrice
from luosi.serve.server import run
from luosi.serve.upstreams import Address, LocalEngine, ServedModel

__all__ = ["Address", "LocalEngine", "ServedModel", "TokenPrice", "create_app", "run"]
