"""`skcluster explain`: saliency of a stored model, on the sky and as a picture."""

import json
import re
import sys

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.cosmology import WMAP7
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import uniform_filter
from sklearn.pipeline import make_pipeline

from skcluster import (
    EvrardProxyRegressor,
    PhotonMapper,
    SaliencyExplainer,
    load_model,
    read_sample,
    save_model,
)
from skcluster.cli import explain as command
from skcluster.cli import main
from skcluster.explain.attribution import METHODS
from skcluster.paper import HALF_WIDTH

BANDS = ((0.5, 1.2), (1.2, 7.0))
TINY = ["--pixels=16", "--epochs=1", "--device=cpu"]
N_CLUSTERS = 14

pytest.importorskip("skops")


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explain")
    assert main(["simulate", str(folder / "survey"), f"--clusters={N_CLUSTERS}"]) == 0
    return folder / "survey" / "clusters.ecsv"


@pytest.fixture(scope="module")
def model(survey):
    """A network on two bands, trained for one epoch."""
    path = survey.parent / "tiny.skops"
    options = ["-o", str(path), "--bands=0.5-1.2,1.2-7", *TINY]
    assert main(["train", str(survey), *options]) == 0
    return path


@pytest.fixture(scope="module")
def few(survey):
    """Two clusters of the survey, with names that are no file names."""
    return part_of(survey, [0, 1], "few", name=["A 1/x", "a 1:x"])


def part_of(survey, rows, stem, **columns):
    """Path of a table of some clusters, with columns replaced."""
    table = Table.read(survey)[rows]
    for name, column in columns.items():
        table[name] = column
    path = survey.parent / f"{stem}.ecsv"
    table.write(path, overwrite=True)
    return path


@pytest.fixture
def explained(outcome):
    """A function that runs `explain`: exit code, rows of the JSON, standard error."""

    def explained(*arguments):
        code, out, err = outcome("explain", *arguments, "--json")
        return code, json.loads(out) if out else None, err

    return explained


def images(path, key):
    """All bands of an image."""
    with fits.open(path) as hdus:
        return np.array([hdu.data for hdu in hdus if hdu.name == key])


@pytest.fixture(scope="module")
def signed(model, few, tmp_path_factory):
    """The folder that `explain --signed` made for two clusters."""
    plt.close("all")  # what other tests left open
    folder = tmp_path_factory.mktemp("signed") / "new" / "out"
    assert main(["explain", str(model), str(few), "-o", str(folder), "--signed"]) == 0
    return folder


STEMS = ["00000_A_1_x", "00001_a_1_x"]


def test_every_cluster_gets_two_files_of_a_safe_name(signed):
    assert sorted(path.name for path in signed.iterdir()) == sorted(
        f"{stem}.{kind}" for stem in STEMS for kind in ("fits", "png")
    )
    for stem in STEMS:
        assert (signed / f"{stem}.png").read_bytes().startswith(b"\x89PNG\r\n")
    assert plt.get_fignums() == []


def test_the_images_are_counts_input_and_saliency(model, few, signed):
    pipeline, (sample, _) = load_model(model), read_sample(few)
    counts = PhotonMapper(bands=BANDS, n_pixels=16).transform(sample).maps
    x = pipeline[:-1].transform(sample).maps
    saliency = SaliencyExplainer(pipeline, signed=True).explain(sample)
    assert (saliency < 0).any()
    for i, stem in enumerate(STEMS):
        path = signed / f"{stem}.fits"
        assert_array_equal(images(path, "MAP"), np.asarray(counts[i])[0])
        assert_allclose(images(path, "INPUT"), np.asarray(x[i])[0], rtol=1e-6)
        assert_allclose(images(path, "SALIENCY"), saliency[i], rtol=1e-5)


def test_the_table_has_the_masses_of_predict_and_the_files(
    model, survey, tmp_path, explained, capsys
):
    one = part_of(survey, [8], "one", name=["eight"])
    _, (row,), _ = explained(model, one, "-o", tmp_path)
    assert main(["predict", str(model), str(one), "--json"]) == 0
    (expected,) = json.loads(capsys.readouterr().out)
    del expected["mass"]
    files = {kind: str(tmp_path / f"eight.{kind}") for kind in ("fits", "png")}
    assert row == expected | files
    assert list(row) == [*expected, *files]
    command = ["explain", str(model), str(one), "-o", str(tmp_path), "--overwrite"]
    assert main(command) == 0
    header, _, line = capsys.readouterr().out.splitlines()
    assert header.split() == list(row)
    assert line.split()[::8] == ["eight", files["fits"]]


@pytest.mark.parametrize(
    ("options", "params", "unit"),
    [
        (
            ["--method=smoothgrad", "--seed=3"],
            {"method": "smoothgrad", "random_state": 3},
            "dex",
        ),
        (["--method=deep_dream"], {"method": "deep_dream"}, ""),
    ],
)
def test_the_saliency_is_that_of_the_explainer(
    model, survey, tmp_path, explained, options, params, unit
):
    one = part_of(survey, [4], "one")
    code, (row,), _ = explained(model, one, "-o", tmp_path, *options)
    assert code == 0
    expected = SaliencyExplainer(load_model(model), **params)
    expected = expected.explain(read_sample(one)[0])[0]
    assert_allclose(images(row["fits"], "SALIENCY"), expected, rtol=1e-5, atol=1e-12)
    header = fits.getheader(row["fits"], "SALIENCY")
    assert header["BUNIT"] == unit == fits.getheader(row["fits"])["SALUNIT"]


def test_integrated_gradients_through_captum(model, survey, tmp_path, explained):
    pytest.importorskip("captum")
    one = part_of(survey, [5], "one")
    options = ["-o", tmp_path, "--method=integrated_gradients", "--signed"]
    _, (row,), _ = explained(model, one, *options)
    found, x = images(row["fits"], "SALIENCY"), images(row["fits"], "INPUT")
    assert found.any()
    assert not found[x == 0].any()


def test_cards_tell_of_cluster_model_and_method(model, survey, tmp_path, explained):
    one = part_of(survey, [6], "one", name=["Ωmega 6"])
    options = ["-o", tmp_path, "--signed", "--per-photon"]
    _, (row,), _ = explained(model, one, *options)
    with fits.open(row["fits"]) as hdus:
        header, energies = hdus[0].header, hdus["SALIENCY", 2].header
        assert hdus["MAP"].header["BUNIT"] == "count"
    assert (header["OBJECT"], header["MODEL"]) == ("?mega 6", "tiny.skops")
    assert (header["METHOD"], header["SIGNED"], header["PERPHOT"]) == (
        "gradient",
        True,
        True,
    )
    assert header["NPHOT"] == row["n_photons"] == images(row["fits"], "MAP").sum()
    for card, name in (
        ("REDSHIFT", "redshift"),
        ("LOGMASS", "log_mass"),
        ("LOGM_STD", "std_dex"),
    ):
        assert_allclose(header[card], row[name], rtol=1e-12)
    assert (energies["E_MIN"], energies["E_MAX"]) == BANDS[1]
    assert header["SALUNIT"] == energies["BUNIT"] == "dex/count"
    explainer = SaliencyExplainer(load_model(model), signed=True, per_photon=True)
    expected = explainer.explain(read_sample(one)[0])[0]
    assert_allclose(images(row["fits"], "SALIENCY"), expected, rtol=1e-5)


def exposure_map(path, center, seconds):
    """Image of 3 degrees about a center, of which `seconds` are the columns [s]."""
    n = len(seconds)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], center
    wcs.wcs.crpix, wcs.wcs.cdelt = [(n + 1) / 2] * 2, [-3 / n, 3 / n]
    fits.PrimaryHDU(np.tile(seconds, (n, 1)), wcs.to_header()).writeto(path)
    return path


@pytest.fixture(scope="module")
def exposed_model(survey):
    """A network that was trained on clusters with exposures."""
    table = part_of(survey, slice(None), "exposed", exposure=[2500.0] * N_CLUSTERS)
    path = survey.parent / "exposed.skops"
    assert main(["train", str(table), "-o", str(path), *TINY]) == 0
    return path


@pytest.mark.filterwarnings("default:The maps of 1 of 1 clusters were observed")
@pytest.mark.parametrize("has_gap", [False, True])
def test_photons_under_an_exposure_map_are_counted_before_they_are_corrected(
    exposed_model, survey, tmp_path, explained, has_gap
):
    model, exposure = exposed_model, [2500.0]
    one = part_of(survey, [6], "one", exposure=exposure)
    sample, _ = read_sample(one)
    _, (plain,), _ = explained(model, one, "-o", tmp_path / "a")
    seconds = np.linspace(1000, 4000, 901)
    if has_gap:
        seconds[451:] = 0  # the western half
    path = exposure_map(tmp_path / "map.fits", sample.center[0], seconds)
    options = ["--exposure-map", path, "-o", tmp_path / "b"]
    _, (row,), err = explained(model, one, *options)
    # The field of view is smaller than the map, too.
    found = re.search(r"in less than 90% of their area \(least: mock-00006, 4\d%", err)
    assert bool(found) == has_gap
    is_west = sample.photons["ra"] < sample.center[0, 0]
    photons = [str(tmp_path / "half.fits")]
    half = part_of(survey, [6], "half", exposure=exposure, photons=photons)
    Table(
        {name.upper(): sample.photons[name][~is_west] for name in ("ra", "dec")}
        | {"ENERGY": sample.photons["energy"][~is_west]}
    ).write(tmp_path / "half.fits")
    _, (eastern,), _ = explained(model, half, "-o", tmp_path / "c")
    header, corrected = fits.getheader(row["fits"]), images(row["fits"], "MAP").sum()
    assert header["NPHOT"] == row["n_photons"]
    if has_gap:
        # Pixels of the mapper and of the image do not have the same edges.
        assert_allclose(row["n_photons"], eastern["n_photons"], rtol=0.03)
        assert row["n_photons"] < 0.7 * plain["n_photons"]
    else:
        assert row["n_photons"] == plain["n_photons"]
    assert abs(corrected - row["n_photons"]) > 1


def test_a_mass_without_an_error_has_no_such_card(survey, tmp_path, explained):
    # Five clusters are too few to hold any out.
    five, path = part_of(survey, slice(5), "five"), tmp_path / "few.skops"
    assert main(["train", str(five), "-o", str(path), *TINY]) == 0
    one = part_of(survey, [0], "one")
    code, (row,), _ = explained(path, one, "-o", tmp_path)
    header = fits.getheader(row["fits"])
    assert (code, row["std_dex"]) == (0, None)
    assert "LOGMASS" in header
    assert "LOGM_STD" not in header


def event_list(path, center, east, north, n_planted=500):
    """A list with many photons at one place [deg], and one at the center."""
    ra = center[0] + np.append(np.full(n_planted, east), 0) / np.cos(
        np.radians(center[1])
    )
    dec = center[1] + np.append(np.full(n_planted, north), 0)
    Table({"RA": ra, "DEC": dec, "ENERGY": np.full(len(ra), 1.0)}).write(path)
    return ra[0], dec[0]


@pytest.mark.filterwarnings("ignore:.*far outside the training range")  # as they do
def test_a_planted_photon_lies_in_its_pixel_on_the_sky(model, tmp_path, explained):
    center, path = (359.99, 40.0), tmp_path / "planted.fits.gz"
    ra, dec = event_list(path, center, east=0.11, north=-0.05)
    about = ["--redshift=0.2", f"--ra={center[0]}", f"--dec={center[1]}"]
    options = [*about, "--energy=ENERGY", "--energy-unit=keV"]
    code, (row,), _ = explained(model, path, *options, "-o", tmp_path / "out")
    assert (code, row["name"]) == (0, "planted")
    assert row["fits"] == str(tmp_path / "out" / "planted.fits")
    headers = [fits.getheader(row["fits"], key) for key in ("MAP", "INPUT", "SALIENCY")]
    for header in headers:
        column, line = np.round(WCS(header).world_to_pixel_values(ra, dec)).astype(int)
        assert images(row["fits"], "MAP")[0, line, column] == 500
        assert images(row["fits"], "INPUT")[0, line, column] > 0
        assert_allclose(WCS(header).wcs.cdelt, WCS(headers[0]).wcs.cdelt, rtol=1e-12)


def test_clusters_without_a_photon_are_skipped_and_named(
    model, survey, tmp_path, explained
):
    table = Table.read(survey)[:2]
    dec = table["dec"] - [20, 0] * np.sign(table["dec"])
    lost = part_of(survey, [0, 1], "lost", name=["b", "c"], dec=dec)
    code, rows, err = explained(model, lost, "-o", tmp_path)
    assert code == 3
    assert [row["log_mass"] is None for row in rows] == [True, False]
    assert (rows[0]["n_photons"], rows[0]["fits"], rows[0]["png"]) == (0, "", "")
    assert "1 of 2 clusters have no photon in the map, so no mass." in err
    assert "energies: b." in err
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["c.fits", "c.png"]
    sample = read_sample(lost)[0][[1]]
    expected = SaliencyExplainer(load_model(model)).explain(sample)[0]
    assert_allclose(images(rows[1]["fits"], "SALIENCY"), expected, rtol=1e-5)


def test_several_tables_are_explained_as_one(model, survey, few, tmp_path, explained):
    third = part_of(survey, [2], "third", name=["third"])
    code, rows, _ = explained(model, few, third, "-o", tmp_path)
    assert code == 0
    assert [row["name"] for row in rows] == ["A 1/x", "a 1:x", "third"]
    sample = read_sample(third)[0]
    expected = SaliencyExplainer(load_model(model)).explain(sample)[0]
    assert_allclose(images(rows[2]["fits"], "SALIENCY"), expected, rtol=1e-5)


def test_blocks_of_clusters_change_nothing(model, survey, monkeypatch):
    pipeline, rows = load_model(model), np.array([2, 0, 1])
    mapped = pipeline[0].transform(read_sample(survey)[0])
    explainer = SaliencyExplainer(pipeline[1:], method="smoothgrad", random_state=0)
    complete = list(command._images(explainer, pipeline[1:-1], mapped, rows))
    monkeypatch.setattr(command, "CLUSTERS_AT_A_TIME", 2)
    parts = list(command._images(explainer, pipeline[1:-1], mapped, rows))
    assert len(parts) == 3
    for one, other in zip(complete, parts, strict=True):
        assert_array_equal(one[0], other[0])
        assert_array_equal(one[1], other[1])


def test_old_files_are_replaced_only_if_told(
    model, survey, tmp_path, explained, refused
):
    one = part_of(survey, [7], "one", name=["seven"])
    (tmp_path / "seven.png").write_bytes(b"old")
    line = refused("explain", model, one, "-o", tmp_path)
    assert "1 of 2 files are there already (first: " in line
    assert line.endswith("seven.png). Give another folder, or --overwrite.")
    assert [path.name for path in tmp_path.iterdir()] == ["seven.png"]
    (tmp_path / "seven.fits").write_bytes(b"old")
    assert explained(model, one, "-o", tmp_path, "--overwrite")[0] == 0
    assert images(tmp_path / "seven.fits", "MAP").any()
    assert (tmp_path / "seven.png").read_bytes() != b"old"


def test_a_joint_model_sees_the_galaxies(survey, tmp_path, explained):
    path = tmp_path / "joint.skops"
    options = ["--joint", "--bins=16", "--allow-missing", *TINY]
    assert main(["train", str(survey), "-o", str(path), *options]) == 0
    one = part_of(survey, [3], "one")
    code, (row,), _ = explained(path, one, "-o", tmp_path)
    assert code == 0
    explainer = SaliencyExplainer(load_model(path))
    sample, _ = read_sample(one)
    expected = explainer.explain(sample)[0]
    assert_allclose(images(row["fits"], "SALIENCY"), expected, rtol=1e-5)
    others, _ = read_sample(part_of(survey, [5], "other"))
    exchanged = explainer.explain(sample.assign(galaxies=others.galaxies))[0]
    assert not np.allclose(exchanged, expected, rtol=1e-4)


def test_methods_are_those_of_the_explainer():
    # The command does not import torch to print its help.
    assert set(command.METHODS) == set(METHODS)


@pytest.mark.parametrize("options", [["-o", "out", "--method=crystal_ball"], []])
def test_wrong_usage_exits_with_2(model, few, options, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["explain", str(model), str(few), *options])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("usage: skcluster explain")
    assert "crystal_ball" in error or "-o/--output" in error


def test_what_cannot_be_explained_is_refused_before_the_work(
    model, few, tmp_path, refused, monkeypatch
):
    folder = tmp_path / "out"
    options = ["-o", folder, "--per-photon", "--method=deep_dream"]
    # The clusters need not even be there.
    assert "needs a derivative" in refused("explain", model, "nowhere.ecsv", *options)
    save_model(EvrardProxyRegressor(), tmp_path / "proxies.skops")
    line = refused("explain", tmp_path / "proxies.skops", few, "-o", folder)
    assert "photon lists need PhotonMapper or PhotonFeaturizer first" in line
    line = refused("explain", model, few, "-o", folder, "--redshift=0.2")
    assert "needs --redshift, --ra and --dec" in line
    about = ["--redshift=0.2", "--ra=1", "--dec=2"]
    line = refused("explain", model, "a.fits", "b.fits", "-o", folder, *about)
    assert "--dec describes one event list, got 2. Give a table with a row for" in line
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    line = refused("explain", model, few, "-o", folder)
    assert "`skcluster explain` draws with matplotlib, which is not installed" in line
    assert 'pip install "skcluster[plot]"' in line
    assert not folder.exists()


def test_a_mass_from_another_estimator_is_no_network(few, tmp_path, refused):
    path = tmp_path / "proxy.skops"
    save_model(make_pipeline(PhotonMapper(), EvrardProxyRegressor()), path)
    line = refused("explain", path, few, "-o", tmp_path / "out")
    assert "proxy.skops cannot be explained. SaliencyExplainer explains" in line


def test_progress_is_shown_only_if_it_takes_long(
    model, survey, few, tmp_path, explained, monkeypatch
):
    monkeypatch.setattr("skcluster.progress.QUIET_SECONDS", 600.0)
    one = part_of(survey, [0], "one")
    assert "explained" not in explained(model, one, "-o", tmp_path)[2]
    monkeypatch.setattr("skcluster.progress.QUIET_SECONDS", 0.0)
    code, _, err = explained(model, few, "-o", tmp_path)
    lines = [line for line in err.splitlines() if line.startswith("explained")]
    assert code == 0
    assert [line.split(" (")[0] for line in lines] == [
        "explained 1 / 2",
        "explained 2 / 2",
    ]


@pytest.mark.filterwarnings("ignore:.*far outside the training range")  # as they do
def test_real_photons_of_erosita_lie_on_the_sky(
    model, data_folder, tmp_path, explained
):
    path = data_folder / "efeds" / "efeds_example_events.fits"
    if not path.is_file():
        pytest.skip(f"There is no file {path}.")
    about = ["--redshift=0.333", "--ra=140.3385", "--dec=3.2906"]
    code, (row,), _ = explained(model, path, *about, "-o", tmp_path)
    assert code == 0
    saliency = images(row["fits"], "SALIENCY")
    wcs = WCS(fits.getheader(row["fits"], "SALIENCY"))
    # Between the four pixels in the middle of 16: the center of the list.
    found = wcs.world_to_pixel_values(140.3385, 3.2906)
    assert_allclose(found, [7.5, 7.5], atol=1e-6)
    assert saliency.shape == (2, 16, 16)
    # The sky of the photons themselves, binned by astropy alone, is that of the counts.
    events = fits.getdata(path, 1)
    energy = events["PI"] / 1000
    column, line = wcs.world_to_pixel_values(events["RA"], events["DEC"])
    inside = (energy >= 0.5) & (energy < 1.2)
    edges = np.arange(17) - 0.5
    expected, *_ = np.histogram2d(line[inside], column[inside], bins=(edges, edges))
    counts = images(row["fits"], "MAP")[0]
    assert np.abs(counts - expected).sum() <= 0.01 * expected.sum()
    peak = np.array(np.unravel_index(counts.argmax(), counts.shape))
    assert (np.abs(peak - 7.5) <= 1.5).all()


def published(path, name):
    """A row of the published table of eFEDS clusters."""
    table = Table.read(path / "efeds" / "bahar2022_rows.csv", comment="#")
    (row,) = table[table["id"] == name]
    return row


@pytest.mark.filterwarnings("ignore:.*far outside the training range")  # as they do
def test_a_published_position_lies_in_its_pixel_of_128(
    survey, data_folder, tmp_path, explained
):
    path = data_folder / "efeds" / "efeds_example_events.fits"
    if not path.is_file():
        pytest.skip(f"There is no file {path}.")
    row = published(data_folder, "092121.2+031726")
    neighbor = published(data_folder, "092049.5+024513")
    network = tmp_path / "full.skops"
    options = ["--pixels=128", "--epochs=1", "--device=cpu"]
    assert main(["train", str(survey), "-o", str(network), *options]) == 0
    about = [f"--redshift={row['z']}", f"--ra={row['ra']}", f"--dec={row['dec']}"]
    code, (made,), _ = explained(network, path, *about, "-o", tmp_path)
    assert code == 0
    here = SkyCoord(row["ra"], row["dec"], unit="deg")
    offset = SkyCoord(neighbor["ra"], neighbor["dec"], unit="deg").transform_to(
        here.skyoffset_frame()
    )
    distance = WMAP7.comoving_distance(row["z"]).value * WMAP7.h
    pixel = np.degrees(2 * HALF_WIDTH / 128 / distance)
    east = offset.lon.wrap_at("180d").deg
    middle = (128 - 1) / 2  # pixels count from 0
    expected = [middle - east / pixel, middle + offset.lat.deg / pixel]
    for hdu in (0, "MAP", "INPUT", "SALIENCY"):
        wcs = WCS(fits.getheader(made["fits"], hdu))
        found = wcs.world_to_pixel_values(row["ra"], row["dec"])
        assert_allclose(found, [middle, middle], atol=1e-6)
        found = wcs.world_to_pixel_values(neighbor["ra"], neighbor["dec"])
        assert_allclose(found, expected, atol=0.1)
    assert images(made["fits"], "SALIENCY").shape == (1, 128, 128)
    # The brightest square of 5 x 5 pixels holds the place that was published.
    smooth = uniform_filter(images(made["fits"], "MAP")[0], 5)
    peak = np.unravel_index(smooth.argmax(), smooth.shape)
    assert np.abs(np.array(peak) - middle).max() <= 5 / 2
