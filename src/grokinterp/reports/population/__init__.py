"""The page of many runs: what varies between them, and what that does, each number with its interval or its null."""
