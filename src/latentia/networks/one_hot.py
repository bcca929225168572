"""Categories as unit vectors."""

from torch import Tensor, nn
from torch.nn.functional import one_hot


class OneHot(nn.Module):
    """k -> the k-th unit vector, `(...)` -> `(..., n_categories)`.

    >>> OneHot(3)(__import__("torch").tensor([2]))
    tensor([[0., 0., 1.]])
    """

    def __init__(self, n_categories: int, then: nn.Module | None = None) -> None:
        super().__init__()
        self.n_categories = n_categories
        self.then = nn.Identity() if then is None else then

    def forward(self, k: Tensor) -> Tensor:
        vectors = one_hot(k.long(), self.n_categories)
        like = next(self.parameters(), None)
        return self.then(vectors.float() if like is None else vectors.to(like.dtype))
