"""`PhotonSetRegressor`: masses from the photons themselves, without pixels or bands."""

import numpy as np

from ..exposure import reference_exposure, relative_exposure
from ..networks.architectures import SET_ARCHITECTURES, build_network
from ..outliers import Measures
from ..parameters import Integer
from ..photon_features import PHOTON_FEATURES
from ..plausible_masses import MASS_RANGE
from ..sample import require
from .losses import N_OUTPUTS
from .network_parameters import NETWORK_PARAMETERS, Architecture
from .neural import NeuralMassRegressor
from .photon_batches import PhotonBatches, PhotonSets


class PhotonSetRegressor(NeuralMassRegressor):
    r"""Network from lists of photons to log10 M500c, without pixels and bands.

    A shared network looks at each photon, as `PhotonFeaturizer` describes it: how far out
    it is, its energy, and whether it has more neighbors than others at its radius. What it
    makes of the photons is summed over the cluster, and dense layers turn the sums into the
    mass (see `skcluster.networks.PhotonSetNetwork`). So photons of point sources can be
    told from those of the gas one by one, and `photon_contributions` says exactly what each
    photon does to the mass.

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
        ``n_columns``, and has the inputs ``photons``, which are
        `skcluster.networks.rows.Rows`, and ``redshift``.
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
        Largest number of photons of a cluster that are drawn in each epoch of training.

    Attributes
    ----------
    columns_ : tuple of str
        Columns of `PhotonFeaturizer` that the training photons had; others are not used.
    column_moments_ : ndarray of shape (2, n_columns)
        Means and standard deviations of these columns over the training photons.
    column_quartiles_ : ndarray of shape (n_columns, 3)
        Their quartiles; how many photons lie between them is what `outlier_detector_` and
        `population_` compare.
    redshift_moments_ : tuple of 2 float
    exposure_ : float or None
        Median exposure of the training clusters [s], if it is known: counts and densities
        are those in this exposure.
    count_scale_ : float
        Median number of photons of the training clusters.
    training_ranges_ : dict of str to tuple of 2 float
        Lowest and highest ``log_mass``, ``redshift`` and number of ``photons`` of the
        training clusters.
    outlier_detector_ : MapOutlierDetector
        Detector of photons unlike those of training.
    population_ : dict
    net_ : skorch net
        The first member; its torch module is ``net_.module_``.
    nets_ : list of skorch nets
    n_iter_ : int
    history_ : list of dict
    target_mean_, target_scale_ : float
    mass_density_ : ndarray of shape (2, 256)
    dropout_seed_ : int
    offset_ : ndarray of shape (n_members, 2)
    held_out_residual_ : ndarray
    held_out_moments_ : dict of str to dict of str to float
    residual_std_ : float

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
    """

    _parameter_kinds = {
        **NETWORK_PARAMETERS,
        "architecture": Architecture(SET_ARCHITECTURES),
        "n_photons": Integer(1),
    }
    _takes = "photons"

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
        by = type(self).__name__
        photons = require(X, "photons", by=by).photons
        columns = tuple(name for name in PHOTON_FEATURES if name in photons)
        if self.__sklearn_is_fitted__():
            self._check_columns(columns)
            columns = self.columns_
        if not columns:
            raise ValueError(
                f"{by} needs photons that are described, but these have only the columns "
                f"{', '.join(photons.columns)}. Put PhotonFeaturizer before this step."
            )
        for name in columns:
            wrong = np.flatnonzero(~np.isfinite(photons[name]))
            if len(wrong):
                raise ValueError(
                    f"{len(wrong)} of {len(photons[name])} photons have a {name} that is "
                    "NaN or infinite. Describe them with PhotonFeaturizer."
                )
        return PhotonSets(photons, columns, X.redshift, self._relative(X.exposure))

    def _relative(self, exposure):
        """Exposures over the reference, which `fit` takes from the training clusters."""
        if not self.__sklearn_is_fitted__():
            self.exposure_ = reference_exposure(exposure)
        return relative_exposure(exposure, self)

    def _check_columns(self, columns):
        missing = [name for name in self.columns_ if name not in columns]
        if missing:
            raise ValueError(
                f"The photons lack the columns {', '.join(missing)}, which "
                f"{type(self).__name__} was fitted to. Describe them with the "
                "PhotonFeaturizer that described the training clusters."
            )

    def _learn_scaling(self, inputs):
        if not inputs.lengths.any():
            raise ValueError(
                f"None of the {len(inputs)} training clusters has photons, so there is "
                "nothing to learn from. Do the photons lie in PhotonFeaturizer's band and "
                "aperture?"
            )
        self.columns_ = inputs.columns
        self.column_moments_ = inputs.moments()
        self.column_quartiles_ = inputs.quartiles()
        z = inputs.redshift
        self.redshift_moments_ = (float(z.mean()), float(z.std()) or 1.0)
        counts = inputs.lengths / inputs.relative_exposure
        self.count_scale_ = float(max(np.median(counts), 1))

    def _check_shape(self, inputs):
        pass  # `_read` has checked the columns.

    def _module(self):
        return build_network(
            self.architecture,
            SET_ARCHITECTURES,
            ("photons", "redshift"),
            n_columns=len(self.columns_) + 1,
            dropout=self.dropout,
            n_outputs=N_OUTPUTS[self.loss],
        )

    def _batches(self, inputs, target=None, is_training=False):
        return PhotonBatches(
            inputs,
            target,
            moments=self.column_moments_,
            redshift_moments=self.redshift_moments_,
            count_scale=self.count_scale_,
            n_photons=self.n_photons if is_training else None,
        )

    def _arrays(self, inputs):
        photons = inputs.photons
        columns = (photons[name] for name in inputs.columns)
        return [photons.offsets, inputs.redshift, inputs.relative_exposure, *columns]

    def _filled_up(self, inputs, n_clusters):
        return inputs.filled_up(n_clusters)

    def measures_of(self, X):
        """Return the `skcluster.outliers.Measures` of clusters, for scores of outliers."""
        return self._described(self._read(X))

    def _described(self, inputs):
        return Measures(inputs.measures(self.column_quartiles_))

    def _counted(self, inputs):
        counted = {"photons": inputs.lengths / inputs.relative_exposure}
        if inputs.exposure is not None:
            counted["exposure"] = inputs.exposure * self.exposure_
        return counted
