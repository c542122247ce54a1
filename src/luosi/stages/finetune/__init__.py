"""Stage `finetune`: a model and a corpus in, a model adapted to that text out."""
