"""Compare estimators in one table, cross-validated on the same folds."""

import time
from collections.abc import Mapping

import numpy as np
from astropy.table import Table
from sklearn.utils import Bunch

from .cluster_weights import weights_in
from .metrics import summarize_residuals
from .model_selection import spatial_folds, with_groups
from .model_selection.fold_policy import over_folds
from .model_selection.octant_folds import read_groups
from .plausible_masses import MASS_RANGE, log_mass_column
from .printable import counted, html_table
from .sample import ClusterSample


def compare_estimators(
    contestants,
    y,
    *,
    cv=None,
    groups=None,
    n_jobs=None,
    random_state=0,
    on_progress=None,
    mass_range=MASS_RANGE,
    params=None,
) -> "Comparison":
    """Cross-validate estimators of log10 M on identical folds.

    Parameters
    ----------
    contestants : dict of str to (estimator, X)
        Estimators by name, each with the X that it needs: steps that learn nothing,
        such as `PhotonMapper`, may run once before, outside of the folds.
    y : array-like of shape (n_clusters,)
        log10 M500c.
    cv : cross-validation splitter, int, iterable or None, default=None
        The folds, as in `skcluster.model_selection.spatial_folds`: octants by default
        where there are positions, otherwise five folds. They are drawn once and used for
        all. Where several folds test a cluster, the last prediction counts.
    groups : array-like of shape (n_clusters,), default=None
        The halo of each cluster, for the folds and the bootstrap errors: snapshots of one
        halo are not independent. None: the ``group`` of the first X that has one. A
        splitter such as `QuadrantGroupKFold` takes positions of shape (n_clusters, 3), too.
    n_jobs : int, default=None
        Number of folds that run at the same time, each in a process of its own. Give
        networks ``n_threads=1`` then.
    random_state : int, default=0
        Seed of the bootstrap errors.
    on_progress : callable, default=None
        Called after every fold with the contestant's name, the folds done, the number
        of folds and the seconds since the contestant started.
    mass_range : tuple of 2 float or None, default=(10.0, 17.0)
        Lowest and highest log10 mass that `y` may hold; None takes any.
    params : dict, default=None
        Parameters of all fits, as in `~sklearn.model_selection.cross_val_predict`:
        ``{"sample_weight": weight}``, with one weight per cluster. Scatters and biases are
        not weighted.

    Returns
    -------
    comparison : Comparison
        A Bunch of ``table``, an astropy Table with one row per contestant (see
        `skcluster.metrics.summarize_residuals` for the columns; ``seconds`` are for
        training and prediction of all folds); ``predictions``, a dict of arrays of
        shape (n_clusters,), NaN for clusters in no test fold.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn.model_selection import KFold
    >>> from skcluster.comparison import compare_estimators
    >>> rng = np.random.default_rng(0)
    >>> y = rng.uniform(13.5, 15, 200)
    >>> near, far = (y[:, None] + rng.normal(0, s, (200, 1)) for s in (0.05, 0.2))
    >>> comparison = compare_estimators(
    ...     {"far": (LinearRegression(), far), "near": (LinearRegression(), near)},
    ...     y, cv=KFold(4),
    ... )
    >>> comparison.table["std_dex"].round(2).tolist()
    [0.18, 0.05]
    """
    y = log_mass_column(y, by="compare_estimators", mass_range=mass_range)
    weight = weights_in(params, len(y), by="compare_estimators")
    _check_contestants(contestants, len(y))
    first, halo = _with_all_known([X for _, X in contestants.values()], groups)
    folds = spatial_folds(cv, first, y, groups)
    tested = np.unique(np.concatenate([test for _, test in folds]))
    rows, predictions = [], {}
    for name, (estimator, X) in contestants.items():
        started = time.perf_counter()
        predicted = np.full(len(y), np.nan)
        means = over_folds(_predict, estimator, X, y, folds, halo, weight, n_jobs)
        for i, ((_, test), mean) in enumerate(zip(folds, means, strict=True)):
            predicted[test] = mean
            seconds = time.perf_counter() - started
            if on_progress is not None:
                on_progress(name, i + 1, len(folds), seconds)
        summary = summarize_residuals(
            y[tested],
            predicted[tested],
            groups=None if halo is None else halo[tested],
            random_state=random_state,
            mass_range=mass_range,
        )
        rows.append({"estimator": name, **summary, "seconds": seconds})
        predictions[name] = predicted
    return Comparison(table=Table(rows=rows), predictions=predictions)


class Comparison(Bunch):
    """Estimators side by side, as `compare_estimators` returns them.

    Parameters
    ----------
    table : astropy Table
        One row per estimator.
    predictions : dict of str to ndarray
        Predicted log10 masses by estimator.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from skcluster.comparison import Comparison
    >>> comparison = Comparison(table=Table({"estimator": ["a"]}), predictions={})
    >>> comparison.table["estimator"].tolist(), comparison["predictions"]
    (['a'], {})
    """

    def __init__(self, *, table, predictions):
        super().__init__(table=table, predictions=predictions)

    def _repr_html_(self):
        header = ["estimator", "clusters", "std [%]", "robust [%]", "median bias [dex]"]
        rows = [
            (
                row["estimator"],
                f"{row['n_clusters']:,}",
                f"{row['std_percent']:.1f} ± {row['std_percent_error']:.1f}",
                f"{row['robust_percent']:.1f} ± {row['robust_percent_error']:.1f}",
                f"{row['median_bias_dex']:+.3f} ± {row['median_bias_dex_error']:.3f}",
            )
            for row in self.table
        ]
        scatters = self.table["std_percent"]
        widths = 160 * np.asarray(scatters) / max(scatters.max(), 1e-300)
        bars = [
            f'<svg width="160" height="12"><rect width="{width:.0f}" height="12" '
            'fill="currentColor" opacity="0.5"/></svg>'
            for width in widths
        ]
        return html_table(header, rows, caption="Scatter of masses", pictures=bars)


def _check_contestants(contestants, n_clusters):
    are_pairs = isinstance(contestants, Mapping) and all(
        isinstance(pair, tuple | list) and len(pair) == 2
        for pair in contestants.values()
    )
    if not are_pairs or not contestants:
        raise TypeError(
            "compare_estimators takes a dict of at least one name with its estimator and "
            f"X, such as {{'ridge': (Ridge(), X)}}, got {contestants!r:.60}."
        )
    for name, (_, X) in contestants.items():
        n = X.shape[0] if hasattr(X, "shape") else len(X)
        if n != n_clusters:
            raise ValueError(
                f"X of {name!r} holds {counted(n, 'cluster')}, but y {n_clusters}. Give "
                "all contestants the same clusters, in the same order."
            )


def _with_all_known(tables, groups):
    """Return a table with the positions and groups that any sample has, and the groups."""
    samples = [X for X in tables if isinstance(X, ClusterSample)]
    placed = [X for X in samples if X.position is not None]
    labeled = [X for X in samples if X.group is not None]
    first = [*placed, *labeled, *tables][0]
    if groups is not None and (groups := read_groups(groups)).ndim == 1:
        return first, groups
    if not labeled:
        return first, None
    halo = labeled[0].group
    return with_groups(first, halo)[0], halo


def _predict(estimator, X):
    return estimator.predict(X)
