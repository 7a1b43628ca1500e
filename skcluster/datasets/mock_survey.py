"""Draw photon and galaxy lists of clusters as eROSITA sees them, with the truth."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from joblib import Parallel, delayed
from sklearn.utils import Bunch

from ..cosmology import plane_to_sky
from ..paper import ORIGINS
from ..parameters import Boolean, Exactly, Integer, Interval, NJobs, Quantity
from ..progress import Progress
from ..sample import ClusterSample, Ragged
from ..sample.plain_arrays import one_per_cluster
from ..sample.units import check_plausible
from .agn import cluster_agn, field_agn
from .description import catalog_of, description_of
from .dynamical_state import draw_dynamical_state
from .field_galaxies import draw_galaxies, galaxy_table
from .gas import HaloGas
from .instrument import FIELD_RADIUS, Photons, Telescope
from .population import draw_cluster, draw_neighbors, draw_place
from .spectra import response, temperature_row
from .streams import entropy_of, stream

CLUSTERS_PER_TASK = 25
TYPICAL_TEMPERATURE = 2.4


@dataclass(frozen=True)
class Physics:
    """Switches of `make_mock_survey`."""

    core_scatter: float
    agn: bool
    background: float
    field_agn: bool
    galaxies: bool
    one_spectrum: bool
    dynamics: bool
    telescope: Telescope
    exposure: np.ndarray | None


def make_mock_survey(
    n_clusters=3285,
    *,
    random_state=None,
    n_jobs=None,
    core_scatter=1.10,
    agn=True,
    background=0.005,
    psf_hew=30.0,
    field_agn=False,
    pixelize=True,
    dither=False,
    galaxies=True,
    one_spectrum=False,
    dynamics=False,
    exposure=None,
    verbose=0,
):
    """Draw photon and galaxy lists of synthetic clusters, with the origin of each photon.

    The clusters follow the population of Ho et al. (2023): eleven redshifts, masses
    flat in log M as far as a 352 Mpc/h box allows, scaling relations tuned to the
    paper's Tables 1 and 3. Each sits on the axis of a 2 ks eROSITA field. The
    returned ``DESCR`` says what is planted, what emerges, and what the mock must not
    be used for.

    Every ingredient of every cluster has its own random stream. Cluster i therefore depends
    neither on `n_clusters` nor on `n_jobs`, and two surveys of one `random_state` differ
    only in what their switches concern.

    Parameters
    ----------
    n_clusters : int, default=3285
        Number of clusters.
    random_state : int, numpy RandomState or Generator, default=None
        Seed of all random streams.
    n_jobs : int, default=None
        Number of processes, as joblib counts them.
    core_scatter : float, default=1.10
        Scatter in ln of the emission of dense cores, from 0 to 5; 0 gives all clusters the
        same core.
    agn : bool, default=True
        Whether the cluster's galaxies host active nuclei.
    background : float, default=0.005
        Background in units of the measured one, from 0 to 1000. The paper's counts allow
        no more than the default; 1 is the real sky.
    psf_hew : float, default=30.0
        Half-energy width of the point-spread function [arcsec]; 0 for none.
    field_agn : bool, default=False
        Whether active nuclei shine behind the cluster, with the origin 1.
    pixelize : bool, default=True
        Whether photons are put at the centers of 9.6 arcsec pixels.
    dither : bool, default=False
        Whether each photon is then moved to a uniformly random place in its pixel, which
        removes the moiré of two grids of pixels.
    galaxies : bool, default=True
        Whether the sample holds the galaxy lists.
    one_spectrum : bool, default=False
        Whether the energies of all photons are drawn anew, whatever their origin, from the
        spectrum of gas of 2.4 keV at the cluster's redshift. Energy bands then carry no
        information.
    dynamics : bool, default=False
        Whether each cluster has a dynamical state: a disturbance that is correlated with
        the residuals of its gas, stars and core, and that makes the core slosh, stretches
        the gas and adds shining clumps within R500c. The population, galaxies, active
        nuclei and background stay the same.
    exposure : float or array-like of shape (n_clusters,), default=None
        Exposure on the axis [s], one for all clusters or one per cluster, which becomes
        ``sample.exposure``. None is the paper's 2000 s, and leaves ``sample.exposure``
        out. To observe the same photons for shorter, use `thin_photons`.
    verbose : int, default=0
        If positive, count the clusters on standard error.

    Returns
    -------
    bunch : Bunch
        ``sample``, a ClusterSample with photons (``ra``, ``dec`` [deg], ``energy``
        [keV], ``origin``: 0 ICM, 1 AGN, 2 background) and galaxies (``x`` West, ``y``
        North [comoving Mpc/h], ``v`` [km/s], ``log_stellar_mass`` [Msun/h],
        ``is_member``); ``log_mass``, log10 M500c [Msun/h]; ``catalog``, an astropy
        Table of the true properties; ``DESCR``.

    References
    ----------
    Ho et al. (2023), MNRAS 524, 3289.

    Examples
    --------
    >>> from skcluster.datasets import make_mock_survey
    >>> survey = make_mock_survey(3, random_state=0)
    >>> survey.sample.shape, survey.log_mass.shape
    ((3,), (3,))
    >>> list(survey.sample.photons.columns)
    ['ra', 'dec', 'energy', 'origin']
    >>> calm = make_mock_survey(3, random_state=0, agn=False)
    >>> calm.catalog["n_agn"].sum(), (calm.log_mass == survey.log_mass).all()
    (np.int64(0), np.True_)
    """
    n_clusters = Integer(1, 10**8).check("n_clusters", n_clusters)
    n_jobs = NJobs().check("n_jobs", n_jobs)
    telescope = _telescope(psf_hew=psf_hew, pixelize=pixelize, dither=dither)
    switches = {
        "agn": agn,
        "field_agn": field_agn,
        "galaxies": galaxies,
        "one_spectrum": one_spectrum,
        "dynamics": dynamics,
    }
    physics = Physics(
        core_scatter=Interval("[0, 5]").check("core_scatter", core_scatter),
        background=Interval("[0, 1000]").check("background", background),
        telescope=telescope,
        exposure=_exposures(exposure, n_clusters),
        **{name: Boolean().check(name, value) for name, value in switches.items()},
    )
    entropy = entropy_of(random_state)
    clusters = range(n_clusters)
    step = CLUSTERS_PER_TASK
    tasks = [clusters[start : start + step] for start in clusters[::step]]
    parts = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_survey)(task, entropy, physics) for task in tasks
    )
    samples, rows = zip(*_counted(parts, n_clusters, verbose), strict=True)
    catalog = catalog_of([row for part in rows for row in part], physics)
    return Bunch(
        sample=ClusterSample.concatenate(samples),
        log_mass=np.asarray(catalog["log_mass"]),
        catalog=catalog,
        DESCR=description_of(n_clusters, entropy, physics),
    )


def _exposures(exposure, n_clusters):
    """Return one exposure per cluster, or None for the paper's."""
    if exposure is None:
        return None
    exposure = one_per_cluster("exposure", exposure, n_clusters)
    check_plausible("exposure", exposure, rows="cluster")
    return exposure


def _telescope(*, psf_hew, pixelize, dither):
    telescope = Telescope(
        psf_hew=(Exactly(0) | Quantity("psf_hew")).check("psf_hew", psf_hew),
        pixelize=Boolean().check("pixelize", pixelize),
        dither=Boolean().check("dither", dither),
    )
    if telescope.dither and not telescope.pixelize:
        raise ValueError(
            "dither=True moves photons within their pixels, but pixelize=False leaves no "
            "pixels. Give pixelize=True, or dither=False."
        )
    return telescope


def _counted(parts, n_clusters, verbose):
    """Yield the parts, and count their clusters on standard error."""
    with Progress("mock clusters", n_clusters, verbose=verbose) as progress:
        for sample, rows in parts:
            progress.update(len(rows))
            yield sample, rows


def _survey(indices, entropy, physics):
    """Return the sample and the catalog rows of some clusters."""
    clusters = [_observe(i, partial(stream, entropy, i), physics) for i in indices]
    columns = {key: [cluster[key] for cluster in clusters] for key in clusters[0]}
    rows, photons, galaxies = map(columns.pop, ("row", "photons", "galaxies"))
    sample = ClusterSample(
        [row["redshift"] for row in rows],
        r500c=[row["r500c"] for row in rows],
        name=[row["name"] for row in rows],
        photons=Ragged.from_tables(photons),
        galaxies=Ragged.from_tables(galaxies) if physics.galaxies else None,
        field_radius=FIELD_RADIUS,
        exposure=None if physics.exposure is None else physics.exposure[[*indices]],
        **columns,
    )
    return sample, rows


def _observe(i, stream, physics):
    """Observe cluster i: its true properties, its lists and its place."""
    cluster = draw_cluster(stream("population"))
    at = response(cluster.redshift)
    if physics.exposure is not None:
        at = at.exposed(float(physics.exposure[i]))
    center, position = draw_place(stream("place"))
    haloes = [cluster.halo, *draw_neighbors(cluster, stream("neighbors"))]
    state = None
    if physics.dynamics:
        state = draw_dynamical_state(cluster, stream("dynamics"))
    gas = [HaloGas(cluster.halo, at, physics.core_scatter, state)]
    gas += [HaloGas(halo, at, physics.core_scatter) for halo in haloes[1:]]
    galaxies = draw_galaxies(haloes, at, stream("galaxies"))
    photons = _observe_photons(gas, galaxies, at, stream, physics)
    if physics.one_spectrum:
        photons = _with_one_spectrum(photons, at, stream("one spectrum"))
    listed = galaxies.in_cylinder()
    return {
        "row": {
            "name": f"mock-{i:05d}",
            "redshift": cluster.redshift,
            **dict(
                zip(("ra", "dec", "x", "y", "z"), (*center, *position), strict=True)
            ),
            **_truth(cluster, gas),
            "sigma_v_true": listed.dispersion_in_sphere(),
            **{f"n_{name}": len(part) for name, part in photons.items()},
            **({"disturbance": state.disturbance} if state else {}),
        },
        "photons": _photon_table(photons, center),
        "galaxies": galaxy_table(
            listed, cluster.stellar_mass, stream("stellar masses")
        ),
        "center": center,
        "position": position,
    }


def _observe_photons(gas, galaxies, at, stream, physics):
    """Photons of each origin at the places where the camera records them."""
    bodies, cores = stream("gas bodies"), stream("dense cores")
    # Cores come last: their scatter then changes no photon before them.
    icm = [halo.body_photons(bodies) for halo in gas]
    icm += [halo.core_photons(cores) for halo in gas]
    nuclei = [Photons(np.zeros((0, 2)), np.zeros(0))]
    if physics.agn:
        nuclei.append(cluster_agn(galaxies, at, stream("agn")))
    if physics.field_agn:
        nuclei.append(field_agn(stream("field agn"), at.exposure))
    telescope = physics.telescope
    background = telescope.background(
        physics.background, stream("background"), at.exposure
    )
    icm = telescope.observe(Photons.concatenate(icm), stream("gas telescope"))
    if physics.dynamics:
        # Their own streams: clumps change nothing about the photons of the smooth gas.
        clumps = gas[0].clump_photons(stream("clumps"))
        clumps = telescope.observe(clumps, stream("clump telescope"))
        icm = Photons.concatenate([icm, clumps])
    return {
        "icm": icm,
        "agn": telescope.observe(Photons.concatenate(nuclei), stream("agn telescope")),
        "background": background,
    }


def _with_one_spectrum(photons, at, rng):
    row = temperature_row(np.array(TYPICAL_TEMPERATURE))
    # A stream for each origin: what one of them lacks does not shift the others.
    return {
        name: Photons(part.offset, at.gas.energies(row, origin.random(len(part))))
        for (name, part), origin in zip(
            photons.items(), rng.spawn(len(photons)), strict=True
        )
    }


def _truth(cluster, gas):
    """True properties of a cluster for the catalog."""
    halo = cluster.halo
    radius = gas[0].r500c
    inside = [g for g in gas if np.linalg.norm(g.halo.position) < radius]
    return {
        "log_mass": cluster.log_mass,
        "r500c": radius,
        "temperature": halo.temperature,
        "luminosity": sum(g.luminosity for g in inside) / 1e44,
        "gas_mass": halo.gas_mass,
        "stellar_mass": cluster.stellar_mass,
        "core": halo.core,
        "shape": halo.shape,
    }


def _photon_table(photons, center):
    every = Photons.concatenate(photons.values())
    ra, dec = plane_to_sky(*every.offset.T, *center)
    origin = np.repeat(
        np.array([ORIGINS[name] for name in photons], np.int8),
        [len(part) for part in photons.values()],
    )
    return {
        "ra": ra,
        "dec": dec,
        "energy": every.energy.astype(np.float32),
        "origin": origin,
    }
