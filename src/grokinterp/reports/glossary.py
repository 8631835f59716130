"""Glossary: the words that reports explain under the mouse and on paper, and the documentation lists."""

import re

WORDS: dict[str, str] = {
    "accuracy": "The share of rows whose largest logit is that of the right answer.",
    "attention rate": "How much of its softmax an attention keeps: 1 is ordinary attention, 0 adds up all positions "
    "alike.",
    "character": "A wave on a multiplicative cycle: cos and sin of a frequency times the discrete logarithm. For a * "
    "b it is what a wave of the number itself is for a + b.",
    "checkpoint": "The weights of a model at one step, as they were written to disk.",
    "circuit": "A part of a model that computes something by itself, and, here, what reads it off a checkpoint.",
    "circularity": "How much of the embedding's variance a circle of one frequency holds, for each pair of principal "
    "components, on average (Zhong et al. 2023). Random weights have little, few circles much.",
    "clock": "An algorithm for a + b that multiplies the waves of a and b, so that angles add up.",
    "commutator defect": "How far two updates end from the same two in the other order, over the size of both. It "
    "rises in a run that only memorises too.",
    "coset": "A subgroup shifted by an element. A neuron that tests membership is constant on each coset.",
    "disc": "The shape of a frequency's neurons where the waves of a and b begin at the same phase: two principal "
    "components hold all of their variance.",
    "discrete logarithm": "The power to which a generator is raised to give a number; products mod p are sums of "
    "these.",
    "distance irrelevance": "How little the logits depend on the distance a - b, from 0 to 1. A clock has 1, a pizza "
    "less. Models that have learnt nothing have values of it too.",
    "excluded loss": "The loss on training rows without the key frequencies. It stays small where rows are "
    "remembered, and rises where the circuit is needed.",
    "FCR": "Fourier coefficient ratio: how equal cosines and sines are over all frequencies, from 0 to 1. Random "
    "weights have about .93.",
    "FFD": "Fourier frequency density: the share of frequencies that are strong. Random weights have about 1, few "
    "frequencies little.",
    "frequency": "How many turns a wave makes on the task's cycle of numbers.",
    "FVE": "Fraction of variance explained: 1 where a fit leaves nothing over, 0 where it tells nothing.",
    "Gini index": "How unequal values are: 0 where all are equal, near 1 where a few have everything.",
    "gradient symmetricity": "How alike the gradients of a logit by the two embeddings are, the mean of cosines. A "
    "pizza has 1, a clock about 0. Random weights have values of it too.",
    "grokking": "Rows that were not trained on are answered long after those that were.",
    "IPR": "Inverse participation ratio: 1 for one wave, 1 / n for n equally strong ones.",
    "irrep": "Irreducible representation of a group: what frequencies are for a cycle.",
    "key frequencies": "The frequencies on which embedding, neurons and logits of the last checkpoint agree.",
    "latent accuracy": "The share of unseen rows that a network rebuilt from the strongest wave of each neuron "
    "answers. A memoriser has some too.",
    "local learning coefficient": "How fast the training loss grows around the weights, counted in weights: half of "
    "their number where it grows in every direction, less where it stays flat in some.",
    "logit": "What a model gives an answer before the softmax; the largest one is what it says.",
    "loss": "Cross-entropy in nats: 0 for certainty of what is right, the log of the number of answers for a guess.",
    "logit scale": "The root mean square of the logits around each row's mean.",
    "margin": "The right answer's logit less the largest of the others; or how far a measure is from its threshold.",
    "nats": "The unit of a loss with natural logarithms; a nat is 1.44 bits.",
    "neuron-logit map": "W_out times W_U: what each neuron of the last layer adds to each logit.",
    "null": "What looks like a finding and is none, such as random weights, or a table of the training rows. A number "
    "is read beside what its null has.",
    "phase sum": "How far a neuron's written phase is from the sum of the two that it reads: 0 where it adds to the "
    "right answer, a quarter turn (1.57) for random weights.",
    "pizza": "An algorithm for a + b that sees only the sum of the two embeddings, and is unsure where they are "
    "opposite.",
    "purity": "The share of a circle's variance that lies in the waves of its own frequency.",
    "R-hat": "How far several chains of samples disagree: 1 where they do not, above 1.1 where they are too short.",
    "restricted loss": "The loss of the key frequencies alone. Small where they suffice.",
    "step": "One update of the weights by the optimiser.",
    "torus": "The shape of a frequency's neurons where the phases of a and b are independent: four principal "
    "components of a quarter each.",
    "unswapped": "A row (a, b) such that (b, a) was not trained on either: what a memory without order cannot know.",
    "unseen": "Of a row: not trained on.",
    "weight decay": "A pull of all weights towards 0 in every step, without which these runs seldom grok.",
}  # fmt: skip
"""Word -> what it means, in a sentence or two, with what a null has where it is a measure."""

_ANY = re.compile(
    rf"(?<![\w-])({'|'.join(sorted(map(re.escape, WORDS), key=len, reverse=True))})s?(?![\w-])", re.IGNORECASE
)


def words_in(text: str) -> dict[str, str]:
    """The words that a text uses, once each, in the order of letters, with what they mean."""
    used = {match.group(1).lower() for match in _ANY.finditer(text)}
    return {word: WORDS[word] for word in sorted(WORDS, key=str.lower) if word.lower() in used}
