"""What a file of weights leaves open, and how it is found out: wrappings, settings, names, candidates, judgement."""
