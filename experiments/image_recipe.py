"""What the recommended network on maps reaches, and what each part of it is worth.

    python experiments/image_recipe.py                       # 8 bands, 40 epochs: minutes
    python experiments/image_recipe.py --bands 3 --epochs 20 --seeds 0 1
    python experiments/image_recipe.py --bands 3 --epochs 20 --without cut averages views

One octant of the mock survey is predicted by networks that were trained on the other seven,
a part of which each network holds out. The scatter is that of the mean over the networks;
"single" is the mean over them of their own. The error is that over the clusters of the
octant, by bootstrap; how much single networks differ is the last column. With --without,
each part is left out in turn:

cut         the limit on the norm of the gradient
averages    the averages of weights
views       the average of the prediction over rotations and flips; training keeps them
first       the squared error in the first epochs
cycle       the learning rate's rise and fall: it is constant

What was computed is kept in --keep and used again.
"""

import argparse
import functools
import time
from dataclasses import replace

import joblib
import numpy as np
from sklearn.pipeline import make_pipeline

from skcluster import LogScaler, PhotonMapper, RedshiftNormalizer, XrayCNNRegressor
from skcluster.datasets import make_mock_survey
from skcluster.metrics import bootstrap_error, mass_scatter
from skcluster.networks import EIGHT_BANDS
from skcluster.paper import BOX_SIZE, THREE_BANDS
from skcluster.regressors.recipes import RECIPES
from skcluster.regressors.torch_session import has_bfloat16

BANDS = {3: THREE_BANDS, 8: EIGHT_BANDS}
LEFT_OUT = {
    "cut": {"gradient_norm_max": None},
    "averages": {"averaging": None},
    "views": {"symmetric": False},
    "first": {"squared_error_share": 0.0},
    "cycle": {"one_cycle": False},
}
RECIPES |= {
    f"without {name}": replace(RECIPES["one_cycle"], **changes)
    for name, changes in LEFT_OUT.items()
}
KINDS = "std", "robust"


def mapped(survey_seed, n_clusters, n_bands):
    """Return the survey's maps of 64 × 64 pixels, its masses, and what is in octant 0."""
    survey = make_mock_survey(n_clusters, random_state=survey_seed, galaxies=False)
    sample = PhotonMapper(bands=BANDS[n_bands], n_pixels=64).transform(survey.sample)
    is_tested = (sample.position < BOX_SIZE / 2).all(axis=1)
    return sample.assign(photons=None), survey.log_mass, is_tested


def predicted(survey, recipe, epochs, seed):
    """Return the masses of the tested clusters, their errors, and seconds of training."""
    sample, log_mass, is_tested = survey
    network = XrayCNNRegressor.recommended(
        recipe=recipe,
        max_epochs=epochs,
        random_state=seed,
        n_threads=1,
        device="cpu",
        precision="bfloat16" if has_bfloat16("cpu") else "float32",
    )
    model = make_pipeline(RedshiftNormalizer(), LogScaler(), network)
    start = time.process_time()
    model.fit(sample[~is_tested], log_mass[~is_tested])
    seconds = time.process_time() - start
    return *model.predict(sample[is_tested], return_std=True), seconds


def row(recipe, truth, found):
    """One line of the table."""
    masses, errors, seconds = map(np.array, zip(*found, strict=True))
    cells = []
    for kind in KINDS:
        scatter = functools.partial(mass_scatter, kind=kind, unit="percent")
        mean, single = masses.mean(axis=0), [scatter(truth, each) for each in masses]
        error = bootstrap_error(scatter, truth, mean, random_state=0)
        spread = np.std(single, ddof=1) if len(single) > 1 else np.nan
        cells.append(
            f"{scatter(truth, mean):6.1f} ± {error:.1f}"
            f"{np.mean(single):8.1f} ± {spread:3.1f}"
        )
    pull = np.std((masses - truth) / errors)
    return f"{recipe:18}{'  '.join(cells)}{pull:6.2f}{seconds.mean():8.0f}"


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bands", type=int, choices=BANDS, default=8)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--without", choices=LEFT_OUT, nargs="+", default=[])
    parser.add_argument("--clusters", type=int, default=3285)
    parser.add_argument("--survey-seed", type=int, default=0)
    parser.add_argument("--keep", default="image_recipe", help="folder")
    arguments = parser.parse_args(argv)
    memory = joblib.Memory(arguments.keep, verbose=0)
    survey = memory.cache(mapped)(
        arguments.survey_seed, arguments.clusters, arguments.bands
    )
    _, log_mass, is_tested = survey
    fit = memory.cache(predicted)
    print(f"{is_tested.sum()} of {len(is_tested)} clusters tested")
    heads = "".join(f"{kind:>8}{'single':>16}{'':3}" for kind in KINDS)
    print(f"scatter [%]       {heads}    pull   CPU-s")
    for recipe in ("one_cycle", *(f"without {name}" for name in arguments.without)):
        found = [fit(survey, recipe, arguments.epochs, s) for s in arguments.seeds]
        print(row(recipe, log_mass[is_tested], found), flush=True)


if __name__ == "__main__":
    main()
