"""The early-warning bench: which measure tells earliest, and without false alarms, that a run will grok."""
