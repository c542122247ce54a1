"""A training step: its time by part, its memory, and the correction that published runs taught."""
