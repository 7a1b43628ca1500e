"""Draw photon and galaxy lists of clusters as eROSITA sees them, with the truth."""

from dataclasses import replace
from functools import partial

import numpy as np
from joblib import Parallel, delayed
from sklearn.utils import Bunch

from ..cosmology import comoving_distance, get_cosmology, plane_to_sky
from ..paper import ORIGINS
from ..parameters import Integer, NJobs
from ..progress import Progress
from ..sample import ClusterSample, Ragged
from ..sky.catalog_errors import ARCSEC_PER_RADIAN, erring_redshift, with_redshift
from ..sky.centers import moved_centers
from .agn import cluster_agn, field_agn
from .description import catalog_of, description_of
from .dynamical_state import draw_dynamical_state
from .field_galaxies import draw_galaxies, galaxy_table
from .gas import HaloGas
from .instrument import EXPOSURE, Photons
from .physics import physics_of
from .population import draw_cluster, draw_neighbors, draw_place
from .spectra import COSMOLOGY, response, temperature_row
from .streams import entropy_of, stream

CLUSTERS_PER_TASK = 25
TYPICAL_TEMPERATURE = 2.4


def make_mock_survey(
    n_clusters=3285,
    *,
    random_state=None,
    n_jobs=None,
    sky=None,
    core_scatter=1.10,
    agn=None,
    background=None,
    psf_hew=30.0,
    field_agn=None,
    pixelize=True,
    dither=None,
    galaxies=True,
    one_spectrum=False,
    dynamics=False,
    exposure=None,
    area=None,
    center_error=None,
    redshift_error=None,
    verbose=0,
) -> Bunch:
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
    sky : {"eFEDS", "eRASS1"} or None, default=None
        Real survey whose sky sets those of the following parameters that are None; see the
        table below. With None they are the paper's, an even sky with hardly any background.
    core_scatter : float, default=1.10
        Scatter in ln of the emission of dense cores, from 0 to 5; 0 gives all clusters the
        same core.
    agn : bool or float, default=None
        Whether the cluster's galaxies host active nuclei. A number from 0 to 1 is their
        abundance in units of the paper's, whose counts require ten times the observed one.
    background : float, default=None
        Background in units of the measured one, from 0 to 1000. The paper's counts allow
        no more than 0.005; 1 is the real sky. Counts are Poisson.
    psf_hew : float, default=30.0
        Half-energy width of the point-spread function [arcsec]; 0 for none.
    field_agn : bool or float, default=None
        Whether active nuclei shine behind the cluster, with the origin 1. A number is the
        0.5-2 keV flux of the faintest ones [erg / cm² / s]; the measured background holds
        those that are too faint for the catalog of its field.
    pixelize : bool, default=True
        Whether photons are put at the centers of 9.6 arcsec pixels.
    dither : bool, default=None
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
    exposure : float, array-like of shape (n_clusters,) or distribution, default=None
        Exposure at the center, vignetting at low energies included [s]: one for all
        clusters, one per cluster, or an object with ``ppf``, such as
        ``scipy.stats.uniform(1000, 500)``, to draw from. It becomes ``sample.exposure``.
        Without any it is the paper's 2000 s, and ``sample.exposure`` is left out. To
        observe the same photons for shorter, use `thin_photons`.
    area : {"axis", "survey"}, default=None
        Whether the telescope points at each cluster, so that the vignetting dims what is
        off the axis; or scans the sky, so that all places are seen alike, through the mean
        of the vignetting. Photons of a scan are listed within 3.5 Mpc/h of the cluster, but
        not beyond 0.51 deg, which is less at low redshift. The background knows no mirror:
        a scan has 1.9 times as much for the same exposure.
    center_error, redshift_error : float, default=None
        Standard deviations of the centers, in each of two directions [arcsec], and of the
        redshifts, in units of 1 + z, which the sample then holds instead of the true ones.
        See `add_catalog_errors`.
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

    Notes
    -----
    What a sky sets:

    ================== ========= ========================= ==========================
    parameter          None      "eFEDS"                   "eRASS1"
    ================== ========= ========================= ==========================
    ``exposure`` [s]   (2000)    200 to 1600, mean 1285    107 / cos(ecliptic latitude)
    ``area``           "axis"    "survey"                  "survey"
    ``background``     0.005     1                         1
    ``agn``            True      0.1                       0.1
    ``field_agn``      False     6.5e-15                   6.5e-15
    ``dither``         False     True                      True
    ``center_error``   0         14                        20
    ``redshift_error`` 0         0.005                     0.005
    ================== ========= ========================= ==========================

    The mean exposure of eFEDS is 1.3 ks (Klein et al., AG 2022), and 90 % of its area has
    more than 500 s (its catalog; Brunner et al. 2022); the quantiles in between are our
    choice. eRASS1 is an eighth of eight surveys, 1.6 ks (Pillepich et al. 2018), 0.53 of it
    vignetted, here at the ecliptic equator. The background was measured in one field of
    eFEDS; another has 19 % more in 0.6-2.2 keV and 21 % less in 2.2-7 keV. The faintest AGN
    behind clusters have the limiting flux of the eFEDS catalog (Brunner et al. 2022);
    cluster galaxies host as many AGN as observed (Martini et al. 2009). Centers of eFEDS
    differ by 76 kpc on average from the optical ones (Seppi et al. 2023): 14 arcsec per
    direction at z = 0.3; those of eRASS1 by more, how much is our guess. Redshifts are
    photometric (Kluge et al. 2024). Masses and redshifts of the clusters stay those of the
    paper, and no detection selects them.

    References
    ----------
    Ho et al. (2023), MNRAS 524, 3289; Brunner et al. (2022), A&A 661, A1; Seppi et al.
    (2023), A&A 671, A57; Kluge et al. (2024), A&A 688, A210; Pillepich et al. (2018),
    MNRAS 481, 613; Martini et al. (2009), ApJ 701, 66.

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
    >>> shallow = make_mock_survey(3, sky="eRASS1", background=0.0, random_state=0)
    >>> shallow.sample.exposure.round()
    array([289., 114., 147.])
    """
    n_clusters = Integer(1, 10**8).check("n_clusters", n_clusters)
    n_jobs = NJobs().check("n_jobs", n_jobs)
    entropy = entropy_of(random_state)
    physics = physics_of(
        n_clusters,
        entropy,
        sky=sky,
        core_scatter=core_scatter,
        agn=agn,
        background=background,
        psf_hew=psf_hew,
        field_agn=field_agn,
        pixelize=pixelize,
        dither=dither,
        galaxies=galaxies,
        one_spectrum=one_spectrum,
        dynamics=dynamics,
        exposure=exposure,
        area=area,
        center_error=center_error,
        redshift_error=redshift_error,
    )
    parts = _parts(n_clusters, entropy, physics, n_jobs)
    samples, rows = zip(*_counted(parts, n_clusters, verbose), strict=True)
    catalog = catalog_of([row for part in rows for row in part], physics)
    return Bunch(
        sample=ClusterSample.concatenate(samples),
        log_mass=np.asarray(catalog["log_mass"]),
        catalog=catalog,
        DESCR=description_of(n_clusters, entropy, physics),
    )


def _parts(n_clusters, entropy, physics, n_jobs):
    """Return a generator of the samples and catalog rows of some clusters at a time."""
    clusters, step = range(n_clusters), CLUSTERS_PER_TASK
    tasks = [clusters[start : start + step] for start in clusters[::step]]
    return Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_survey)(task, entropy, physics) for task in tasks
    )


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
    errors = columns.pop("errors")
    sample = ClusterSample(
        [row["redshift"] for row in rows],
        r500c=[row["r500c"] for row in rows],
        name=[row["name"] for row in rows],
        photons=Ragged.from_tables(photons),
        galaxies=Ragged.from_tables(galaxies) if physics.galaxies else None,
        exposure=None if physics.exposure is None else physics.exposure[[*indices]],
        **columns,
    )
    return _listed(sample, np.array(errors), physics), rows


def _listed(sample, errors, physics):
    """Return the sample with the centers and redshifts that a catalog lists."""
    cosmology = get_cosmology(COSMOLOGY)
    if physics.center_error:
        offset = physics.center_error / ARCSEC_PER_RADIAN * errors[:, 1:]
        distance = comoving_distance(sample.redshift, cosmology)
        sample = moved_centers(sample, offset, distance)
    if physics.redshift_error:
        redshift = erring_redshift(
            sample.redshift, physics.redshift_error, errors[:, 0]
        )
        sample = with_redshift(sample, redshift, cosmology)
    return sample


def _observe(i, stream, physics):
    """Observe cluster i: its true properties, its lists and its place."""
    cluster = draw_cluster(stream("population"))
    exposure = EXPOSURE if physics.exposure is None else float(physics.exposure[i])
    at = response(cluster.redshift)
    telescope = physics.telescope.near(at.distance)
    at = at.exposed(telescope.open_time(exposure))
    center, position = draw_place(stream("place"))
    haloes = [cluster.halo, *draw_neighbors(cluster, stream("neighbors"))]
    state = None
    if physics.dynamics:
        state = draw_dynamical_state(cluster, stream("dynamics"))
    gas = [HaloGas(cluster.halo, at, physics.core_scatter, state)]
    gas += [HaloGas(halo, at, physics.core_scatter) for halo in haloes[1:]]
    galaxies = draw_galaxies(haloes, at, stream("galaxies"))
    physics = replace(physics, telescope=telescope)
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
        "field_radius": telescope.field_radius,
        "errors": [
            stream("redshift error").normal(),
            *stream("center error").normal(size=2),
        ],
    }


def _observe_photons(gas, galaxies, at, stream, physics):
    """Photons of each origin at the places where the camera records them."""
    bodies, cores = stream("gas bodies"), stream("dense cores")
    # Cores come last: their scatter then changes no photon before them.
    icm = [halo.body_photons(bodies) for halo in gas]
    icm += [halo.core_photons(cores) for halo in gas]
    nuclei = [Photons(np.zeros((0, 2)), np.zeros(0))]
    if physics.abundance:
        nuclei.append(cluster_agn(galaxies, at, stream("agn"), physics.abundance))
    if physics.least_flux:
        nuclei.append(field_agn(stream("field agn"), at.exposure, physics.least_flux))
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
