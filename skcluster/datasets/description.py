"""What a mock survey says about itself: its columns, and what it may be used for."""

from astropy.table import Table

COLUMNS = {
    "name": "",
    "redshift": "",
    "log_mass": "log10 of M500c [Msun/h]",
    "r500c": "comoving R500c [Mpc/h]",
    "temperature": "kT of the gas [keV]",
    "luminosity": "bolometric luminosity within R500c [1e44 erg/s]",
    "gas_mass": "gas mass within R500c [Msun/h]",
    "stellar_mass": "stellar mass within R500c [Msun/h]",
    "sigma_v_true": "dispersion of the galaxies in a sphere of 2.3 Mpc/h [km/s]",
    "core": "residual of the dense core's emission [standard deviations]",
    "shape": "residual of the gas core radius [standard deviations]",
    "n_icm": "photons of the gas in the list",
    "n_agn": "photons of AGN in the list",
    "n_background": "background counts in the list",
    "ra": "right ascension of the center [deg]",
    "dec": "declination of the center [deg]",
    "x": "place in the box [comoving Mpc/h]",
    "y": "place in the box [comoving Mpc/h]",
    "z": "place in the box [comoving Mpc/h], not a redshift",
}

DYNAMICAL_COLUMNS = {
    "disturbance": "how disturbed the cluster is [standard deviations]"
}

DESCR = """\
Mock survey of galaxy clusters as seen by eROSITA
-------------------------------------------------
{parameters}

make_mock_survey draws synthetic clusters from analytic models whose population
statistics were tuned to Tables 1 and 3 of Ho et al. (2023). It is NOT the
Magneticum/PHOX/SIXTE catalog of that paper and contains no simulated or observed
cluster. Agreement with the paper's scalar-proxy scatters is by construction; agreement
of learned estimators is a property of the generator's simplified physics. Use it to
test code, to teach, and to ask which ingredient causes a result (each ingredient has a
switch). Do not quote its scatters as forecasts for eROSITA, and do not apply models
trained on it to real data. Known differences: {smooth}{centered}too
many AGN for the real Universe (as the paper's counts require), 0.5 % of eROSITA's real
background by default (background=1 for the full one), no selection function.{sky}

Planted (inputs): the distribution of mass and redshift; slopes, scatters and
correlations of temperature, gas mass, stellar mass and velocity dispersion; scatter of
dense cores and of clumping; abundance of AGN; the law of richness.{dynamics}

Emergent (outcomes): the X-ray luminosity and its correlations, all photon counts, the
galaxy count and dispersion after interlopers, every quantity of the maps, every learned
scatter.

Columns of the catalog:
{columns}
"""

SKY = """

sky="{sky}" has set the exposures, area, background, AGN and errors of centers and redshifts
that are listed above, as far as they were not given. The sample holds the wrong centers and
redshifts, the catalog the true ones. It is the sky of that survey, not its clusters: masses
and redshifts are those of Ho et al. (2023), detected or not."""

DYNAMICS = """

With dynamics=True, also planted: the disturbance of each cluster, its correlations with
the residuals of temperature, gas mass, stellar mass, dense core and clumping, and the
clumps, sloshing and stretching of the gas that it causes. Their sizes were tuned so that
the gas at z = 0.1-0.3 shows the correlations of morphology with the mass residual that
Green et al. (2019) find in simulated clusters: to find these again is a test of the code.
Clumps count in the luminosity, but bring no mass; smooth gas shines 7 % less, so that the
median luminosity stays.
What disturbed gas does to temperatures, to galaxies and to the velocity dispersion is not
modeled."""


def catalog_columns(physics):
    """Names of the catalog's columns, with what they hold."""
    return COLUMNS | (DYNAMICAL_COLUMNS if physics.dynamics else {})


def catalog_of(rows, physics):
    """Return the table of true properties, one row per cluster."""
    columns = catalog_columns(physics)
    catalog = Table(rows=rows, names=list(columns))
    for name, description in columns.items():
        catalog[name].description = description or None
    return catalog


def description_of(n_clusters, entropy, physics):
    """Return the survey's DESCR, with its parameters and its seed."""
    telescope = physics.telescope
    parameters = {
        "n_clusters": n_clusters,
        "random_state": entropy,
        "sky": physics.sky,
        "core_scatter": physics.core_scatter,
        "agn": physics.agn,
        "background": physics.background,
        "psf_hew": telescope.psf_hew,
        "field_agn": physics.field_agn,
        "pixelize": telescope.pixelize,
        "dither": telescope.dither,
        "galaxies": physics.galaxies,
        "one_spectrum": physics.one_spectrum,
        "dynamics": physics.dynamics,
        "exposure": _exposure(physics.exposure),
        "area": "survey" if telescope.scans else "axis",
        "center_error": physics.center_error,
        "redshift_error": physics.redshift_error,
    }
    columns = (
        f"    {name:14}{text}" for name, text in catalog_columns(physics).items()
    )
    return DESCR.format(
        parameters=", ".join(f"{name}={value}" for name, value in parameters.items()),
        smooth="" if physics.dynamics else "smooth self-similar gas, ",
        centered="" if physics.center_error else "perfect centering, ",
        dynamics=DYNAMICS if physics.dynamics else "",
        sky=SKY.format(sky=physics.sky) if physics.sky else "",
        columns="\n".join(line.rstrip() for line in columns),
    )


def _exposure(exposure):
    """Say which exposures the clusters have."""
    if exposure is None or (exposure == exposure[0]).all():
        return None if exposure is None else f"{exposure[0]:g}"
    return f"{exposure.min():g} to {exposure.max():g}"
