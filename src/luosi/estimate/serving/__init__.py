"""What serving a model costs: time to the first token, time per token, tokens a second, machines, energy and money."""
