"""Batches of described photons, drawn from their lists when they are read."""

import numpy as np
import torch
from torch.utils.data import Dataset

from ..networks.rows import BLOCK, Rows

N_QUARTERS = 4
DENSITIES = ("log_density_6",)
"""Columns that rise with the exposure like its logarithm."""


class PhotonSets:
    """Described photons of clusters, from which clusters can be selected.

    A selection copies no photons, so memory does not grow with folds and members.

    Parameters
    ----------
    photons : Ragged
        Photons of all clusters.
    columns : sequence of str
        Columns that describe a photon.
    redshift : ndarray of shape (n_all,)
    exposure : ndarray of shape (n_all,), default=None
        In units of the reference exposure; None if exposures are not known.
    clusters : ndarray of int, default=None
        The selected clusters; -1 stands for one without photons. None selects all.

    Examples
    --------
    >>> from skcluster import Ragged
    >>> photons = Ragged({"log_energy": np.log10([1.0, 2.0, 4.0])}, [0, 2, 3])
    >>> sets = PhotonSets(photons, ("log_energy",), np.array([0.1, 0.2]))
    >>> sets[[1]].lengths
    array([1])
    """

    def __init__(self, photons, columns, redshift, exposure=None, clusters=None):
        self.photons, self.columns, self.redshift = photons, tuple(columns), redshift
        self.exposure = exposure
        self.clusters = np.arange(len(photons)) if clusters is None else clusters

    def __len__(self):
        return len(self.clusters)

    def __getitem__(self, rows):
        return self._selected(self.clusters[np.arange(len(self))[rows]])

    @property
    def lengths(self):
        """Number of photons of each cluster."""
        return np.where(self.clusters < 0, 0, self.photons.lengths[self.clusters])

    def filled_up(self, n_clusters):
        """Add clusters without photons until there are `n_clusters`."""
        added = np.full(n_clusters - len(self), -1)
        return self._selected(np.concatenate([self.clusters, added]))

    def _selected(self, clusters):
        return PhotonSets(
            self.photons, self.columns, self.redshift, self.exposure, clusters
        )

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
        values = self.photons[name][rows]
        if self.exposure is None or name not in DENSITIES:
            return values
        return values - np.repeat(np.log10(self.relative_exposure), n_rows)

    def rows(self):
        """Row numbers of each cluster's photons, as a list of arrays."""
        first, n_photons = self.photons.offsets[self.clusters], self.lengths
        return [np.arange(*each) for each in zip(first, first + n_photons, strict=True)]

    def moments(self):
        """Mean and standard deviation of each column over all photons, of shape (2, k).

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
        """Quartiles of each column over all photons, of shape (k, 3)."""
        rows = self._all_rows()
        share = np.arange(1, N_QUARTERS) / N_QUARTERS
        return np.array(
            [
                np.quantile(self.column(name, rows, self.lengths), share)
                for name in self.columns
            ]
        )

    def measures(self, quartiles):
        """Return roots of the shares of photons between quartiles, and the log count.

        Parameters
        ----------
        quartiles : ndarray of shape (k, 3)
            Quartiles of the training photons.

        Returns
        -------
        measures : ndarray of shape (n_clusters, 4 k + 1)
        """
        rows = self._all_rows()
        cluster = np.repeat(np.arange(len(self)), self.lengths)
        n_photons, shares = self.lengths + 1, []
        for name, edges in zip(self.columns, quartiles, strict=True):
            quarter = np.searchsorted(edges, self.column(name, rows, self.lengths))
            cell = cluster * N_QUARTERS + quarter
            counts = np.bincount(cell, minlength=len(self) * N_QUARTERS)
            shares.append(counts.reshape(len(self), -1) / n_photons[:, None])
        rate = n_photons / self.relative_exposure
        return np.column_stack([*map(np.sqrt, shares), np.log10(rate)])

    def _all_rows(self):
        is_everything = np.array_equal(self.clusters, np.arange(len(self.photons)))
        return slice(None) if is_everything else np.concatenate(self.rows())


class PhotonBatches(Dataset):
    """Photons, redshifts and targets as a torch dataset that is read in complete batches.

    Parameters
    ----------
    sets : PhotonSets
    target : ndarray of shape (n,), default=None
        Standardized masses; None stands for zeros.
    moments : ndarray of shape (2, k)
        Means and standard deviations of the columns, to standardize with.
    redshift_moments : tuple of 2 float
    count_scale : float
        Typical number of photons of a cluster, the unit of weights.
    n_photons : int or None, default=None
        Photons that are drawn from each cluster each time that it is read, by torch's
        generator. None: all photons, in an order that depends on their values alone.
    """

    def __init__(
        self,
        sets,
        target=None,
        *,
        moments,
        redshift_moments,
        count_scale,
        n_photons=None,
    ):
        target = np.zeros(len(sets)) if target is None else target
        self.sets, self.n_photons = sets, n_photons
        self.target = torch.tensor(target, dtype=torch.float32)
        self.moments, self.redshift_moments = moments, redshift_moments
        self.count_scale = count_scale

    def __len__(self):
        return len(self.sets)

    def __getitem__(self, row):
        inputs, target = self.__getitems__([row])
        return inputs, target[0]

    def __getitems__(self, rows):
        """Return a batch, inputs by name and targets: torch's loader calls this."""
        rows = np.asarray(rows)
        sets = self.sets[rows]
        photons, redshift = self._rows_of(sets)
        inputs = {"photons": photons, "redshift": torch.from_numpy(redshift)}
        return inputs, self.target[torch.from_numpy(rows)]

    def described(self, sets, drawn=None):
        """Standardize photons in the order of their lists.

        Parameters
        ----------
        sets : PhotonSets
        drawn : list of ndarray of int, default=None
            Row numbers of each cluster's photons; None takes all of them.

        Returns
        -------
        photons : ndarray of shape (n_photons, k + 1)
            Standardized columns, and the redshift of the photon's cluster.
        redshift : ndarray of shape (n_clusters,)
            Standardized redshifts.
        """
        drawn = sets.rows() if drawn is None else drawn
        mean, deviation = self.redshift_moments
        redshift = (sets.redshift[sets.clusters] - mean) / deviation
        rows = np.concatenate(drawn)
        n_rows = np.array([len(each) for each in drawn])
        photons = np.empty((len(rows), len(sets.columns) + 1), np.float32)
        columns = zip(sets.columns, *self.moments, strict=True)
        for i, (name, mean, deviation) in enumerate(columns):
            photons[:, i] = (sets.column(name, rows, n_rows) - mean) / deviation
        photons[:, -1] = np.repeat(redshift, n_rows)
        return photons, redshift.astype(np.float32)

    def _rows_of(self, sets):
        """Photons of some clusters in blocks, with weights; and redshifts."""
        drawn = sets.rows() if self.n_photons is None else self._drawn(sets)
        photons, redshift = self.described(sets, drawn)
        n_drawn = np.array([len(rows) for rows in drawn])
        cluster = np.repeat(np.arange(len(sets)), n_drawn)
        if self.n_photons is None:
            # Sums of float32 depend on the order, and a mass must not.
            photons = photons[np.lexsort((_hash_of_rows(photons), cluster))]
        n_blocks = -(-n_drawn // BLOCK)
        n_before = np.cumsum(n_blocks * BLOCK - n_drawn) - (n_blocks * BLOCK - n_drawn)
        place = np.arange(len(photons)) + np.repeat(n_before, n_drawn)
        values = np.zeros((n_blocks.sum() * BLOCK, photons.shape[1]), np.float32)
        weight = np.zeros(len(values), np.float32)
        values[place] = photons
        each = sets.lengths / np.maximum(n_drawn, 1) / self.count_scale
        each = each / sets.relative_exposure
        weight[place] = each[cluster]
        return Rows(*map(torch.from_numpy, (values, weight, n_blocks))), redshift

    def _drawn(self, sets):
        """Row numbers of photons that are drawn from each cluster."""
        rng = np.random.default_rng(int(torch.randint(2**62, ())))
        return [
            rng.choice(rows, self.n_photons, replace=False, shuffle=False)
            if len(rows) > self.n_photons
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
