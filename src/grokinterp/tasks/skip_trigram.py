"""SkipTrigram: A ... B -> C, where only B tells which A counts."""

import torch
from torch import Generator

from grokinterp.tasks._sampled import Data, Rows, Sampled
from grokinterp.tasks._table import Table, TaskError


class SkipTrigram(
    Sampled, names={"skip_trigram": "A ... B -> C: the last token tells which earlier one is the answer"}
):
    """Random tokens with one key of each kind among them, then a query: the answer is the key of the query's kind.

    There are `queries` kinds, each with `answers` keys and a query of its own, and `fillers` that mean nothing. One
    layer of attention answers: the query looks at the keys of its kind, whose value is the answer. Ten answers and no
    more is known of Nanda et al. 2023's own (their plateau is ln 10); the rest is our choice. Raises `TaskError` for a
    row too short for its keys, or a count that makes no sense.
    """

    def tabulate(
        self,
        answers: int = 10,
        queries: int = 2,
        fillers: int = 20,
        length: int = 16,
        data: Data = "infinite",
        points: int = 1000,
        table_seed: int = 0,
    ) -> Table:
        if answers < 2 or queries < 1 or fillers < 1:
            raise TaskError(
                f"answers={answers}, queries={queries}, fillers={fillers}: "
                f"there must be at least 2 answers, 1 query and 1 filler"
            )
        if length < queries + 1:
            raise TaskError(
                f"length={length} has no room for {queries} keys and a query; use length={queries + 1} or more"
            )
        primes = ["'" * kind for kind in range(queries)]
        keys = [f"a{answer}{prime}" for prime in primes for answer in range(answers)]
        return self.sample(
            data,
            points,
            table_seed,
            tokens=[*keys, *(f"b{prime}" for prime in primes), *(f"f{filler}" for filler in range(fillers))],
            n_answers=answers,
        )

    def draw(self, n: int, generator: Generator) -> Rows:
        answers, queries, fillers, length = (
            self.parameters[name] for name in ("answers", "queries", "fillers", "length")
        )
        first_query = answers * queries
        first_filler = first_query + queries
        key = torch.randint(answers, (n, queries), generator=generator)
        asked = torch.randint(queries, (n, 1), generator=generator)
        inputs = first_filler + torch.randint(fillers, (n, length), generator=generator)
        places = torch.rand(n, length - 1, generator=generator).argsort(1)[:, :queries]
        inputs.scatter_(1, places, key + answers * torch.arange(queries))
        inputs[:, -1:] = first_query + asked
        return inputs, key.gather(1, asked)[:, 0]
