"""Networks of a user's own code: what of them a checkpoint keeps, and how their answers are read."""
