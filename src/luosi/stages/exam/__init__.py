"""Exam: multiple-choice questions made from held-out text, and the user's own, each with what marks its answers."""
