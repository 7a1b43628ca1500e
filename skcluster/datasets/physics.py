"""`Physics`: the checked switches of a mock survey, with those that its sky sets."""

from dataclasses import dataclass

import numpy as np

from ..parameters import Boolean, Choice, Exactly, Interval, Quantity
from ..sample.plain_arrays import one_per_cluster
from ..sample.units import check_plausible
from ..sky.catalog_errors import CENTER_ERROR, REDSHIFT_ERROR
from .agn import FLUX_RANGE
from .instrument import Telescope
from .skies import PAPER, SKIES
from .streams import stream

LEAST_FLUX = Interval(f"[{FLUX_RANGE[0]:g}, {FLUX_RANGE[1]:g})")


@dataclass(frozen=True)
class Physics:
    """Switches of `make_mock_survey`.

    Attributes
    ----------
    sky : str or None
        Name of the real survey that set what the user did not.
    abundance : float
        AGN of the clusters' galaxies, in units of the paper's; 0 for none.
    least_flux : float or None
        0.5-2 keV flux of the faintest field AGN [erg / cm² / s]; None for none.
    exposure : ndarray of shape (n_clusters,) or None
        [s]
    center_error, redshift_error : float
        [arcsec], and in units of 1 + z.
    """

    sky: str | None
    core_scatter: float
    agn: bool | float
    background: float
    field_agn: bool | float
    galaxies: bool
    one_spectrum: bool
    dynamics: bool
    telescope: Telescope
    exposure: np.ndarray | None
    center_error: float
    redshift_error: float

    @property
    def abundance(self):
        return float(self.agn)

    @property
    def least_flux(self):
        if isinstance(self.field_agn, bool):
            return FLUX_RANGE[0] if self.field_agn else None
        return self.field_agn


def physics_of(n_clusters, entropy, *, sky, psf_hew, pixelize, **given):
    """Check the switches of `make_mock_survey`; those that are None are set by the sky."""
    sky = (Choice(SKIES) | None).check("sky", sky)
    of_sky = PAPER if sky is None else SKIES[sky]
    chosen = {
        name: of_sky[name] if value is None and name in of_sky else value
        for name, value in given.items()
    }
    pixelize = Boolean().check("pixelize", pixelize)
    if given["dither"] is None:
        chosen["dither"] = chosen["dither"] and pixelize
    telescope = Telescope(
        psf_hew=(Exactly(0) | Quantity("psf_hew")).check("psf_hew", psf_hew),
        pixelize=pixelize,
        dither=Boolean().check("dither", chosen.pop("dither")),
        scans=Choice(["axis", "survey"]).check("area", chosen.pop("area")) == "survey",
    )
    if telescope.dither and not telescope.pixelize:
        raise ValueError(
            "dither=True moves photons within their pixels, but pixelize=False leaves no "
            "pixels. Give pixelize=True, or dither=False."
        )
    exposure = _exposures(chosen.pop("exposure"), n_clusters, entropy)
    kinds = {
        "core_scatter": Interval("[0, 5]"),
        "agn": Boolean() | Interval("[0, 1]"),
        "background": Interval("[0, 1000]"),
        "field_agn": Boolean() | LEAST_FLUX,
        "center_error": CENTER_ERROR,
        "redshift_error": REDSHIFT_ERROR,
    }
    checked = {
        name: kinds.get(name, Boolean()).check(name, value)
        for name, value in chosen.items()
    }
    return Physics(sky=sky, telescope=telescope, exposure=exposure, **checked)


def _exposures(exposure, n_clusters, entropy):
    """Return one exposure per cluster, or None for the paper's."""
    if exposure is None:
        return None
    if hasattr(exposure, "ppf"):
        exposure = [
            float(exposure.ppf(stream(entropy, i, "exposure").random()))
            for i in range(n_clusters)
        ]
    exposure = one_per_cluster("exposure", exposure, n_clusters)
    check_plausible("exposure", exposure, rows="cluster")
    return exposure
