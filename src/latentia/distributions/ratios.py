"""torch's Student's t and F, whose inner chi-squared and gammas are validated only where the whole is.

torch builds them with the process's default, which reads the parameters back from the device at every construction.
"""

from typing import Any

from torch import Tensor
from torch.distributions import Chi2, Distribution, Gamma
from torch.distributions import FisherSnedecor as _FisherSnedecor
from torch.distributions import StudentT as _StudentT
from torch.distributions.utils import broadcast_all


class StudentT(_StudentT):
    """torch's Student's t: x = loc + scale e / sqrt(w), e ~ N(0, 1), w ~ chi-squared(df) / df.

    >>> import torch
    >>> StudentT(torch.tensor(3.0), torch.tensor(1.0), torch.tensor(2.0), validate_args=False).variance
    tensor(12.)
    """

    def __init__(self, df: Tensor, loc: Tensor, scale: Tensor, validate_args: bool | None = None) -> None:
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        self._chi2 = Chi2(self.df, validate_args=validate_args)
        Distribution.__init__(self, self.df.shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return super().expand(batch_shape, type(self).__new__(type(self)))


class FisherSnedecor(_FisherSnedecor):
    """torch's F: the ratio of two chi-squared over their degrees of freedom.

    >>> import torch
    >>> FisherSnedecor(torch.tensor(3.0), torch.tensor(4.0), validate_args=False).mean
    tensor(2.)
    """

    def __init__(self, df1: Tensor, df2: Tensor, validate_args: bool | None = None) -> None:
        self.df1, self.df2 = broadcast_all(df1, df2)
        self._gamma1 = Gamma(self.df1 / 2, self.df1, validate_args=validate_args)
        self._gamma2 = Gamma(self.df2 / 2, self.df2, validate_args=validate_args)
        Distribution.__init__(self, self.df1.shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return super().expand(batch_shape, type(self).__new__(type(self)))
