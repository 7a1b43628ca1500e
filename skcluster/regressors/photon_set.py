"""`PhotonSetRegressor`: masses from photons and galaxies, without pixels or bands."""

import numpy as np

from ..exposure import reference_exposure, relative_exposure
from ..networks.architectures import SET_ARCHITECTURES, build_network
from ..outliers import Measures
from ..parameters import Integer
from ..plausible_masses import MASS_RANGE
from ..sample import require
from ..sample.described_columns import FEATURES, RELATIVE_EXPOSURE
from ..training_ranges import hardly_vary
from .losses import N_OUTPUTS
from .network_parameters import NETWORK_PARAMETERS, Architecture
from .neural import NeuralMassRegressor
from .set_batches import Scaling, SetBatches
from .set_inputs import N_QUARTERS, DescribedSets, SetInputs

FEATURIZERS = {"photons": "PhotonFeaturizer", "galaxies": "GalaxyFeaturizer"}


class PhotonSetRegressor(NeuralMassRegressor):
    r"""Network from lists of photons or galaxies to log10 M500c, without pixels and bands.

    A shared network looks at each photon, as `PhotonFeaturizer` describes it: how far out
    it is, its energy, and whether it has more neighbors than others at its radius. What it
    makes of the photons is summed over the cluster, and dense layers turn the sums into the
    mass (see `skcluster.networks.PhotonSetNetwork`). So photons of point sources can be
    told from those of the gas one by one, and `photon_contributions` says exactly what each
    photon does to the mass.

    Galaxies that `GalaxyFeaturizer` has described go through a second network of that
    kind, and their sums stand beside those of the photons. The sample decides: with
    described photons and described galaxies the masses are joint, with either alone they
    are from these alone. Lists that are not described are not looked at. If some of the
    training clusters have no galaxies, others without any can be predicted.

    In a field with an exposure map, photons count as many times as the exposure of the
    center is longer than that at their place, as `PhotonFeaturizer` has found it (column
    ``relative_exposure``).

    Training draws up to `n_photons` photons of each cluster anew in each epoch, with
    weights that make up for those not drawn. Prediction uses all photons, some of them at
    a time, and depends neither on their order nor on the other clusters of X. A cluster
    may have no photons. Parameters and attributes without a description are those of
    `XrayCNNRegressor`.

    Parameters
    ----------
    architecture : {"photon_set"}, class or function, default="photon_set"
        A registered name; or a network of your own, as a class derived from
        `skcluster.networks.MassNetwork` or a function that returns one. It is called with
        ``n_columns`` (and ``n_galaxy_columns``, if galaxies are described), and has the
        inputs ``photons`` (and ``galaxies``), which are `skcluster.networks.rows.Rows`, and
        ``redshift``.
    recipe : {"ho2023", "one_cycle"}, default="one_cycle"
    loss : {"mse", "mae", "gaussian_nll"}, default="gaussian_nll"
    dropout : float, default=0.1
        Probability of dropping a feature after each hidden dense layer.
    weight_decay : float, default=0.01
    lr : float, default=3e-3
        Highest learning rate.
    batch_size : int, default=50
    max_epochs : int, default=40
    patience : int or None, default=None
    validation_fraction : float or None, default=0.1
    n_members : int, default=1
    device : str, default="auto"
    checkpoint_dir : str, path-like or None, default=None
    n_threads : int or None, default=None
    callbacks : list of skorch callbacks or None, default=None
    random_state : int, RandomState instance or None, default=None
    verbose : int, default=0
    precision : {"float32", "bfloat16"}, default="float32"
    keep_memory : bool, default=True
    n_dropout_draws : int, default=0
    mass_range : tuple of 2 float or None, default=(10.0, 17.0)
    n_photons : int, default=1000
        Largest number of photons, and of galaxies, of a cluster that are drawn in each
        epoch of training.

    Attributes
    ----------
    columns_ : dict of str to tuple of str
        Columns of `PhotonFeaturizer` that the training ``photons`` had, and of
        `GalaxyFeaturizer` that the ``galaxies`` had; others are not used.
    column_moments_ : dict of str to ndarray of shape (2, n_columns)
        Means and standard deviations of these columns over the photons, and over the
        galaxies, of training.
    column_quartiles_ : dict of str to ndarray of shape (n_columns, 3)
        Their quartiles; how many photons, or galaxies, lie between them is what
        `outlier_detector_` and `population_` compare.
    redshift_moments_ : tuple of 2 float
        Mean and standard deviation of the training redshifts; the latter is 1 if it is
        below 0.001, as at a single redshift.
    exposure_ : float or None
        Median exposure of the training clusters [s], if it is known: counts and densities
        are those in this exposure.
    count_scale_ : dict of str to float
        Median number of ``photons``, and of ``galaxies``, of the training clusters.
    training_ranges_ : dict of str to tuple of 2 float
        Lowest and highest ``log_mass``, ``redshift`` and number of ``photons`` and
        ``galaxies`` of the training clusters.
    outlier_detector_ : MapOutlierDetector
        Detector of photons and galaxies unlike those of training.
    population_ : dict
    net_ : skorch net
        The first member; its torch module is ``net_.module_``.
    nets_ : list of skorch nets
    n_iter_ : int
    history_ : list of dict
    target_mean_, target_scale_ : float
    mass_density_ : ndarray of shape (2, 256)
    dropout_seed_ : int
    curve_ : ndarray of shape (n_members, 2, 4)
    error_curve_ : ndarray of shape (n_members, 4)
    held_out_residual_ : ndarray
    held_out_moments_ : dict of str to dict of str to float
    residual_std_ : float
    fitted_parameters_ : dict of str to object

    References
    ----------
    Zaheer et al. (2017), "Deep Sets", NeurIPS 30, for the idea of such networks.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skcluster import PhotonFeaturizer, PhotonSetRegressor
    >>> from skcluster.datasets import make_mock_survey
    >>> survey = make_mock_survey(40, random_state=0, galaxies=False)
    >>> model = make_pipeline(
    ...     PhotonFeaturizer(), PhotonSetRegressor(max_epochs=2, random_state=0)
    ... )
    >>> model.fit(survey.sample, survey.log_mass).predict(survey.sample).shape
    (40,)

    Photons and galaxies:

    >>> from skcluster import GalaxyFeaturizer
    >>> survey = make_mock_survey(40, random_state=0)
    >>> model = make_pipeline(
    ...     PhotonFeaturizer(),
    ...     GalaxyFeaturizer(),
    ...     PhotonSetRegressor(max_epochs=2, random_state=0),
    ... )
    >>> model.fit(survey.sample, survey.log_mass).predict(survey.sample).shape
    (40,)
    """

    _parameter_kinds = {
        **NETWORK_PARAMETERS,
        "architecture": Architecture(SET_ARCHITECTURES),
        "n_photons": Integer(1),
    }

    def __init__(
        self,
        *,
        architecture="photon_set",
        recipe="one_cycle",
        loss="gaussian_nll",
        dropout=0.1,
        weight_decay=1e-2,
        lr=3e-3,
        batch_size=50,
        max_epochs=40,
        patience=None,
        validation_fraction=0.1,
        n_members=1,
        device="auto",
        checkpoint_dir=None,
        n_threads=None,
        callbacks=None,
        random_state=None,
        verbose=0,
        precision="float32",
        keep_memory=True,
        n_dropout_draws=0,
        mass_range=MASS_RANGE,
        n_photons=1000,
    ):
        super().__init__(
            architecture=architecture,
            recipe=recipe,
            loss=loss,
            dropout=dropout,
            weight_decay=weight_decay,
            lr=lr,
            batch_size=batch_size,
            max_epochs=max_epochs,
            patience=patience,
            validation_fraction=validation_fraction,
            n_members=n_members,
            device=device,
            checkpoint_dir=checkpoint_dir,
            n_threads=n_threads,
            callbacks=callbacks,
            random_state=random_state,
            verbose=verbose,
            precision=precision,
            keep_memory=keep_memory,
            n_dropout_draws=n_dropout_draws,
            mass_range=mass_range,
        )
        self.n_photons = n_photons

    def _read(self, X):
        needed = self.columns_ if self.__sklearn_is_fitted__() else ()
        columns = _described_columns(require(X, *needed, by=type(self).__name__))
        if needed:
            self._check_columns(columns)
            columns = needed
        elif not columns:
            self._refuse_undescribed(X)
        exposure = self._relative(X.exposure if "photons" in columns else None)
        sets = {
            name: DescribedSets(
                getattr(X, name), names, exposure if name == "photons" else None
            )
            for name, names in columns.items()
        }
        for name, each in sets.items():
            _check_finite(name, each)
        return SetInputs(sets, X.redshift)

    def _refuse_undescribed(self, X):
        by = type(self).__name__
        if X.galaxies is None:
            require(X, "photons", by=by)
        name = "galaxies" if X.photons is None else "photons"
        raise ValueError(
            f"{by} needs {name} that are described, but these have only the columns "
            f"{', '.join(getattr(X, name).columns)}. Put {FEATURIZERS[name]} before this "
            "step."
        )

    def _relative(self, exposure):
        """Exposures over the reference, which `fit` takes from the training clusters."""
        if not self.__sklearn_is_fitted__():
            self.exposure_ = reference_exposure(exposure)
        return relative_exposure(exposure, self)

    def _check_columns(self, columns):
        for name, needed in self.columns_.items():
            missing = [each for each in needed if each not in columns.get(name, ())]
            if missing:
                raise ValueError(
                    f"The {name} lack the columns {', '.join(missing)}, which "
                    f"{type(self).__name__} was fitted to. Describe them with the "
                    f"{FEATURIZERS[name]} that described the training clusters."
                )

    def _learn_scaling(self, inputs):
        for name, each in inputs.sets.items():
            if not each.lengths.any():
                raise ValueError(
                    f"None of the {len(inputs)} training clusters has {name}, so there is "
                    f"nothing to learn from. Do the {name} lie in {FEATURIZERS[name]}'s "
                    f"{'band and aperture' if name == 'photons' else 'cuts'}?"
                )
        sets = inputs.sets
        self.columns_ = {name: each.columns for name, each in sets.items()}
        self.column_moments_ = {name: each.moments() for name, each in sets.items()}
        self.column_quartiles_ = {name: each.quartiles() for name, each in sets.items()}
        self.count_scale_ = {name: each.typical_count() for name, each in sets.items()}
        z = inputs.redshift
        self.redshift_moments_ = (
            float(z.mean()),
            1.0 if hardly_vary(z) else float(z.std()),
        )

    def _check_shape(self, inputs):
        """Refuse clusters without galaxies if there were none in training.

        `_read` has checked the columns.
        """
        fewest, _ = self.training_ranges_.get("galaxies", (0, 0))
        if fewest > 0:
            lengths = inputs.sets["galaxies"].lengths
            missing = np.flatnonzero(lengths == 0)
            if len(missing):
                raise ValueError(
                    f"{len(missing)} of {len(inputs)} clusters have no galaxies (first: "
                    f"cluster {missing[0]}), and {type(self).__name__} was fitted to "
                    f"clusters of which all had some, at least {fewest:.0f}. Drop them, "
                    "or fit it to some without."
                )

    def _module(self):
        n_columns = {name: len(names) + 1 for name, names in self.columns_.items()}
        described = {"n_columns": n_columns.get("photons", 0)}
        if "galaxies" in n_columns:
            described["n_galaxy_columns"] = n_columns["galaxies"]
        return build_network(
            self.architecture,
            SET_ARCHITECTURES,
            (*n_columns, "redshift"),
            dropout=self.dropout,
            n_outputs=N_OUTPUTS[self.loss],
            **described,
        )

    def _batches(self, inputs, target=None, is_training=False):
        scalings = {
            name: Scaling(self.column_moments_[name], self.count_scale_[name])
            for name in self.columns_
        }
        return SetBatches(
            inputs,
            target,
            scalings=scalings,
            redshift_moments=self.redshift_moments_,
            n_drawn=self.n_photons if is_training else None,
        )

    def _arrays(self, inputs):
        return inputs.arrays()

    def _filled_up(self, inputs, n_clusters):
        return inputs.filled_up(n_clusters)

    @property
    def _takes(self):
        return " or ".join(self.columns_)

    def measures_of(self, X):
        """Return the `skcluster.outliers.Measures` of clusters, for scores of outliers."""
        return self._described(self._read(X))

    def _described(self, inputs):
        found = {
            name: each.measures(self.column_quartiles_[name])
            for name, each in inputs.sets.items()
        }
        if "galaxies" in found:
            # A cluster that has none is compared by its photons, as if they were typical.
            measures, has_none = found["galaxies"], inputs.sets["galaxies"].lengths == 0
            measures[has_none, :-1] = np.sqrt(1 / N_QUARTERS)
            measures[has_none, -1] = np.log10(self.count_scale_["galaxies"] + 1)
        return Measures(np.hstack([*found.values()]))

    def _counted(self, inputs):
        counted = {name: each.rates() for name, each in inputs.sets.items()}
        exposure = inputs.sets["photons"].exposure if "photons" in counted else None
        if exposure is not None:
            counted["exposure"] = exposure * self.exposure_
        return counted


def _described_columns(X):
    """Columns of a sample that describe what is in its sets, by name of the set."""
    columns = {}
    for name, known in FEATURES.items():
        rows = getattr(X, name)
        found = () if rows is None else tuple(each for each in known if each in rows)
        if found:
            columns[name] = found
    return columns


def _check_finite(name, sets):
    if sets.has_weights and not (sets.all_rows[RELATIVE_EXPOSURE] > 0).all():
        raise ValueError(
            f"The {name} have a column {RELATIVE_EXPOSURE} that is not positive "
            f"everywhere. {FEATURIZERS[name]} writes that column, and leaves out those "
            "without an exposure: call one of your own otherwise."
        )
    for column in sets.columns:
        values = sets.all_rows[column]
        wrong = np.flatnonzero(~np.isfinite(values))
        if len(wrong):
            raise ValueError(
                f"{len(wrong)} of {len(values)} {name} have a {column} that is NaN or "
                f"infinite. Describe them with {FEATURIZERS[name]}."
            )
