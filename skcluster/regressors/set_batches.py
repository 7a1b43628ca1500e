"""Batches of described photons and galaxies, drawn from their lists when they are read."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from ..networks.rows import BLOCK, Rows


@dataclass(frozen=True)
class Scaling:
    """How the rows of one kind are standardized.

    Parameters
    ----------
    moments : ndarray of shape (2, k)
        Means and standard deviations of the columns.
    count : float
        Typical number of rows of a cluster, the unit of weights.
    """

    moments: np.ndarray
    count: float


class SetBatches(Dataset):
    """Sets, redshifts and targets as a torch dataset that is read in complete batches.

    Parameters
    ----------
    inputs : SetInputs
    target : ndarray of shape (n,), default=None
        Standardized masses; None stands for zeros.
    scalings : dict of str to Scaling
        By name of the set.
    redshift_moments : tuple of 2 float
    n_drawn : int or None, default=None
        Largest number of rows of a set that are drawn from each cluster each time that it
        is read, by torch's generator. None: all rows, in an order that depends on their
        values alone.
    """

    def __init__(
        self, inputs, target=None, *, scalings, redshift_moments, n_drawn=None
    ):
        target = np.zeros(len(inputs)) if target is None else target
        self.inputs, self.n_drawn = inputs, n_drawn
        self.target = torch.tensor(target, dtype=torch.float32)
        self.scalings, self.redshift_moments = scalings, redshift_moments

    def __len__(self):
        return len(self.inputs)

    def __getitem__(self, row):
        inputs, target = self.__getitems__([row])
        return inputs, target[0]

    def __getitems__(self, rows):
        """Return a batch, inputs by name and targets: torch's loader calls this."""
        rows = np.asarray(rows)
        inputs = self.inputs[rows]
        redshift = self.standardized_redshift(inputs)
        batch = {name: self._rows_of(name, inputs) for name in inputs.sets}
        batch["redshift"] = torch.from_numpy(redshift.astype(np.float32))
        return batch, self.target[torch.from_numpy(rows)]

    def standardized_redshift(self, inputs):
        """Return the redshifts as the network sees them."""
        mean, deviation = self.redshift_moments
        return (inputs.redshift - mean) / deviation

    def described(self, name, inputs, drawn=None):
        """Standardize rows in the order of their lists.

        Parameters
        ----------
        name : str
            Name of the set.
        inputs : SetInputs
        drawn : list of ndarray of int, default=None
            Row numbers of each cluster's rows; None takes all of them.

        Returns
        -------
        rows : ndarray of shape (n_rows, k + 1)
            Standardized columns, and the redshift of the row's cluster.
        """
        sets, moments = inputs.sets[name], self.scalings[name].moments
        drawn = sets.rows() if drawn is None else drawn
        numbers = np.concatenate(drawn)
        n_rows = np.array([len(each) for each in drawn])
        rows = np.empty((len(numbers), len(sets.columns) + 1), np.float32)
        columns = zip(sets.columns, *moments, strict=True)
        for i, (column, mean, deviation) in enumerate(columns):
            rows[:, i] = (sets.column(column, numbers, n_rows) - mean) / deviation
        rows[:, -1] = np.repeat(self.standardized_redshift(inputs), n_rows)
        return rows

    def _rows_of(self, name, inputs):
        """Rows of some clusters in blocks, with weights."""
        sets = inputs.sets[name]
        drawn = sets.rows() if self.n_drawn is None else self._drawn(sets)
        rows = self.described(name, inputs, drawn)
        n_drawn = np.array([len(numbers) for numbers in drawn])
        cluster = np.repeat(np.arange(len(sets)), n_drawn)
        each = sets.lengths / np.maximum(n_drawn, 1) / self.scalings[name].count
        each = each / sets.relative_exposure
        weights = each[cluster] * sets.weights(np.concatenate(drawn))
        if self.n_drawn is None:
            # Sums of float32 depend on the order, and a mass must not.
            order = np.lexsort((weights, _hash_of_rows(rows), cluster))
            rows, weights = rows[order], weights[order]
        n_blocks = -(-n_drawn // BLOCK)
        n_before = np.cumsum(n_blocks * BLOCK - n_drawn) - (n_blocks * BLOCK - n_drawn)
        place = np.arange(len(rows)) + np.repeat(n_before, n_drawn)
        values = np.zeros((n_blocks.sum() * BLOCK, rows.shape[1]), np.float32)
        weight = np.zeros(len(values), np.float32)
        values[place] = rows
        weight[place] = weights
        return Rows(*map(torch.from_numpy, (values, weight, n_blocks)))

    def _drawn(self, sets):
        """Row numbers of rows that are drawn from each cluster."""
        rng = np.random.default_rng(int(torch.randint(2**62, ())))
        return [
            rng.choice(rows, self.n_drawn, replace=False, shuffle=False)
            if len(rows) > self.n_drawn
            else rows
            for rows in sets.rows()
        ]


def _hash_of_rows(values):
    """Number that depends on the bits of each row alone; hardly any two rows share one."""
    factors = np.random.default_rng(0).integers(
        2**63, size=values.shape[1], dtype=np.uint64
    )
    bits = np.ascontiguousarray(values).view(np.uint32).astype(np.uint64)
    return (bits * (2 * factors + np.uint64(1))).sum(axis=1)
