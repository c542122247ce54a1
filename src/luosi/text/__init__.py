"""Text library: what two stages share about reading files, splitting words, scripts and languages, and hashing."""
