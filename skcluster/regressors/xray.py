"""`XrayCNNRegressor`: masses from photon maps by the paper's network."""

from ..networks.architectures import ARCHITECTURES, build_network
from ..networks.unobserved import SeesUnobserved
from ..sample import ClusterSample, require
from .losses import N_OUTPUTS
from .map_batches import MapBatches
from .map_inputs import MapInputs, MapsAndMore, stored_arrays
from .network_parameters import MAP_NETWORK_PARAMETERS, Architecture
from .neural import NeuralMassRegressor
from .scalars import WithScalars

RECOMMENDED = {
    "architecture": "skcluster",
    "recipe": "one_cycle",
    "loss": "gaussian_nll",
    "lr": 2e-3,
    "weight_decay": 1e-2,
    "dropout": 0.1,
    "max_epochs": 40,
    "patience": None,
    "augment": True,
}
"""Parameters of `XrayCNNRegressor.recommended`."""


class XrayCNNRegressor(MapInputs, WithScalars, NeuralMassRegressor):
    r"""Convolutional network from X-ray maps to log10 M500c.

    Maps and masses are standardized with the moments of the training clusters. Adam
    trains the network of `architecture` on the mean squared error (or another `loss`)
    until the loss of held-out training clusters has not improved for `patience` epochs;
    then the best weights are restored.

    Parameters
    ----------
    architecture : str, class or function, default="ho2023"
        A registered name, out of `skcluster.networks.ARCHITECTURES`; or a network of your
        own, as a class derived from `skcluster.networks.MassNetwork` or a function that
        returns one.
    loss : {"mse", "mae", "gaussian_nll"}, default="mse"
        "gaussian_nll" lets the network also predict its error (Ho et al. 2021).
    dropout : float, default=0.0
        Probability of dropping a feature after each hidden dense layer. The paper uses
        0.1 with several bands.
    weight_decay : float, default=1e-4
        :math:`\lambda` of the penalty :math:`\lambda \sum w^2` on the kernels of hidden
        layers. With ``recipe="one_cycle"``, the decoupled decay of AdamW, for which 0.01
        is usual.
    lr : float, default=1e-3
        Learning rate of Adam; with ``recipe="one_cycle"``, its highest value.
    batch_size : int, default=50
    max_epochs : int, default=200
    patience : int or None, default=20
        Epochs without a better validation loss before training stops. None trains to
        the end and keeps the last weights, which suits ``recipe="one_cycle"``: its
        weights improve most when the rate falls at the end.
    validation_fraction : float or None, default=0.1
        Fraction of the training clusters that is held out for early stopping. With
        positions in the sample, these are complete octants of the space that the
        training clusters span, so that hardly any halo is on both sides (one in 250
        moves into another octant by the next snapshot); where no set of octants
        holds between half of the fraction and a third of the clusters, they are drawn at
        random. With None, or fewer than 10 clusters, nothing is held out.
    augment : bool, default=False
        Show each training map under a random rotation or flip of the square.
    n_members : int, default=1
        Number of networks with different seeds, whose mean is the prediction.
    device : str, default="auto"
        A torch device; "auto" is a GPU if there is one.
    checkpoint_dir : str, path-like or None, default=None
        Folder for one file per member, from which the same fit continues after Ctrl-C
        or a crash, bit for bit; a leading ``~`` is the home directory. Needs an int
        `random_state`. A full disk or an unwritable folder is an OSError at once. Trust
        the folder as you trust code.
    n_threads : int or None, default=None
        Threads of torch on the CPU. 1 makes results equal to the last bit, no matter how
        busy the machine is; None leaves the number to torch.
    callbacks : list of skorch callbacks or None, default=None
        They are copied before use.
    random_state : int, RandomState instance or None, default=None
    verbose : int, default=0
        1 shows progress, 2 a table of epochs.
    precision : {"float32", "bfloat16"}, default="float32"
        Arithmetic of training. bfloat16 is faster on CPUs and GPUs that have it; on a CPU
        that is known to lack it, `fit` warns. Predictions are always made in float32.
    keep_memory : bool, default=True
        While training on Linux with glibc, let the process keep the memory that it frees
        and reuse it, which is faster (see `skcluster.regressors.kept_memory`).
    n_dropout_draws : int, default=0
        Number of draws of dropout to predict with, whose spread adds to the error (Monte
        Carlo dropout, Ho et al. 2021). With 0, dropout is only used in training.
    mass_range : tuple of 2 float or None, default=(10.0, 17.0)
        Lowest and highest log10 mass [Msun/h] that a target may have; others are refused
        with the unit that they seem to be in. None takes any target.
    recipe : {"ho2023", "one_cycle"}, default="ho2023"
        How the weights are found. "ho2023" is the paper's: Adam at a constant rate.
        "one_cycle" is ours, and needs fewer epochs: AdamW, whose rate rises to `lr` and
        falls to almost 0 over `max_epochs`; a limit on the gradient; averaged weights;
        with "gaussian_nll", the squared error in the first 15 % of the epochs; and, with
        `augment`, predictions that are averaged over all rotations and flips. See
        `skcluster.regressors.recipes.Recipe`.
    scalars : list of str, default=()
        Numbers that the network takes beside the map, out of "redshift", "log_counts"
        (log10 of the photons in the list, plus one, in whichever exposure: give the next,
        too, where exposures differ) and "log_exposure". The sample must have them, and
        they must vary.

    Attributes
    ----------
    net_ : skorch net
        The first member; its torch module is ``net_.module_``.
    nets_ : list of skorch nets
    n_iter_ : int
        Epochs of the member that was trained longest.
    history_ : list of dict
        One row per epoch and member: losses and seconds.
    map_shape_ : tuple of 3 int
        ``(n_bands, n_pixels, n_pixels)`` of the training maps.
    map_geometry_ : MapGeometry or None
        Bands, half-width and cosmology of the `PhotonMapper` that made the training maps,
        if they are known. Maps of another one are refused.
    map_steps_ : tuple of str or None
        Steps that had scaled the training maps, such as ``"LogScaler"``, if they are known.
        Maps that have been through others are refused.
    sees_unobserved_ : bool
        Whether the training sample had `unobserved` pixels. The network then has one more
        channel with them, and refuses samples without.
    pixel_mean_, pixel_scale_ : float
        Moments of the training pixels.
    scalars_ : tuple of str
        The `scalars` of the fit.
    scalar_moments_ : ndarray of shape (2, n_scalars)
        Means and standard deviations of the training clusters' `scalars`, if there are any.
    target_mean_, target_scale_ : float
        Moments of the training log10 M.
    training_ranges_ : dict of str to tuple of 2 float
        Lowest and highest ``log_mass``, ``redshift`` (of a sample), ``map_sum`` (sum of a
        map's pixels), for scalars ``photons`` and ``exposure``, and for cubes made from
        galaxies number of ``galaxies`` of the training clusters. Predictions far outside
        come with a warning.
    outlier_detector_ : MapOutlierDetector
        Detector of maps unlike those of training; see `misspecification_score`.
    population_ : dict
        How the training maps scatter at a given mass and redshift, as `population_test`
        needs it; empty after fewer than 100 clusters.
    mass_density_ : ndarray of shape (2, 256)
        Smoothed density of the training masses (see `posterior.mass_density`): the prior
        that the network has learned.
    dropout_seed_ : int
        Seed of the draws of dropout.
    curve_ : ndarray of shape (n_members, 2, 4)
        Least squares of the true log10 M on the output of each network, for the clusters
        that it was trained on, without and with draws of dropout: what outputs of -1.5,
        -0.5, 0.5 and 1.5 stand for, standardized; between them is a natural cubic spline.
    error_curve_ : ndarray of shape (n_members, 4)
        What is added to ln σ² at the same outputs: with it, errors have their most likely
        shape, for the clusters that the network was trained on. Zeros unless
        ``loss="gaussian_nll"``.
    held_out_residual_ : ndarray
        Predicted minus true log10 M of the held-out training clusters, member by member,
        without draws of dropout.
    held_out_moments_ : dict of str to dict of str to float
        Squared residuals of the held-out clusters and the spread of members and draws, in
        units of the predicted variance, ``without_draws`` of dropout and ``with_draws``:
        the scale of the errors follows from them. Empty if nothing was held out; errors
        are then as the network predicts them.
    residual_std_ : float
        Root mean square error of single members on the held-out training clusters [dex];
        NaN if nothing was held out. These clusters also decided when training stopped, so
        it is slightly optimistic; and of 100 clusters it is known to 7 %.
    fitted_parameters_ : dict of str to object
        Parameters that the networks were built with, whatever `set_params` changes later.

    References
    ----------
    Ho et al. (2023), sections 4.1 and 5.1; Ho et al. (2021), ApJ 908, 204, for errors.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster import XrayCNNRegressor
    >>> rng = np.random.default_rng(0)
    >>> log_mass = rng.uniform(13.5, 15, 40)
    >>> maps = rng.poisson(10 ** (log_mass - 13.5)[:, None, None, None] / 8, (40, 1, 8, 8))
    >>> regressor = XrayCNNRegressor(max_epochs=3, random_state=0).fit(maps, log_mass)
    >>> regressor.predict(maps).shape
    (40,)
    """

    _parameter_kinds = {
        "architecture": Architecture(ARCHITECTURES),
        **MAP_NETWORK_PARAMETERS,
    }

    @classmethod
    def recommended(cls, **changes):
        """Return a regressor with the network and the training that we recommend.

        It is for maps in `skcluster.networks.EIGHT_BANDS`, that
        `RedshiftNormalizer` and `LogScaler` have prepared. Where the CPU has bfloat16
        arithmetic, ``precision="bfloat16"`` halves the time.

        Parameters
        ----------
        **changes : object
            Parameters that shall differ from the recommended ones, or that these leave at
            their defaults, such as `random_state`.

        Returns
        -------
        regressor : XrayCNNRegressor

        Examples
        --------
        >>> from sklearn.pipeline import make_pipeline
        >>> from skcluster import LogScaler, PhotonMapper, RedshiftNormalizer
        >>> from skcluster import XrayCNNRegressor
        >>> from skcluster.networks import EIGHT_BANDS
        >>> model = make_pipeline(
        ...     PhotonMapper(bands=EIGHT_BANDS, n_pixels=64),
        ...     RedshiftNormalizer(),
        ...     LogScaler(),
        ...     XrayCNNRegressor.recommended(random_state=0),
        ... )
        >>> model[-1].recipe, model[-1].max_epochs
        ('one_cycle', 40)
        """
        return cls(**(RECOMMENDED | changes))

    def _read(self, X):
        return MapsAndMore(
            self._read_maps(X), self._scalars_of(X), self._unobserved_of(X)
        )

    def _unobserved_of(self, X):
        """Return what is not observed, if training clusters said so, or None."""
        given = X.unobserved if isinstance(X, ClusterSample) else None
        if not self.__sklearn_is_fitted__():
            self.sees_unobserved_ = given is not None
        if not self._sees_unobserved:
            return None
        if given is None and not isinstance(X, ClusterSample):
            raise TypeError(
                "XrayCNNRegressor was fitted to clusters with `unobserved` pixels, which "
                "only a ClusterSample holds: give the sample, not its maps."
            )
        return require(X, "unobserved", by=type(self).__name__).unobserved

    def _learn_scaling(self, inputs):
        self._learn_map_scaling(inputs.maps)
        self._learn_scalar_scaling(inputs)

    def _check_shape(self, inputs):
        maps, unobserved = inputs.maps, inputs.unobserved
        self._check_map_shape(maps)
        if unobserved is not None and unobserved.shape[2:] != maps.shape[2:]:
            raise ValueError(
                f"`unobserved` has shape {unobserved.shape}, but the maps have "
                f"{maps.shape}. Make both with one PhotonMapper."
            )

    def _module(self):
        offered, described = self._with_scalars("maps")
        n_bands, *shape = self.map_shape_
        network = build_network(
            self.architecture,
            ARCHITECTURES,
            offered,
            map_shape=(n_bands + self._sees_unobserved, *shape),
            dropout=self.dropout,
            n_outputs=N_OUTPUTS[self.loss],
            **described,
        )
        return SeesUnobserved(network) if self._sees_unobserved else network

    def _batches(self, inputs, target=None, is_training=False):
        return MapBatches(
            inputs.maps,
            target,
            mean=self.pixel_mean_,
            deviation=self.pixel_scale_,
            scalars=self._standardized_scalars(inputs),
            unobserved=inputs.unobserved,
        )

    def _arrays(self, inputs):
        arrays = [*stored_arrays(inputs.maps), inputs.maps.shape]
        if inputs.scalars is not None:
            arrays.append(inputs.scalars)
        if inputs.unobserved is not None:
            arrays += stored_arrays(inputs.unobserved)
        return arrays

    @property
    def _sees_unobserved(self):
        # Models of version 0.1.0 do not say.
        return getattr(self, "sees_unobserved_", False)
