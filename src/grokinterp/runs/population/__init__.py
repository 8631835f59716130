"""A population: several runs, told apart by what varies between them, and what each came to."""
