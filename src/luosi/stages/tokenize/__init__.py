"""Stage `tokenize`: a corpus and a tokenizer in, a memory-mappable token dataset out."""
