"""The claims, one source a file: every `Claim` that a module here defines stands in the table."""
