"""Leading eigenvectors of a matrix that is only met in products."""

from collections.abc import Callable

import torch
from torch import Tensor


class Lanczos:
    """Block Lanczos with thick restarts: the k leading eigenvectors of a symmetric C from products C Q.

    The basis is the span of the blocks so far; within it the Ritz vectors are the best there are, and their residuals
    C u - value u make the next block. A basis that is full is replaced by its leading Ritz vectors.

    Arguments:
        times: Q `(D, size)` -> C Q.
        n: D.
        k: eigenvectors wanted.
        size: columns of a block, at least k.
        most_blocks: that the basis may hold, two at least.
        like: a tensor that says type and device.

    Sources: Golub and Underwood, "The block Lanczos method", 1977; Wu and Simon, "Thick-restart Lanczos", 2000.

    >>> c = torch.diag(torch.arange(20.0, dtype=torch.float64))
    >>> vectors, values, text = Lanczos(lambda q: c @ q, 20, 2, 4, 3, c).run(1e-10, 50, seed=0)
    >>> values.round(decimals=6).tolist()
    [19.0, 18.0]
    """

    def __init__(
        self, times: Callable[[Tensor], Tensor], n: int, k: int, size: int, most_blocks: int, like: Tensor
    ) -> None:
        self.times, self.n, self.k, self.size, self.like = times, n, min(k, n), min(size, n), like
        self.most = min(max(2, most_blocks) * self.size, self.n + self.size)

    def run(self, tol: float, max_iter: int, seed: int) -> tuple[Tensor, Tensor, str]:
        """Vectors `(D, k)`, values `(k,)`, the largest first, and a sentence.

        Arguments:
            tol: the largest residual |C u - value u|, as a share of the largest value, at which it ends.
            max_iter: products at most.
            seed: of the random start.
        """
        block = self._start(seed)
        # Room for both is taken once: to join a block to what is there would hold both twice.
        basis, image = (self.like.new_empty(self.n, self.most, dtype=torch.float64) for _ in range(2))
        values, ritz, residual = block[0, :0], block[:, :0], 0.0
        held = n_products = 0
        while n_products < max_iter:
            n_products += 1
            end = held + block.shape[1]
            basis[:, held:end], image[:, held:end] = block, self.times(block)
            held = end
            values, ritz, left = self._ritz(basis[:, :held], image[:, :held])
            if held + self.size > self.most:
                held = ritz.shape[1]
                basis[:, :held], image[:, :held] = ritz, left
            left -= ritz * values
            residual = self._residual(left, values)
            if residual <= tol or end >= self.n:
                break
            block = orthogonal(left, basis[:, :held])
            if not block.shape[1]:
                break
        text = (
            f"Closed form by {n_products} passes of block Lanczos; the largest residual is {residual:.1e} of the largest "
            "variance."
        )
        return ritz[:, : self.k], values[: self.k].clamp_min(0), text

    def _start(self, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        start = torch.randn(self.n, self.size, generator=generator, dtype=torch.float64)
        return torch.linalg.qr(start.to(self.like))[0]

    def _ritz(self, basis: Tensor, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The leading values within the basis, their vectors u, and C u."""
        product = basis.T @ image
        values, turn = torch.linalg.eigh((product + product.T) / 2)
        values, turn = values.flip(0)[: self.size], turn.flip(1)[:, : self.size]
        return values, basis @ turn, image @ turn

    def _residual(self, left: Tensor, values: Tensor) -> float:
        return float(left[:, : self.k].norm(dim=0).max() / values[0].abs().clamp_min(1e-300))


def orthogonal(block: Tensor, basis: Tensor) -> Tensor:
    """Orthonormal columns that span what the block adds to the basis; none where it adds nothing.

    >>> orthogonal(torch.ones(3, 1), torch.eye(3)[:, :2]).abs().round(decimals=4).flatten().tolist()
    [0.0, 0.0, 1.0]
    """
    scale = block.norm(dim=0).max().clamp_min(1e-300)
    block = block - basis @ (basis.T @ block)
    q, r = torch.linalg.qr(block - basis @ (basis.T @ block))
    q = q[:, r.diagonal().abs() > 1e-13 * scale]
    return torch.linalg.qr(q - basis @ (basis.T @ q))[0]
