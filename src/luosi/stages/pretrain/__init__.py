"""Stage `pretrain`: a token dataset and its tokenizer in, a model trained from scratch out."""
