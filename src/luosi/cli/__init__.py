"""Command line: one short file per command: parse, call the API, print."""
