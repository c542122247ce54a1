"""Models library: shapes to modules, weights in and out (Hugging Face, GGUF), adapters, FLOP counts, generation, the engine."""
