"""PCA: the axes of a matrix whose axes are known, with signs that do not depend on the library's."""

import pytest
import torch

from grokinterp.analysis.pca import EmbeddingError, pca


def known(n: int = 12, d: int = 5) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Scores (orthogonal, centred, of sizes 4, 2, 1), orthonormal directions, and the matrix they make."""
    generator = torch.Generator().manual_seed(0)
    draw = torch.randn(n, 4, dtype=torch.float64, generator=generator)
    draw[:, 0] = 1
    scores = torch.linalg.qr(draw).Q[:, 1:] * torch.tensor([4.0, 2.0, 1.0])
    directions = torch.linalg.qr(torch.randn(d, 3, dtype=torch.float64, generator=generator)).Q.T
    return scores, directions, scores @ directions + 7


@pytest.mark.parametrize("d", [5, 30])
def test_the_axes_are_found_in_order_of_their_size(d):
    """Narrow and wide matrices: scores and directions up to one sign each, shares 16, 4 and 1 of 21."""
    scores, directions, matrix = known(d=d)
    found = pca(matrix, 3)
    signs = (found.directions * directions).sum(1)
    torch.testing.assert_close(signs.abs(), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(found.scores, scores * signs)
    torch.testing.assert_close(found.variance_share, torch.tensor([16, 4, 1], dtype=torch.float64) / 21)
    assert (found.directions.gather(1, found.directions.abs().argmax(1, keepdim=True)) > 0).all()
    torch.testing.assert_close(found.project(matrix + 3), found.scores)
    assert pca(matrix, d).rank == 3


def test_turned_by_scores_each_component_has_its_largest_score_above():
    """The same matrix comes out of scores and directions, whichever way they are turned."""
    _, _, matrix = known()
    found = pca(matrix, 3).signed_by_scores()
    assert (found.scores.gather(0, found.scores.abs().argmax(0, keepdim=True)) > 0).all()
    torch.testing.assert_close(found.scores @ found.directions, matrix - matrix.mean(0))


def test_nothing_to_decompose_is_refused_and_a_diverged_matrix_is_not_a_number():
    """One row has no axis; weights that are no numbers have none either, but no error."""
    for wrong in (lambda: pca(torch.ones(1, 4)), lambda: pca(torch.ones(4, 4), 0)):
        with pytest.raises(EmbeddingError, match="at least 2 rows"):
            wrong()
    assert pca(torch.full((4, 3), torch.nan), 2).scores.isnan().all()


def test_what_is_rounding_is_no_rank():
    """A third component of a hundred-thousandth counts, one of a hundred-millionth does not."""
    scores, directions, _ = known()
    for size, rank in ((1e-5, 3), (1e-8, 2)):
        assert pca(scores * torch.tensor([1.0, 1.0, size]) @ directions, 5).rank == rank
