"""Estimators that take part: built-in ones by name, and any other by its factory."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..networks.architectures import EIGHT_BANDS, KRIPPENDORF2024_BANDS
from ..paper import THREE_BANDS, WIDE_BAND

BANDS = {
    "one": (WIDE_BAND,),
    "three": THREE_BANDS,
    "eight": EIGHT_BANDS,
    "krippendorf2024": KRIPPENDORF2024_BANDS,
}
"""Sets of energy bands that a configuration may name [keV]; it may add others."""

FOUR_PROXIES = ("n_gal", "sigma_v", "n_phot", "n_phot_500c")


@dataclass(frozen=True)
class BuiltIn:
    """An estimator that a configuration may name, and what it learns from.

    Parameters
    ----------
    make : callable
        Returns the unfitted estimator; its keywords are the arguments of an entry.
    says : str
        What it is, for the help of the command.
    columns : tuple of str, default=None
        Its X are natural logarithms of these columns, with the redshift as the last one.
    bands : str, default=None
        Its X is a sample with maps of these `BANDS`.
    photon_features : bool, default=False
        The photons of its sample have the columns of `PhotonFeaturizer`. Without columns,
        bands and this, X is the sample as it was observed.
    """

    make: Callable
    says: str
    columns: tuple | None = None
    bands: str | None = None
    photon_features: bool = False


@dataclass(frozen=True)
class Entry:
    """One estimator of a contest.

    Parameters
    ----------
    name : str
        Its name in tables and figures.
    make : callable
        Returns the unfitted estimator.
    arguments : dict, default={}
        Keywords for `make`.
    columns : tuple of str, default=None
        As in `BuiltIn`.
    bands : tuple of (float, float), default=None
        Energy bands of the maps that it needs [keV].
    photon_features : bool, default=False
        Whether it needs photons with the columns of `PhotonFeaturizer`.
    mean_of : tuple of str, default=()
        Names of other entries. Its prediction is the mean of theirs, so that nothing is
        trained for it; it predicts no errors. `make` is then None.
    """

    name: str
    make: Any
    arguments: dict = field(default_factory=dict)
    columns: tuple | None = None
    bands: tuple | None = None
    photon_features: bool = False
    mean_of: tuple = ()

    def build(self, shared, seed):
        """Return the unfitted estimator.

        Parameters
        ----------
        shared : dict
            Parameters that every estimator, or step of one, gets if it has them; the
            entry's own arguments take precedence.
        seed : int
            Replaces every ``random_state`` that is None.
        """
        estimator = self.make(**self.arguments)
        if not all(hasattr(estimator, name) for name in ("fit", "predict")):
            raise TypeError(
                f"The estimator {self.name!r} is a {type(estimator).__name__} without fit "
                "and predict. Its factory must return an unfitted regressor of log10 M."
            )
        if not hasattr(estimator, "get_params"):
            raise TypeError(
                f"The estimator {self.name!r} is a {type(estimator).__name__} without "
                "get_params. Derive it from sklearn.base.BaseEstimator."
            )
        settings = {}
        for name, value in estimator.get_params(deep=True).items():
            own = name.rpartition("__")[2]
            if own in shared and own not in self.arguments:
                settings[name] = shared[own]
            elif own == "random_state" and value is None:
                settings[name] = seed
        return estimator.set_params(**settings)


def parameter_names(estimator):
    """Return the names of the parameters of an estimator and of all estimators in it.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> names = parameter_names(make_pipeline(Ridge()))
    >>> "alpha" in names, "ridge__alpha" in names, "verbose" in names
    (True, False, True)
    """
    return {name.rpartition("__")[2] for name in estimator.get_params(deep=True)}


def covariance_model(**arguments):
    """Power laws of proxies with correlated scatter, inverted (paper Eqs. 3 to 7)."""
    from ..evrard import EvrardProxyRegressor

    return EvrardProxyRegressor(redshift_column=-1, **arguments)


def least_squares():
    """Linear regression of log10 M on proxies, with an intercept for each snapshot."""
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    snapshots = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_pipeline(
        make_column_transformer((snapshots, [-1]), remainder="passthrough"),
        LinearRegression(),
    )


def iterated_count(*, redshift_bins=None, **arguments):
    """Photon count inside R500c, which is iterated from the mass itself.

    Parameters
    ----------
    redshift_bins : int or array-like, default=None
        As in `EvrardProxyRegressor`.
    **arguments : dict
        Parameters of `IteratedRadiusRegressor`.
    """
    from sklearn.pipeline import make_pipeline

    from ..proxies import IteratedRadiusRegressor, ProxyMeasurer

    measurer = ProxyMeasurer(proxies=("n_phot_500c",), with_redshift=True)
    count = make_pipeline(measurer, covariance_model(redshift_bins=redshift_bins))
    return IteratedRadiusRegressor(count, **arguments)


def y_x():
    """Mass from Y_X by the self-similar law, with one free normalization."""
    from ..evrard import FixedPowerLawRegressor

    return FixedPowerLawRegressor(exponents=(3 / 5, 3 / 5), evolution=-2 / 5)


def ridge_on_rings(**arguments):
    """Quadratic ridge regression on counts in rings; keywords are RingProfiler's."""
    import numpy as np
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    from ..maps import RedshiftNormalizer
    from ..proxies import RingProfiler

    return make_pipeline(
        RedshiftNormalizer(),
        RingProfiler(**arguments),
        StandardScaler(),
        PolynomialFeatures(2),
        StandardScaler(),
        RidgeCV(np.logspace(-1, 4, 11)),
    )


def map_network(**arguments):
    """`XrayCNNRegressor` on scaled maps; keywords are its parameters."""
    from sklearn.pipeline import make_pipeline

    from ..maps import LogScaler, RedshiftNormalizer
    from ..regressors import XrayCNNRegressor

    return make_pipeline(
        RedshiftNormalizer(), LogScaler(), XrayCNNRegressor(**arguments)
    )


def ho2023_one_band(**arguments):
    """The paper's network on one band."""
    return map_network(**{"dropout": 0.0, "augment": True} | arguments)


def ho2023_three_bands(**arguments):
    """The paper's network on three bands."""
    return map_network(**{"dropout": 0.1, "augment": True} | arguments)


def ntampaka2019(**arguments):
    """Layers of Ntampaka et al. 2019; their training is not known, so the paper's."""
    defaults = {"architecture": "ntampaka2019", "dropout": 0.1, "augment": True}
    return map_network(**defaults | arguments)


def yan2020(**arguments):
    """Layers of Yan et al. 2020, trained as the paper's network."""
    defaults = {"architecture": "yan2020", "dropout": 0.1, "augment": True}
    return map_network(**defaults | arguments)


def krippendorf2024(**arguments):
    """Layers, input and likelihood of Krippendorf et al. 2024, trained as the paper's."""
    defaults = {
        "architecture": "krippendorf2024",
        "loss": "gaussian_nll",
        "scalars": ["redshift"],
        "augment": True,
    }
    return map_network(**defaults | arguments)


def recommended(**arguments):
    """`XrayCNNRegressor.recommended` on scaled maps; keywords change its parameters."""
    from sklearn.pipeline import make_pipeline

    from ..maps import LogScaler, RedshiftNormalizer
    from ..regressors import XrayCNNRegressor

    return make_pipeline(
        RedshiftNormalizer(), LogScaler(), XrayCNNRegressor.recommended(**arguments)
    )


def forest_on_morphology(*, r500c="true"):
    """Random forest with the settings of Green et al. 2019 on counts and morphology.

    Parameters
    ----------
    r500c : "true", "iterate" or float, default="true"
        Aperture: the sample's R500c; one that follows from the mass; or one for all
        clusters [comoving Mpc/h].
    """
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.pipeline import make_pipeline, make_union

    from ..proxies import IteratedRadiusRegressor, MorphologyMeasurer, ProxyMeasurer

    is_fixed = not isinstance(r500c, str)
    aperture = {"half_width": r500c} if is_fixed else {}
    name = "n_phot" if is_fixed else "n_phot_500c"
    counts = ProxyMeasurer(proxies=(name,), with_redshift=True, **aperture)
    morphology = MorphologyMeasurer(r500c=r500c if is_fixed else "true")
    forest = RandomForestRegressor(1200, max_depth=30, max_features=0.75)
    pipeline = make_pipeline(make_union(morphology, counts), forest)
    if r500c != "iterate":
        return pipeline
    # Masses of a forest are steps, between which some clusters go back and forth.
    return IteratedRadiusRegressor(pipeline, max_iterations=10)


def photon_set(**arguments):
    """`PhotonSetRegressor` on photons with features; keywords are its parameters."""
    from ..regressors import PhotonSetRegressor

    return PhotonSetRegressor(**arguments)


BUILT_IN = {
    "n_phot": BuiltIn(
        covariance_model, "photons within 2.3 Mpc/h, by a power law", ("n_phot",)
    ),
    "n_phot_500c": BuiltIn(
        covariance_model, "photons within the true R500c", ("n_phot_500c",)
    ),
    "n_phot_500c_iterated": BuiltIn(
        iterated_count, "photons within R500c as it follows from the mass itself"
    ),
    "covariance_4": BuiltIn(
        covariance_model, "four proxies with correlated scatter", FOUR_PROXIES
    ),
    "covariance": BuiltIn(
        covariance_model, "the same with the columns that the entry names", ()
    ),
    "least_squares": BuiltIn(
        least_squares, "linear regression on the four proxies", FOUR_PROXIES
    ),
    "y_x": BuiltIn(
        y_x,
        "true gas mass times true temperature to the power 3/5",
        ("gas_mass", "temperature"),
    ),
    "rings": BuiltIn(
        ridge_on_rings, "quadratic ridge regression on counts in rings", bands="three"
    ),
    "ho2023_one_band": BuiltIn(
        ho2023_one_band, "the paper's network on one band", bands="one"
    ),
    "ho2023_three_bands": BuiltIn(
        ho2023_three_bands, "the paper's network on three bands", bands="three"
    ),
    "map_network": BuiltIn(
        map_network, "XrayCNNRegressor with any arguments", bands="three"
    ),
    "ntampaka2019": BuiltIn(
        ntampaka2019,
        "network of Ntampaka et al. 2019, trained as the paper's",
        bands="one",
    ),
    "yan2020": BuiltIn(
        yan2020, "network of Yan et al. 2020, trained as the paper's", bands="one"
    ),
    "krippendorf2024": BuiltIn(
        krippendorf2024,
        "network of Krippendorf et al. 2024, trained as the paper's",
        bands="krippendorf2024",
    ),
    "forest_on_morphology": BuiltIn(
        forest_on_morphology, "random forest of Green et al. 2019", bands="one"
    ),
    "recommended": BuiltIn(
        recommended, "XrayCNNRegressor.recommended on eight bands", bands="eight"
    ),
    "photon_set": BuiltIn(
        photon_set, "PhotonSetRegressor on the photons themselves", photon_features=True
    ),
}
"""Estimators that a configuration may name."""
