"""`DenseMLP`: hidden layers on rows of numbers as they are; hook names after the embedding MLP's."""

from collections.abc import Mapping
from types import SimpleNamespace

from jaxtyping import Float
from torch import Tensor
from transformer_lens.hook_points import HookPoint

from grokinterp.config.architecture import DenseMLPConfig
from grokinterp.errors import BadRequest
from grokinterp.models.embedding_mlp import HiddenLayers


class DenseMLP(HiddenLayers[DenseMLPConfig]):
    """Rows of numbers -> hidden layers -> logits. Arguments as `HookedModule`'s.

    Hooks: `hook_combined` [batch 1 d_in] (the row), `blocks.i.mlp.hook_pre` and `hook_post` [batch 1 width].
    """

    tables: tuple[str, ...] = ()
    """It has no embeddings."""

    def assemble(self, config: DenseMLPConfig, parameters: Mapping[str, Tensor]) -> None:
        self.hook_combined = HookPoint()
        self._assemble_layers(config, parameters)

    def forward(self, rows: Float[Tensor, "batch d_in"]) -> Float[Tensor, "batch 1 d_vocab_out"]:
        """Logits, at one position, so that `logits[:, -1]` reads the answer of any model.

        Raises `BadRequest` unless each row has `d_in` numbers.
        """
        if rows.shape[1] != self.config.d_in:
            raise BadRequest(
                f"the model reads rows of {self.config.d_in} numbers and was given {rows.shape[1]}; "
                "give those of its task, task.inputs"
            )
        return self._through_layers(self.hook_combined(rows.to(self.W_U.dtype)[:, None]))

    @property
    def cfg(self) -> SimpleNamespace:
        return self._sizes(self.config.d_in, n_ctx=1)
