"""Scores what ships: bits per byte on held-out text and accuracy on an exam, of a bundle or of the xz baseline."""
