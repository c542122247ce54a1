"""Another program as a step: run, bounded, metered and billed like the rest."""
