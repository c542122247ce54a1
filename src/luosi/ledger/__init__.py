"""Ledger: what was spent. meter -> attempts -> database -> report."""
