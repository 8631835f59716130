"""RepeatedSubsequence: random tokens in which a passage comes back, which an induction head foresees."""

import torch
from torch import Generator

from grokinterp.tasks._sampled import Data, Rows, Sampled
from grokinterp.tasks._table import Table, TaskError


class RepeatedSubsequence(
    Sampled, names={"repeated_subsequence": "random tokens in which a passage returns: what induction heads predict"}
):
    """`<bos>`, then random tokens among which one passage stands `repeats` times, the last time at the row's end.

    Scored are the tokens of the last copy but its first, each from the token before it. All tokens of a row are
    different but for the copies, and the earlier copies stand anywhere: what follows is known for certain to who finds
    the current token's earlier occurrence and reads on, and to nobody who goes by positions or counts tokens.

    Sizes are those of Nanda's saved run (85 tokens out of 128, a passage of 16, three times). His generator is not
    known: this one is ours. Raises `TaskError` for sizes that leave no room.
    """

    def tabulate(
        self,
        length: int = 85,
        subsequence: int = 16,
        repeats: int = 3,
        vocabulary: int = 128,
        data: Data = "infinite",
        points: int = 512,
        table_seed: int = 0,
    ) -> Table:
        if subsequence < 2 or repeats < 2:
            raise TaskError(
                f"subsequence={subsequence} tokens, repeats={repeats}: both must be at least 2, as in subsequence=16"
            )
        taken = 1 + repeats * subsequence
        if length <= taken:
            raise TaskError(
                f"length={length} has no room for {repeats} x {subsequence} tokens and one between; "
                f"use length={taken + subsequence}"
            )
        different = length - 1 - (repeats - 1) * subsequence
        if vocabulary <= different:
            raise TaskError(
                f"vocabulary={vocabulary} is too small for {different} different tokens beside <bos>; "
                f"use vocabulary={different + 1} or more"
            )
        return self.sample(
            data,
            points,
            table_seed,
            tokens=["<bos>", *(str(token) for token in range(1, vocabulary))],
            n_answers=vocabulary,
            positions=tuple(range(length - subsequence, length - 1)),
        )

    def draw(self, n: int, generator: Generator) -> Rows:
        length, passage, repeats, vocabulary = (
            self.parameters[name] for name in ("length", "subsequence", "repeats", "vocabulary")
        )
        n_others = length - 1 - repeats * passage
        shuffled = torch.rand(n, vocabulary - 1, generator=generator).argsort(1) + 1
        # How many of the other tokens stand before each copy; all of them before the last.
        before = torch.randint(n_others + 1, (n, repeats - 1), generator=generator).sort(1).values
        before = torch.cat([before, torch.full((n, 1), n_others)], 1)
        start = 1 + before + passage * torch.arange(repeats)
        places = (start[:, :, None] + torch.arange(passage)).flatten(1)
        inputs = torch.zeros(n, length, dtype=torch.int64)
        inputs.scatter_(1, places, shuffled[:, :passage].repeat(1, repeats))
        is_free = inputs == 0
        is_free[:, 0] = False
        inputs[is_free] = shuffled[:, passage : passage + n_others].flatten()
        return inputs, inputs[:, length - passage + 1 :]
