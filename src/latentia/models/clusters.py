"""Where mixtures start: rows in clusters."""

import torch
from torch import Tensor


def k_means(rows: Tensor, weight: Tensor, n_clusters: int, seed: int) -> Tensor:
    """Cluster of each row, `(rows,)`, by k-means.

    Arguments:
        rows: `(rows, D)`, in units in which distances mean something.
        weight: of each row, `(rows,)`.
        n_clusters: at most the number of distinct rows.
        seed: of the first centres.
    """
    from sklearn.cluster import KMeans  # takes a third of a second to import

    found = KMeans(n_clusters, n_init=1, random_state=seed % 2**32)  # type: ignore[arg-type]
    labels = found.fit(rows.cpu().numpy(), sample_weight=weight.cpu().numpy()).labels_
    return torch.as_tensor(labels, device=rows.device).long()


def nearest_drawn(rows: Tensor, weight: Tensor, n_clusters: int, seed: int) -> Tensor:
    """The nearest of `n_clusters` different rows, drawn by their weights, of each row, `(rows,)`."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.multinomial(weight.cpu(), n_clusters, generator=generator).to(rows.device)
    return torch.cdist(rows, rows[drawn]).argmin(1)
