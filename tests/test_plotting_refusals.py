"""Displays refuse what they would draw wrongly, and say what is wrong."""

import matplotlib
import numpy as np
import pytest

from skcluster import plotting

matplotlib.use("Agg")
from matplotlib import pyplot as plt


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_masked_values_are_not_drawn():
    gaps = np.ma.masked_greater([0.1, 0.4, 0.9], 0.5)
    with pytest.raises(
        ValueError, match=r"pit is NaN .* for 1 of 3 clusters \(first: c.*2"
    ):
        plotting.CoverageDisplay(gaps).plot()
    with pytest.raises(
        ValueError, match="The attention 'agn' has no value in 1 of 3 rows"
    ):
        plotting.AttentionDisplay({"icm": np.ones(3), "agn": gaps}).plot()
    mask = np.ma.masked_array(np.eye(4) > 0, np.eye(4)[::-1])
    with pytest.raises(ValueError, match="The mask 'icm' has no value in 4 of 4 rows"):
        plotting.SourceMaskDisplay(
            {"icm": mask}, emission={"all": np.ones((4, 4))}, half_width=1.0
        ).plot()
