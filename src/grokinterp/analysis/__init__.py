"""Mathematics that several circuits share: the cycle a task runs on, its waves, its circles and their measures."""
