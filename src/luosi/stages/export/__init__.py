"""export: ModelArtifact -> Bundle: Hugging Face folder and F32 GGUF, proved to compute and to tokenize the same."""
