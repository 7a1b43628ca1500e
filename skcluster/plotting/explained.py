"""What the displays of saliency ask of an estimator."""

import numpy as np
from sklearn.utils import Bunch

HALF_WIDTH = 2.3


def mapper_of(estimator):
    """The PhotonMapper that a pipeline starts with, None if there is none."""
    steps = getattr(estimator, "steps", None)
    first = steps[0][1] if steps else None
    is_mapper = hasattr(first, "bands") and hasattr(first, "n_pixels")
    return first if is_mapper else None


def explained(estimator, X, *, half_width=None, **explainer_params):
    """Maps and saliency of clusters, and the frame of both.

    Parameters
    ----------
    estimator : fitted network, or Pipeline that ends in one
    X : what the estimator predicts from
    half_width : float, default=None
        Half the side of the maps [comoving Mpc/h]; None is that of the pipeline's
        PhotonMapper, or 2.3.
    **explainer_params
        Of `SaliencyExplainer`.

    Returns
    -------
    result : Bunch
        ``maps`` and ``saliency`` of shape (n_clusters, n_bands, n_pixels, n_pixels), the
        maps as the PhotonMapper made them or as they are in X; ``half_width``; ``bands``
        [keV], None if not known; ``r500c``, None if X has none; and ``label``.
    """
    from ..explain import SaliencyExplainer
    from .sky import saliency_label

    explainer = SaliencyExplainer(estimator, **explainer_params)
    saliency = explainer.explain(X)
    mapper = mapper_of(estimator)
    sample = X if mapper is None else mapper.transform(X)
    if half_width is None:
        half_width = getattr(mapper, "half_width", HALF_WIDTH)
    return Bunch(
        maps=np.asarray(getattr(sample, "maps", sample)),
        saliency=saliency,
        half_width=half_width,
        bands=getattr(mapper, "bands", None),
        r500c=getattr(X, "r500c", None),
        label=saliency_label(
            explainer.method,
            signed=explainer.signed,
            per_photon=explainer.per_photon,
        ),
    )
