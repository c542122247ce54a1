"""GGUF files in and out: the one place to import from. The parts: `gguf_layout` (names, sizes and types of tensors; light),
`gguf_tokenizer`, `gguf_read`, `gguf_write`.
"""

from luosi.models.gguf_layout import Precision, file_bytes, weight_bytes
from luosi.models.gguf_read import GGUFModel, load_gguf_model, read_gguf, read_gguf_shape, write_gguf_tokenizer
from luosi.models.gguf_write import write_gguf

__all__ = [
    "GGUFModel",
    "Precision",
    "file_bytes",
    "load_gguf_model",
    "read_gguf",
    "read_gguf_shape",
    "weight_bytes",
    "write_gguf",
    "write_gguf_tokenizer",
]
