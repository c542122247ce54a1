"""Command line: one short file per command: parse, call the API, print. Data to stdout, talk to stderr.

Exit codes: 0 done; 1 failed; 2 wrong usage, recipe or input; 3 stopped by the budget.
"""

from luosi.cli.main import main

__all__ = ["main"]
