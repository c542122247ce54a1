"""Models library: shapes to modules, weights in and out (Hugging Face, GGUF), adapters, FLOP counts, generation, the engine."""

import os

# Idle OpenMP threads spin for long by default: with other work on the machine that makes small matrix products several times
# slower; never to spin costs a fifth on an idle one. Read when torch is first imported, which no room does before this line.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")
