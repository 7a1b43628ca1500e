"""`JointCNNRegressor`: masses from X-ray maps and the phase space of galaxies."""

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from ..networks.architectures import JOINT_ARCHITECTURES, build_network
from ..parameters import Boolean, WithMethods
from ..phase_space import PhaseSpaceKDE
from ..plausible_masses import MASS_RANGE
from ..sample import require
from .losses import N_OUTPUTS
from .map_inputs import MapInputs, stored_arrays
from .network_parameters import (
    MAP_NETWORK_PARAMETERS,
    Architecture,
    checked_network_parameters,
)
from .neural import NeuralMassRegressor
from .phase_space_batches import JointBatches, JointInputs, cube_extent, cube_moments
from .scalars import WithScalars


class JointCNNRegressor(MapInputs, WithScalars, NeuralMassRegressor):
    r"""Convolutional network from X-ray maps and galaxies to log10 M500c.

    The maps, pooled to the cubes' sky grid and repeated along v, meet the phase-space
    cubes at the same sky position in 3-D convolutions; a second branch sees the maps
    alone (paper Fig. 5). Maps, cubes and masses are standardized with the moments of the
    training clusters. Parameters without a description are those of `XrayCNNRegressor`,
    and so are the attributes that `fit` learns besides those listed below.

    Parameters
    ----------
    architecture : str, class or function, default="ho2023"
        A registered name, out of `skcluster.networks.JOINT_ARCHITECTURES` ("ho2019" and
        "kodi_ramanah2021" see only the cubes); or a network of your own, as a class
        derived from `skcluster.networks.MassNetwork` or a function that returns one.
    loss : {"mse", "mae", "gaussian_nll"}, default="mse"
    dropout : float, default=0.1
        Probability of dropping a feature after each hidden dense layer.
    weight_decay : float, default=1e-4
        :math:`\lambda` of the penalty :math:`\lambda \sum w^2` on kernels.
    lr : float, default=1e-3
        Learning rate of Adam.
    batch_size : int, default=100
    max_epochs : int, default=200
    patience : int or None, default=20
    validation_fraction : float or None, default=0.1
    augment : bool, default=False
        Show each training cluster under a random rotation or flip of the square: map
        and cube together.
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
    recipe : {"ho2023", "one_cycle"}, default="ho2023"
    scalars : list of str, default=()
    phase_space : PhaseSpaceKDE or None, default=None
        Makes cubes from the galaxies, batch by batch, for samples without cubes; None is
        ``PhaseSpaceKDE()``. Its half-width must be that of the `PhotonMapper`.
    allow_missing : bool, default=False
        Accept clusters without a cube (too few galaxies, or a sample without any
        spectroscopy): the network sees the mean cube and an indicator. Otherwise such
        clusters are an error, and in prediction also if no training cluster was one.

    Attributes
    ----------
    phase_space_ : PhaseSpaceKDE
        The `phase_space` of training, with a seed, so that prediction draws the same
        galaxies.
    n_bins_ : int
        Cells per side of the training cubes.
    cube_extent_ : tuple of 2 float, or None
        Half-width [comoving Mpc/h] and highest speed [km/s] of the training cubes, if
        known. Cubes with other values, and maps with another half-width, are refused.
    cube_mean_, cube_scale_ : float
        Moments of the cells of the training cubes.
    has_missing_ : bool
        Whether some training clusters had no cube. If none, the indicator was not trained,
        and such clusters are refused.

    Notes
    -----
    A galaxy takes 24 bytes, a cube of 64³ cells a megabyte. With galaxies, the memory of
    training is set by the batch; with cubes, by the survey. Both give the same numbers.

    References
    ----------
    Ho et al. (2023), section 5.2.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster import ClusterSample, JointCNNRegressor, PhaseSpaceKDE
    >>> rng = np.random.default_rng(0)
    >>> log_mass = rng.uniform(13.5, 15, 20)
    >>> galaxies = [
    ...     {"x": rng.normal(0, 0.5, 30), "y": rng.normal(0, 0.5, 30),
    ...      "v": rng.normal(0, 10 ** (mass / 3 - 2), 30)}
    ...     for mass in log_mass
    ... ]
    >>> maps = rng.poisson(3, (20, 1, 32, 32))
    >>> sample = ClusterSample(np.full(20, 0.1), maps=maps, galaxies=galaxies)
    >>> regressor = JointCNNRegressor(
    ...     phase_space=PhaseSpaceKDE(n_bins=16), max_epochs=2, random_state=0
    ... )
    >>> regressor.fit(sample, log_mass).predict(sample).shape
    (20,)
    """

    _parameter_kinds = {
        "architecture": Architecture(JOINT_ARCHITECTURES),
        **MAP_NETWORK_PARAMETERS,
        "phase_space": WithMethods("a PhaseSpaceKDE", ("cubes_of", "has_kernel"))
        | None,
        "allow_missing": Boolean(),
    }

    def __init__(
        self,
        *,
        architecture="ho2023",
        loss="mse",
        dropout=0.1,
        weight_decay=1e-4,
        lr=1e-3,
        batch_size=100,
        max_epochs=200,
        patience=20,
        validation_fraction=0.1,
        augment=False,
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
        recipe="ho2023",
        scalars=(),
        phase_space=None,
        allow_missing=False,
    ):
        super().__init__(
            architecture=architecture,
            loss=loss,
            dropout=dropout,
            weight_decay=weight_decay,
            lr=lr,
            batch_size=batch_size,
            max_epochs=max_epochs,
            patience=patience,
            validation_fraction=validation_fraction,
            augment=augment,
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
            recipe=recipe,
            scalars=scalars,
        )
        self.phase_space = phase_space
        self.allow_missing = allow_missing

    def fit(self, X, y, sample_weight=None):
        """Train on X and y, log10 M500c; parameters as in `XrayCNNRegressor.fit`."""
        parameters = checked_network_parameters(self)
        phase_space = parameters.phase_space
        phase_space = PhaseSpaceKDE() if phase_space is None else phase_space
        self.phase_space_ = clone(phase_space)
        if phase_space.random_state is None:
            # Without a seed, the galaxies that are drawn would change from batch to batch.
            seed = check_random_state(parameters.random_state).randint(2**31 - 1)
            self.phase_space_.set_params(random_state=int(seed))
        return super().fit(X, y, sample_weight)

    def _read(self, X):
        require(X, "maps", by=type(self).__name__)
        if X.cubes is None and X.galaxies is None and not self.allow_missing:
            require(X, "cubes", by=type(self).__name__)
        if X.unobserved is not None:
            raise ValueError(
                f"{type(self).__name__} does not look at `unobserved`, and would take gaps "
                "for an empty sky. Leave with_unobserved=True out of PhotonMapper, or give "
                "the maps to XrayCNNRegressor."
            )
        phase_space = getattr(self, "phase_space_", self.phase_space) or PhaseSpaceKDE()
        extent = cube_extent(X, phase_space)
        _check_one_sky(X.maps.geometry, extent)
        return JointInputs(
            X.maps,
            cubes=X.cubes,
            galaxies=X.galaxies if X.cubes is None else None,
            phase_space=phase_space,
            extent=extent,
            scalars=self._scalars_of(X),
        )

    def _learn_scaling(self, inputs):
        self._learn_map_scaling(inputs.maps)
        self._learn_scalar_scaling(inputs)
        if inputs.n_bins is None:
            raise ValueError(
                f"None of the {len(inputs)} training clusters has cubes or galaxies. "
                "Train XrayCNNRegressor on them, or give a sample with galaxies."
            )
        self.n_bins_, self.cube_extent_ = inputs.n_bins, inputs.extent
        moments = cube_moments(inputs.blocks_of_cubes())
        self.cube_mean_, self.cube_scale_, missing = moments
        self.has_missing_ = len(missing) > 0
        if self.has_missing_ and not self.allow_missing:
            raise ValueError(
                f"{_without_cube(missing, len(inputs))} Drop them, or set "
                "allow_missing=True to let the network know by an indicator."
            )
        if not self.cube_scale_ > 0:
            raise ValueError(
                f"All cells of the cubes of {len(inputs)} clusters hold the same value, "
                "so there is nothing to learn from. Are there galaxies in them?"
            )

    def _check_shape(self, inputs):
        self._check_map_shape(inputs.maps)
        if inputs.n_bins is not None and inputs.n_bins != self.n_bins_:
            raise ValueError(
                f"X holds cubes of {inputs.n_bins} cells per side, but "
                f"{type(self).__name__} was fitted to {self.n_bins_}. Give PhaseSpaceKDE "
                f"n_bins={self.n_bins_}."
            )
        if len({inputs.extent, self.cube_extent_} - {None}) == 2:
            raise ValueError(
                f"X holds cubes of {_words(inputs.extent)}, but {type(self).__name__} was "
                f"fitted to cubes of {_words(self.cube_extent_)}. Make X with that "
                "PhaseSpaceKDE."
            )
        # Models of version 0.1.0 do not say.
        if getattr(self, "has_missing_", self.allow_missing):
            return
        missing = inputs.missing()
        if len(missing):
            raise ValueError(
                f"{_without_cube(missing, len(inputs))} {type(self).__name__} was fitted "
                "to clusters of which all had one. Drop them, or fit it to some without, "
                "with allow_missing=True."
            )

    def _module(self):
        offered, described = self._with_scalars("maps", "cubes", "has_cube")
        return build_network(
            self.architecture,
            JOINT_ARCHITECTURES,
            offered,
            map_shape=self.map_shape_,
            n_bins=self.n_bins_,
            dropout=self.dropout,
            with_indicator=bool(self.allow_missing),
            n_outputs=N_OUTPUTS[self.loss],
            **described,
        )

    def _batches(self, inputs, target=None, is_training=False):
        return JointBatches(
            inputs,
            target,
            mean=self.pixel_mean_,
            deviation=self.pixel_scale_,
            scalars=self._standardized_scalars(inputs),
            n_bins=self.n_bins_,
            cube_mean=self.cube_mean_,
            cube_deviation=self.cube_scale_,
        )

    def _counted(self, inputs):
        counted = super()._counted(inputs)
        if inputs.galaxies is not None:
            n = inputs.galaxies.lengths[inputs.rows]
            counted["galaxies"] = np.where(n > 0, n, np.nan)  # see allow_missing
        return counted

    def _arrays(self, inputs):
        arrays = [*stored_arrays(inputs.maps), inputs.maps.shape]
        if inputs.cubes is not None:
            arrays.append(inputs.cubes)
        elif inputs.galaxies is not None:
            arrays += [inputs.galaxies.offsets, *inputs.galaxies.columns.values()]
        if inputs.scalars is not None:
            arrays.append(inputs.scalars)
        return arrays


def _check_one_sky(geometry, extent):
    """Refuse maps and cubes whose cells cannot lie at one place."""
    if None not in (geometry, extent) and geometry.half_width != extent[0]:
        raise ValueError(
            f"The maps have half_width={geometry.half_width}, but the cubes "
            f"half_width={extent[0]} [Mpc/h], so a source and its galaxies would not lie "
            "in one cell. Give PhotonMapper and PhaseSpaceKDE the same half_width."
        )


def _without_cube(missing, n_clusters):
    return (
        f"{len(missing)} of {n_clusters} clusters have no phase-space cube (first: cluster "
        f"{missing[0]}): too few galaxies pass the cuts."
    )


def _words(extent):
    return "half_width={} and velocity_max={}".format(*extent)
