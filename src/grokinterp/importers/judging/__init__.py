"""Which of a file's readings its weights bear out, by what each answers to the task's table."""
