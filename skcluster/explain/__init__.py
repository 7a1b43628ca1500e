"""Explain predicted masses: saliency of the maps, and its share in sources and bands.

`SaliencyExplainer` differentiates a network's log10 M with respect to every pixel, and
`proxy_saliency` does the same for the mass of a photon count; both return arrays shaped
like the sample's maps. These are averaged by radius (`radial_saliency`), by source
(`source_attention`, or `equal_radius_contrast` at equal radius) and by energy band
(`band_attention`). `check_planted_attention`, `randomized_weights` and
`saliency_similarity` test whether an explanation can be believed.

A `PhotonSetRegressor` needs no gradients: `photon_contributions` says exactly what each
photon adds to the mass, and `photon_attention` and `radial_contributions` average that.
"""

from ..lazy_names import lazy_names

_NAMES_OF_MODULE = {
    "explainer": ("SaliencyExplainer", "cross_val_saliency"),
    "added_photon": ("photon_response",),
    "single_photons": ("photon_contributions",),
    "weighted_photons": ("photon_weights", "photon_attention", "radial_contributions"),
    "proxy": ("proxy_saliency",),
    "radial_profile": ("radial_saliency",),
    "attention": ("source_maps", "source_masks", "source_attention", "band_attention"),
    "contrast": ("equal_radius_contrast",),
    "cluster_statistics": ("binned",),
    "self_test": ("check_planted_attention",),
    "sanity": ("randomized_weights", "saliency_similarity"),
}
_MODULE_OF_NAME = {
    name: module for module, names in _NAMES_OF_MODULE.items() for name in names
}

__all__ = [*_MODULE_OF_NAME]

# Half of these functions need no network, so they should not import torch.
__getattr__, __dir__ = lazy_names(__name__, _MODULE_OF_NAME)
