"""Stage `train_tokenizer`: a corpus in, a byte-level BPE tokenizer of its own out."""
