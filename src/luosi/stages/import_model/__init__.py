"""import_model: an open model (Hugging Face folder, GGUF file, or one that ships in an installed package) -> BaseModel."""
