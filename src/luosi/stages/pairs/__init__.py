"""pairs: questions with answers made from the training part of a corpus, to train on."""
