"""`Rows`: an input of a network that has any number of rows for each cluster."""

import torch

BLOCK = 16
"""Rows are stored in blocks of this number, the last one of a cluster filled up.

A multiple of the registers' width: the bits of a row's result do not depend on its place.
"""
ROWS_AT_ONCE = 2**14
"""Rows whose activations are computed at a time."""


class Rows:
    """Rows of several clusters, such as their photons, as an input of a network.

    Like a tensor with one entry per cluster, it has a length, and can be split and moved to
    a device.

    Parameters
    ----------
    values : Tensor of shape (n_blocks * BLOCK, n_columns)
        Rows, one cluster after the other.
    weight : Tensor of shape (n_blocks * BLOCK,)
        Weight of each row in sums; 0 for rows that only fill a block.
    n_blocks : Tensor of int of shape (n_clusters,)
        Number of blocks of each cluster, which may be 0.

    Examples
    --------
    >>> rows = Rows(torch.ones(32, 1), torch.ones(32), torch.tensor([2, 0]))
    >>> rows.sum(lambda values: 3 * values)
    tensor([[96.],
            [ 0.]])
    """

    def __init__(self, values, weight, n_blocks):
        self.values, self.weight, self.n_blocks = values, weight, n_blocks

    def __len__(self):
        return len(self.n_blocks)

    def to(self, device):
        """Return the rows on a device."""
        return Rows(
            *(each.to(device) for each in (self.values, self.weight, self.n_blocks))
        )

    def split(self, size):
        """Split into parts of `size` clusters."""
        n_blocks = self.n_blocks.split(size)
        n_rows = [int(each.sum()) * BLOCK for each in n_blocks]
        parts = zip(
            self.values.split(n_rows), self.weight.split(n_rows), n_blocks, strict=True
        )
        return [Rows(*part) for part in parts]

    def sum(self, function):
        """Sum a function of the rows over each cluster.

        Parameters
        ----------
        function : callable
            Takes rows of shape (n, n_columns), and returns (n, n_features). It is called
            with some of the rows at a time, which bounds the memory of a prediction.

        Returns
        -------
        total : Tensor of shape (n_clusters, n_features)
            Sums with the weights of the rows, in single precision.
        """
        cluster = torch.repeat_interleave(self.n_blocks)
        total = None
        for first in range(0, max(len(self.values), 1), ROWS_AT_ONCE):
            rows = slice(first, first + ROWS_AT_ONCE)
            made = function(self.values[rows]).float()
            if total is None:
                total = made.new_zeros(len(self), made.shape[1])
            blocks = slice(first // BLOCK, (first + ROWS_AT_ONCE) // BLOCK)
            # The precision of a sum over photons should not be that of bfloat16.
            with torch.autocast(made.device.type, enabled=False):
                sums = torch.bmm(
                    self.weight[rows].view(-1, 1, BLOCK),
                    made.view(-1, BLOCK, made.shape[1]),
                )
            total = total.index_add(0, cluster[blocks], sums.squeeze(1))
        return total
