"""Maps and saliency of an estimator, for the displays that show both."""

import numpy as np
from sklearn.utils import Bunch

from ..sample import half_width_of


def bands_of(maps):
    """Return the energy bands of maps [keV], or None if they are not known."""
    return getattr(getattr(maps, "geometry", None), "bands", None)


def mapped(estimator, X):
    """Return the count maps that an estimator makes from X, or else the maps in X."""
    from ..explain.explained_network import maps_of_counts, split_network

    X, *_ = maps_of_counts(split_network(estimator)[0], X)
    return getattr(X, "maps", X)


def explained(estimator, X, *, by, half_width=None, with_maps=True, **explainer_params):
    """Return maps and saliency of clusters, and what is needed to draw them.

    Parameters
    ----------
    estimator : fitted network, or Pipeline that ends in one
        Or another estimator that `SaliencyExplainer` takes.
    X : what the estimator predicts from
    by : str
        Name of the display, for an error message.
    half_width : float, default=None
        Half the side of the maps [comoving Mpc/h]. None is that of the `PhotonMapper` that
        made them, so a plain array needs a number.
    with_maps : bool, default=True
        Whether the maps are drawn, so that they must hold photons.
    **explainer_params
        Parameters of `SaliencyExplainer`.

    Returns
    -------
    result : Bunch
        ``maps`` and ``saliency`` of shape (n_clusters, n_bands, n_pixels, n_pixels), with
        the maps as `PhotonMapper` made them or as they are in X (None without
        `with_maps`); ``half_width``; ``bands``
        [keV], None if not known; ``r500c``, None if X has none; and ``label``, the name and
        unit of the saliency.
    """
    from ..explain import SaliencyExplainer
    from .sky import saliency_label

    maps = mapped(estimator, X)
    if with_maps:
        _check_photons(maps, by)
    half_width = half_width_of(maps, half_width, by=by)
    explainer = SaliencyExplainer(estimator, **explainer_params)
    saliency = explainer.explain(X)
    return Bunch(
        maps=np.asarray(maps) if with_maps else None,
        saliency=saliency,
        half_width=half_width,
        bands=bands_of(maps),
        r500c=getattr(X, "r500c", None),
        label=saliency_label(
            explainer.method, signed=explainer.signed, per_photon=explainer.per_photon
        ),
    )


def _check_photons(maps, by):
    steps = " and ".join(getattr(maps, "steps", ()))
    if steps:
        raise ValueError(
            f"{by} shows photons, but the maps in X have already been through {steps}. "
            f"Give the Pipeline that begins with {steps} as the estimator, and the sample "
            "as it was before."
        )
