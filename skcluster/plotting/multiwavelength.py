"""Display of one cluster in X-rays and in galaxies: photon maps and phase space."""

import numpy as np

from ..paper import VELOCITY_MAX
from ..sample import half_width_of, refuse_maps_after, require
from ..sample.units import check_plausible
from .explained import bands_of
from .sky import (
    NORTH,
    WEST,
    band_names,
    cluster_titles,
    count_norm,
    draw_circle,
    draw_pixels,
    map_colors,
    write_inside,
)
from .style import OKABE_ITO, PAGE_WIDTH, given_axes

N_VELOCITY_BINS = 24


class MultiwavelengthDisplay:
    """Photon maps and galaxies of one cluster, on the same sky (paper Fig. 2).

    Parameters
    ----------
    maps : ndarray of shape (n_bands, n_pixels, n_pixels)
        Photon maps, rows to the North, columns to the West.
    galaxies : dict of ndarray, default=None
        Columns ``x`` (West), ``y`` (North) [comoving Mpc/h] and ``v`` [km/s].
    cube : ndarray of shape (n_bins, n_bins, n_velocity_bins), default=None
        The phase-space cube, in (y, x, v).
    half_width : float
        Half the side of the maps [comoving Mpc/h].
    cube_half_width : float, default=None
        Half the side of the cube along x and y [comoving Mpc/h]; a cube needs it.
    velocity_max : float, default=None
        Half the depth of the cube, and largest speed that the histogram shows [km/s]. A
        cube needs it; without one, None is 3785.
    r500c : float, default=None
        [comoving Mpc/h]
    bands : sequence of (low, high), default=None
        The maps' energy bands [keV].
    title : str, default=None

    Attributes
    ----------
    axes_ : dict of str to matplotlib Axes
        Panels under the names ``map 0`` and so on, ``galaxies``, ``cube`` and
        ``velocity``, without those for which there are no data.
    figure_ : matplotlib Figure
    images_ : list of AxesImage
        Images of the maps, and of the cube summed along v.
    galaxies_ : matplotlib PathCollection
        Galaxies on the sky, with colors for their velocities.
    histogram_ : tuple
        Counts, edges [km/s] and artist of the galaxies' velocities.
    velocity_line_ : matplotlib Line2D
        The cube summed over the sky, scaled to the histogram if there is one.
    circles_ : list of matplotlib Circle

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster.plotting import MultiwavelengthDisplay
    >>> galaxies = {"x": [0.5, -1.0], "y": [0.1, 0.2], "v": [-300.0, 700.0]}
    >>> display = MultiwavelengthDisplay(
    ...     np.ones((3, 8, 8)), half_width=2.3, galaxies=galaxies
    ... ).plot()
    >>> display.galaxies_.get_array().tolist()
    [-300.0, 700.0]
    """

    def __init__(
        self,
        maps,
        *,
        galaxies=None,
        cube=None,
        half_width,
        cube_half_width=None,
        velocity_max=None,
        r500c=None,
        bands=None,
        title=None,
    ):
        self.maps, self.galaxies, self.cube = maps, galaxies, cube
        self.half_width, self.cube_half_width = half_width, cube_half_width
        self.velocity_max = velocity_max
        self.r500c, self.bands, self.title = r500c, bands, title

    @classmethod
    def from_sample(
        cls,
        sample,
        cluster,
        *,
        half_width=None,
        cube_half_width=None,
        velocity_max=None,
        bands=None,
        log_mass=None,
        ax=None,
        **image_kwargs,
    ):
        """Draw one cluster of a sample that has maps, and its galaxies and cube if any.

        Parameters
        ----------
        sample : ClusterSample with maps
        cluster : int
        half_width : float, default=None
            Half the side of the maps [comoving Mpc/h]. None is that of the
            `PhotonMapper` that made them, so a plain array needs a number.
        cube_half_width, velocity_max : float, default=None
            Half the sides of the cubes [comoving Mpc/h and km/s]. None are those of the
            `PhaseSpaceKDE` that made them, ``sample.cube_extent``.
        bands : sequence of (low, high), default=None
            Energy bands [keV]. None are those of the `PhotonMapper` that made the maps,
            if they are known.
        log_mass : array-like of shape (n_clusters,), default=None
            Masses of all clusters of the sample, for the title.
        ax, **image_kwargs
            See `plot`.
        """
        chosen = require(sample, "maps", by="MultiwavelengthDisplay")[cluster]
        scalers = "RedshiftNormalizer", "LogScaler"
        refuse_maps_after(chosen.maps, *scalers, by="MultiwavelengthDisplay")
        (title,) = cluster_titles(sample, [cluster], log_mass)
        if chosen.cubes is not None and chosen.cube_extent is not None:
            known = chosen.cube_extent[0].tolist()
            cube_half_width = known[0] if cube_half_width is None else cube_half_width
            velocity_max = known[1] if velocity_max is None else velocity_max
        display = cls(
            np.asarray(chosen.maps)[0],
            galaxies=None if chosen.galaxies is None else chosen.galaxies.columns,
            cube=None if chosen.cubes is None else np.asarray(chosen.cubes)[0],
            half_width=half_width_of(
                chosen.maps, half_width, by="MultiwavelengthDisplay"
            ),
            cube_half_width=cube_half_width,
            velocity_max=velocity_max,
            r500c=None if chosen.r500c is None else float(chosen.r500c[0]),
            bands=bands_of(chosen.maps) if bands is None else bands,
            title=title,
        )
        return display.plot(ax, **image_kwargs)

    def plot(self, ax=None, **image_kwargs):
        """Draw one panel per band, and panels for galaxies, cube and velocities.

        Parameters
        ----------
        ax : array or dict of matplotlib Axes, default=None
            One per panel, in the order of ``axes_``. None makes a new figure.
        **image_kwargs
            Options of matplotlib's imshow for the maps.
        """
        maps = [f"map {i}" for i in range(len(self.maps))]
        if self.velocity_max is not None:
            check_plausible("velocity_max", self.velocity_max)
        if self.cube is not None and None in (self.cube_half_width, self.velocity_max):
            raise ValueError(
                "MultiwavelengthDisplay needs the size of the cube, and it is not known. "
                "Give cube_half_width [comoving Mpc/h] and velocity_max [km/s], half its "
                "sides, or a sample whose cubes PhaseSpaceKDE made."
            )
        if ax is None:
            self.axes_ = self._new_axes(maps)
        else:
            names = [*maps, *self._other_panels()]
            given = given_axes(ax, len(names), by="MultiwavelengthDisplay")
            self.axes_ = dict(zip(names, given, strict=True))
        self.figure_ = self.axes_["map 0"].figure
        self.circles_ = []
        self._draw_maps(image_kwargs)
        draw = {
            "galaxies": self._draw_galaxies,
            "cube": self._draw_cube,
            "velocity": self._draw_velocities,
        }
        for name in self._other_panels():
            draw[name](self.axes_[name])
        if self.title is not None and ax is None:
            self.figure_.suptitle(self.title, fontsize="medium")
        elif self.title is not None:
            self.axes_["map 0"].set_title(self.title, fontsize="small")
        return self

    def _new_axes(self, maps):
        import matplotlib.pyplot as plt

        layout = _mosaic(maps, self._other_panels())
        panel = min(PAGE_WIDTH / len(layout[0]), 2.6)
        size = (panel * len(layout[0]), (panel + 0.5) * len(layout))
        return plt.subplot_mosaic(layout, figsize=size, layout="constrained")[1]

    def _other_panels(self):
        there = {"galaxies": self.galaxies is not None, "cube": self.cube is not None}
        names = [name for name, is_there in there.items() if is_there]
        return [*names, "velocity"] if names else []

    def _draw_maps(self, image_kwargs):
        style = {"cmap": map_colors(), "norm": count_norm(self.maps)} | image_kwargs
        names = [""] * len(self.maps) if self.bands is None else band_names(self.bands)
        axes = [self.axes_[f"map {i}"] for i in range(len(self.maps))]
        self.images_ = []
        for ax, pixels, name in zip(axes, self.maps, names, strict=True):
            image = draw_pixels(ax, pixels, half_width=self.half_width, **style)
            self.images_.append(image)
            write_inside(ax, name)
            self._frame(ax, "w")
        self._bar(self.images_[0], axes, "photons per pixel")

    def _draw_galaxies(self, ax):
        v = np.asarray(self.galaxies["v"], float)
        fastest = (np.percentile(np.abs(v), 95) if len(v) else 0.0) or 1.0
        self.galaxies_ = ax.scatter(
            self.galaxies["x"],
            self.galaxies["y"],
            c=v,
            s=14,
            cmap="RdBu_r",
            vmin=-fastest,
            vmax=fastest,
            edgecolors="0.3",
            linewidths=0.4,
        )
        limits = (-self.half_width, self.half_width)
        ax.set(xlim=limits, ylim=limits, aspect="equal")
        self._frame(ax, "k")
        self._bar(self.galaxies_, ax, "velocity [km/s]", extend="both")

    def _draw_cube(self, ax):
        on_sky = self._density().sum(axis=2)
        image = draw_pixels(
            ax,
            on_sky / (on_sky.max() or 1.0),
            half_width=self.cube_half_width,
            cmap="magma",
            vmin=0,
            vmax=1,
        )
        self.images_.append(image)
        self._frame(ax, "w")
        self._bar(image, ax, "galaxy density / maximum", ticks=[0, 0.5, 1])

    def _density(self):
        """Return the cube with negative cells (of a standardized cube) set to zero."""
        lowest = np.min(self.cube)
        return self.cube - lowest if lowest < 0 else np.asarray(self.cube)

    def _draw_velocities(self, ax):
        highest = VELOCITY_MAX if self.velocity_max is None else self.velocity_max
        limits = (-highest, highest)
        n_galaxies, width = 1.0, 1.0
        if self.galaxies is not None:
            self.histogram_ = ax.hist(
                self.galaxies["v"], bins=N_VELOCITY_BINS, range=limits, color="0.7"
            )
            n_galaxies = self.histogram_[0].sum()
            width = 2 * highest / N_VELOCITY_BINS
        if self.cube is not None:
            along_v = self._density().sum(axis=(0, 1))
            step = 2 * highest / len(along_v)
            v = (np.arange(len(along_v)) + 0.5) * step - highest
            density = along_v / (along_v.sum() or 1.0) / step
            (self.velocity_line_,) = ax.plot(
                v, density * n_galaxies * width, color=OKABE_ITO[0]
            )
        label = "galaxies" if self.galaxies is not None else "density [s/km]"
        ax.set(xlabel="velocity [km/s]", ylabel=label, xlim=limits, ylim=(0, None))
        # On the left, the label would take space between the maps.
        ax.yaxis.tick_right()
        ax.yaxis.set_label_position("right")

    def _frame(self, ax, color):
        ax.set(xlabel=WEST, ylabel=NORTH)
        ax.label_outer()
        if self.r500c is not None:
            self.circles_.append(draw_circle(ax, self.r500c, color=color))

    def _bar(self, mappable, ax, label, **options):
        from .color_bars import color_bar

        options |= {"location": "top", "aspect": 20 * np.size(ax)}
        color_bar(self.figure_, mappable, ax, label, **options)


def _mosaic(maps, others):
    """Arrange the panels' names in one row, or with the maps in a row on top."""
    if len(maps) == 1:
        panels = maps + others
        return [panels[:2], panels[2:]] if len(panels) == 4 else [panels]
    if not others:
        return [maps]
    width = max(len(maps), len(others))
    top = maps + ["."] * (width - len(maps))
    return [top, others + [others[-1]] * (width - len(others))]
