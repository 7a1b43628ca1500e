"""Exposure maps and masks that the command line gives to the clusters of a catalog."""

import functools
import warnings

import numpy as np

from ..io.kept_arrays import file_state
from ..printable import printable

ANY_EXPOSURE = 1000.0
"""Exposure of clusters that get no mass, because a sample has no gaps [s]."""


def with_field(sample, arguments):
    """Return the sample with its exposure map, and without masked photons."""
    from .. import remove_sources, with_exposure_map

    if arguments.exposure_map:
        sample = with_exposure_map(sample, _exposure_maps(arguments))
    if arguments.mask:
        sample = remove_sources(sample, _image(arguments.mask))
    return sample


def with_field_where_observed(sample, arguments):
    """Return the sample with its field; what lies outside of all maps loses its photons.

    A catalog covers more of the sky than the map of one tile. Such clusters get no mass,
    which a warning says.
    """
    from .. import ClusterSample

    maps = _exposure_maps(arguments)
    if not maps or sample.center is None or sample.photons is None:
        return with_field(sample, arguments)
    exposure = np.nan_to_num([image.at(*sample.center.T) for image in maps])
    is_seen = (exposure > 0).any(axis=0)
    if is_seen.all() or not any((image.values > 0).any() for image in maps):
        return with_field(sample, arguments)
    _warn_of_unseen(sample, is_seen, maps)
    unseen = sample[~is_seen]
    nothing = unseen.photons.select(np.zeros(unseen.photons.offsets[-1], bool))
    unseen = unseen.assign(photons=nothing)
    if unseen.exposure is None:
        unseen = unseen.assign(exposure=np.full(len(unseen), ANY_EXPOSURE))
    parts = [unseen]
    if is_seen.any():
        parts.insert(0, with_field(sample[is_seen], arguments))
    in_parts = np.concatenate([np.flatnonzero(is_seen), np.flatnonzero(~is_seen)])
    return ClusterSample.concatenate(parts)[np.argsort(in_parts)]


def _warn_of_unseen(sample, is_seen, maps):
    first = int(np.argmin(is_seen))
    name = first if sample.name is None else printable(sample.name[first])
    ra, dec = sample.center[first]
    about = " and ".join(
        "RA {:.4f}, Dec {:.4f}".format(*image.center) for image in maps
    )
    warnings.warn(
        f"{np.sum(~is_seen)} of {len(sample)} clusters get no mass, because their centers "
        "lie outside of the exposure map or where it has no exposure (first: cluster "
        f"{name}, at RA {ra:.4f}, Dec {dec:.4f}; the middle of the map is at {about}).",
        UserWarning,
        stacklevel=3,
    )


def _exposure_maps(arguments):
    return [*map(_image, arguments.exposure_map or ())]


def _image(path):
    return _image_in_state(path, *file_state(path))


@functools.lru_cache(maxsize=16)
def _image_in_state(path, *state):
    """Read an image once for all parts of a catalog, as long as its file stays."""
    from .. import read_image

    return read_image(path)
