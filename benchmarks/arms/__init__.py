"""The contenders of benchmarks/time_to_quality.py: each trains the same number of matrix parameters on the same text, in its own way.

runs.py says what a run is, scoring.py reads the held-out documents, meter.py counts seconds; hugging_face.py, nanochat.py with
nanochat_model.py, and own.py (Luosi) train. An arm is a module with `RULE` (words), `settings(run)` and `train(run, data, meter)`.
"""
