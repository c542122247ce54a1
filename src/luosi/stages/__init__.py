"""Stages: one folder each (config, stage, its own parts); no stage imports another."""
