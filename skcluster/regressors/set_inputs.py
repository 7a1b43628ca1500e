"""Inputs of networks on sets: described photons and galaxies of several clusters."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..sample import Ragged
from ..sample.described_columns import RELATIVE_EXPOSURE

N_QUARTERS = 4
DENSITIES = ("log_density_6",)
"""Columns that rise with the exposure like its logarithm."""


@dataclass(eq=False)
class DescribedSets:
    """Described photons, or described galaxies, of clusters that can be selected.

    A selection copies no rows, so memory does not grow with folds and members.

    Parameters
    ----------
    all_rows : Ragged
        Photons or galaxies of all clusters.
    columns : tuple of str
        Columns that describe them.
    exposure : ndarray of shape (n_all,), default=None
        In units of the reference exposure. None if exposures are not known, and for
        galaxies, whose number does not depend on them.
    clusters : ndarray of int, default=None
        The selected clusters; -1 stands for one without rows. None selects all.

    Examples
    --------
    >>> from skcluster import Ragged
    >>> photons = Ragged({"log_energy": np.log10([1.0, 2.0, 4.0])}, [0, 2, 3])
    >>> sets = DescribedSets(photons, ("log_energy",))
    >>> sets[[1]].lengths
    array([1])
    """

    all_rows: Ragged
    columns: tuple
    exposure: np.ndarray | None = None
    clusters: Any = None

    def __post_init__(self):
        if self.clusters is None:
            self.clusters = np.arange(len(self.all_rows))

    def __len__(self):
        return len(self.clusters)

    def __getitem__(self, rows):
        return replace(self, clusters=self.clusters[np.arange(len(self))[rows]])

    @property
    def lengths(self):
        """Number of rows of each cluster."""
        return np.where(self.clusters < 0, 0, self.all_rows.lengths[self.clusters])

    def filled_up(self, n_clusters):
        """Add clusters without rows until there are `n_clusters`."""
        added = np.full(n_clusters - len(self), -1)
        return replace(self, clusters=np.concatenate([self.clusters, added]))

    @property
    def relative_exposure(self):
        """Exposure of each cluster in units of the reference; 1 if it is not known."""
        if self.exposure is None:
            return np.ones(len(self))
        return self.exposure[self.clusters]

    def column(self, name, rows, n_rows):
        """Return a column as it would be in the reference exposure.

        Parameters
        ----------
        name : str
        rows : slice or ndarray of int
            Row numbers, one cluster after the other.
        n_rows : ndarray of int of shape (n_clusters,)
            How many of them belong to each cluster.
        """
        values = self.all_rows[name][rows]
        if self.exposure is None or name not in DENSITIES:
            return values
        return values - np.repeat(np.log10(self.relative_exposure), n_rows)

    def rows(self):
        """Row numbers of each cluster, as a list of arrays."""
        first, n_rows = self.all_rows.offsets[self.clusters], self.lengths
        return [np.arange(*each) for each in zip(first, first + n_rows, strict=True)]

    @property
    def has_weights(self):
        """Whether rows count differently, because the exposure differs in the field."""
        return RELATIVE_EXPOSURE in self.all_rows

    def weights(self, rows):
        """Number of rows that each stands for, in the exposure of its cluster's center.

        Parameters
        ----------
        rows : slice or ndarray of int
            Row numbers.
        """
        if not self.has_weights:
            return np.float32(1)
        return 1 / self.all_rows[RELATIVE_EXPOSURE][rows]

    def rates(self):
        """Number of rows of each cluster, as it would be in the reference exposure."""
        return self._counts() / self.relative_exposure

    def _counts(self):
        """Number of rows of each cluster, as it would be in the exposure of its center."""
        if not self.has_weights:
            return self.lengths
        counts = self.all_rows.sum(self.weights(slice(None)))
        return np.where(self.clusters < 0, 0, counts[self.clusters])

    def typical_count(self):
        """Median of the rates, at least 1."""
        return float(max(np.median(self.rates()), 1))

    def moments(self):
        """Mean and standard deviation of each column over all rows, of shape (2, k).

        The deviation of a column of equal values is 1.
        """
        rows = self._all_rows()
        found = np.array(
            [
                (column.mean(dtype=float), column.std(dtype=float))
                for column in (
                    self.column(name, rows, self.lengths) for name in self.columns
                )
            ]
        ).T
        found[1] = np.where(found[1] > 0, found[1], 1.0)
        return found

    def quartiles(self):
        """Quartiles of each column over all rows, of shape (k, 3)."""
        rows = self._all_rows()
        share = np.arange(1, N_QUARTERS) / N_QUARTERS
        return np.array(
            [
                np.quantile(self.column(name, rows, self.lengths), share)
                for name in self.columns
            ]
        )

    def measures(self, quartiles):
        """Return roots of the shares of rows between quartiles, and the log count.

        Parameters
        ----------
        quartiles : ndarray of shape (k, 3)
            Quartiles of the rows in training.

        Returns
        -------
        measures : ndarray of shape (n_clusters, 4 k + 1)
        """
        rows = self._all_rows()
        cluster = np.repeat(np.arange(len(self)), self.lengths)
        n_rows, shares = self._counts() + 1, []
        weights = self.weights(rows) if self.has_weights else None
        for name, edges in zip(self.columns, quartiles, strict=True):
            quarter = np.searchsorted(edges, self.column(name, rows, self.lengths))
            cell = cluster * N_QUARTERS + quarter
            counts = np.bincount(cell, weights, minlength=len(self) * N_QUARTERS)
            shares.append(counts.reshape(len(self), -1) / n_rows[:, None])
        rate = n_rows / self.relative_exposure
        return np.column_stack([*map(np.sqrt, shares), np.log10(rate)])

    def _all_rows(self):
        is_everything = np.array_equal(self.clusters, np.arange(len(self.all_rows)))
        return slice(None) if is_everything else np.concatenate(self.rows())


class SetInputs:
    """Redshifts and sets of clusters, from which clusters can be selected.

    Parameters
    ----------
    sets : dict of str to DescribedSets
        By name: "photons", "galaxies" or both.
    redshift : ndarray of shape (n_clusters,)
    """

    def __init__(self, sets, redshift):
        self.sets, self.redshift = sets, redshift

    def __len__(self):
        return len(self.redshift)

    def __getitem__(self, rows):
        sets = {name: each[rows] for name, each in self.sets.items()}
        return SetInputs(sets, self.redshift[rows])

    def filled_up(self, n_clusters):
        """Add clusters without rows until there are `n_clusters`."""
        sets = {name: each.filled_up(n_clusters) for name, each in self.sets.items()}
        rows = np.minimum(np.arange(n_clusters), len(self) - 1)
        return SetInputs(sets, self.redshift[rows])

    def arrays(self):
        """Return all that the inputs hold, for a fingerprint."""
        arrays = [self.redshift]
        for each in self.sets.values():
            columns = (each.all_rows[name] for name in each.columns)
            arrays += [each.all_rows.offsets, each.relative_exposure, *columns]
            if each.has_weights:
                arrays.append(each.all_rows[RELATIVE_EXPOSURE])
        return arrays
