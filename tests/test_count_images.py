"""Images of counts in place of event lists, and FITS files with several tables."""

import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from numpy.testing import assert_allclose, assert_array_equal

from skcluster import (
    ClusterSample,
    PhotonMapper,
    SkyImage,
    read_image,
    read_photons,
    read_sample,
    write_photons,
)
from skcluster.cli import main
from skcluster.cosmology import comoving_distance
from skcluster.datasets import make_mock_survey
from skcluster.io.count_images import check_bands_of_images

CENTER = 150.0, 2.0
ARCSEC = 1 / 3600


def header_of(shape, pixel, center=CENTER, **more):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ("RA---TAN", "DEC--TAN"), center
    wcs.wcs.crpix = (shape[1] + 1) / 2, (shape[0] + 1) / 2
    wcs.wcs.cdelt = -pixel, pixel
    header = wcs.to_header()
    header.update(more)
    return header


def image_of(path, counts, pixel=4 * ARCSEC, **more):
    header = header_of(np.shape(counts), pixel, **more)
    fits.PrimaryHDU(np.asarray(counts, np.int16), header).writeto(path)
    return path


def binned(photons, path, pixel, n=401, **more):
    """Image with as many counts as there are photons, by the WCS of astropy."""
    header = header_of((n, n), pixel, **more)
    column, row = WCS(header).wcs_world2pix(photons["ra"], photons["dec"], 0)
    edges = np.arange(n + 1) - 0.5
    counts, _, _ = np.histogram2d(row, column, (edges, edges))
    fits.PrimaryHDU(counts.astype(np.int16), header).writeto(path)
    return path


def test_counts_are_photons_at_the_centers_of_pixels(tmp_path):
    path = image_of(tmp_path / "image.fits", [[0, 2], [1, 0]])
    photons = read_photons(path, image_energy=1.3)
    assert_array_equal(photons["energy"], np.float32([1.3] * 3))
    assert_allclose(
        photons["dec"] - CENTER[1], np.array([-2, -2, 2]) * ARCSEC, atol=1e-8
    )
    # The second column is the western one.
    west = -(photons["ra"] - CENTER[0]) * np.cos(np.radians(CENTER[1]))
    assert_allclose(west, np.array([2, 2, -2]) * ARCSEC, atol=1e-8)
    assert_allclose(photons["pixel"], 4 * ARCSEC, rtol=1e-5)


def test_the_band_of_the_header_is_between_the_photons(tmp_path):
    path = image_of(tmp_path / "image.fits", [[3, 1], [0, 0]], E_MIN=0.5, E_MAX=2.0)
    assert_array_equal(read_photons(path)["energy"], [1.0] * 4)
    assert len(read_photons(path, energy_range=(1.1, 2.0))["ra"]) == 0


def test_maps_of_an_image_are_those_of_its_photons(tmp_path):
    """Pixels of 2 arcsec, which none of the map's edges of 30 arcsec cuts."""
    rng = np.random.default_rng(0)
    redshift = 0.2
    mapper = PhotonMapper(n_pixels=24, half_width=1.0)
    photons = {
        "ra": CENTER[0] + rng.normal(0, 0.02, 800),
        "dec": CENTER[1] + rng.normal(0, 0.02, 800),
        "energy": np.full(800, 1.0),
    }
    path = binned(photons, tmp_path / "image.fits", 0.5 * ARCSEC, n=801)
    image = read_photons(path, image_energy=1.0)
    samples = [
        ClusterSample([redshift], center=[CENTER], photons=[each])
        for each in (photons, image)
    ]
    direct, through = (np.asarray(mapper.transform(each).maps) for each in samples)
    # A photon is at most 0.35 arcsec off, and pixels are 30 arcsec wide.
    inside = len(image["ra"])
    assert inside > 700
    assert np.abs(direct - through).sum() < 0.1 * inside


def test_coarse_count_images_bring_a_warning(tmp_path):
    path = image_of(tmp_path / "image.fits", [[3, 1], [0, 4]], pixel=60 * ARCSEC)
    photons = [read_photons(path, image_energy=1.0)]
    sample = ClusterSample([0.2], center=[CENTER], photons=photons)
    side = 2 * 1.3 / 64 / comoving_distance([0.2])[0] / np.radians(ARCSEC)
    with pytest.warns(UserWarning, match=rf"cluster 0, 60 and {side:.3g} arcsec"):
        PhotonMapper(n_pixels=64, half_width=1.3).transform(sample)
    PhotonMapper(n_pixels=8, half_width=1.3).transform(sample)


def test_images_that_are_not_counts_are_refused(tmp_path):
    header = header_of((60, 60), 4 * ARCSEC)
    y, x = np.indices((60, 60))
    exposure = 1500 - np.hypot(x - 30, y - 30).astype(int)
    for name, values in (("expmap", exposure), ("mask", np.hypot(x - 9, y) > 9)):
        image = SkyImage(values.astype(float), WCS(header), name=f"{name}.fits")
        with pytest.raises(
            ValueError, match=rf"{name}.fits is smoother than counts can"
        ):
            image.to_photons(1.0)
    rng = np.random.default_rng(0)
    for mean in (0.01, 1.0, 50.0):
        counts = rng.poisson(mean, (60, 60))
        assert len(SkyImage(counts, WCS(header)).to_photons(1.0)["ra"]) == counts.sum()


@pytest.mark.parametrize(
    ("energy", "message"),
    [
        (None, r"no band \(E_MIN and E_MAX in keV\). Give image_energy"),
        (1200.0, "looks like eV"),
        (-1.0, "image_energy must be a positive number"),
        ("1", "image_energy must be a positive number"),
    ],
)
def test_an_image_needs_an_energy_in_kev(energy, message, tmp_path):
    path = image_of(tmp_path / "image.fits", [[3, 1], [0, 4]])
    with pytest.raises(ValueError, match=message):
        read_photons(path, image_energy=energy)


def test_event_lists_have_their_own_energies(tmp_path):
    table = Table({"RA": [150.0], "DEC": [2.0], "ENERGY": [1.0]})
    table.write(tmp_path / "events.fits")
    with pytest.raises(ValueError, match="energies of their own"):
        read_photons(tmp_path / "events.fits", image_energy=1.0)


def beside(path, counts, table, **more):
    """An image with a table in the same file."""
    image = image_of(path, counts, **more)
    with fits.open(image, mode="append") as hdus:
        hdus.append(fits.table_to_hdu(Table(table)))
    return path


def test_an_image_is_read_where_the_tables_beside_it_are_no_lists(tmp_path):
    times = {"START": [0.0], "STOP": [9.0]}
    path = beside(tmp_path / "xmm.fits", [[2, 0], [1, 4]], times)
    with pytest.raises(ValueError, match=r"xmm.fits is an image .* Give image_energy"):
        read_photons(path)
    for hdu in (None, 0, "PRIMARY", "primary"):
        found = read_photons(path, hdu=hdu, image_energy=1.0)
        assert len(found["ra"]) == 2 + 1 + 4
    assert read_image(path).shape == (2, 2)
    path = beside(tmp_path / "a.fits", [[2, 0], [1, 4]], times, E_MIN=0.5, E_MAX=2.0)
    assert_array_equal(read_photons(path)["energy"], [1.0] * 7)


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (("RA", "DEC", "ENERGY"), {}),
        (("A", "D", "E"), {"ra": "A", "dec": "D", "energy": "E"}),
    ],
)
def test_a_list_beside_its_image_is_read(columns, names, tmp_path):
    photon = dict(zip(columns, ([150.0], [2.0], [1.5]), strict=True))
    path = beside(
        tmp_path / "both.fits", [[2, 1], [0, 0]], photon, E_MIN=0.5, E_MAX=2.0
    )
    assert_array_equal(read_photons(path, **names)["energy"], [1.5])
    with pytest.raises(ValueError, match="energies of their own"):
        read_photons(path, image_energy=1.0, **names)
    assert len(read_photons(path, hdu=0)["ra"]) == 3


def test_a_list_beside_an_image_whose_columns_have_other_names_is_refused(tmp_path):
    photon = {"ALPHA": [150.0], "DELTA": [2.0], "ENERGY": [1.5]}
    path = beside(tmp_path / "both.fits", [[2, 1], [0, 0]], photon)
    message = r"or choose the image of counts with hdu\. It has:\n  0 PRIMARY: an image"
    for options in ({}, {"ra": "GAMMA", "dec": "DELTA"}):
        with pytest.raises(ValueError, match=message):
            read_photons(path, image_energy=1.0, **options)


# The command.


@pytest.fixture(scope="module")
def clusters():
    return make_mock_survey(12, random_state=0, galaxies=False, psf_hew=0.0)


@pytest.fixture(scope="module")
def images(tmp_path_factory, clusters):
    """One image per cluster, and a catalog that names them, among other tables."""
    folder = tmp_path_factory.mktemp("images")
    sample = clusters.sample
    names = [f"{i}.fits" for i in range(len(sample))]
    for i, name in enumerate(names):
        center = tuple(sample.center[i])
        binned(sample.photons[i], folder / name, 8 * ARCSEC, n=601, center=center)
    ra, dec = sample.center.T
    catalog = Table({"ra": ra, "dec": dec, "redshift": sample.redshift})
    catalog["photons"], catalog["log_mass"] = names, clusters.log_mass
    hdus = [fits.table_to_hdu(Table({"START": [0.0]})), fits.table_to_hdu(catalog)]
    for hdu, name in zip(hdus, ("GTI", "CLUSTERS"), strict=True):
        hdu.name = name
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(folder / "catalog.fits")
    return folder


def test_a_catalog_is_chosen_among_the_tables_of_a_file(images):
    path = images / "catalog.fits"
    with pytest.raises(
        ValueError, match=r"holds 2 tables(?s:.*)1 GTI: START\n  2 CLUSTERS: ra, dec"
    ):
        read_sample(path)
    options = {"image_energy": 1.0}
    by_name, _ = read_sample(path, table_hdu="Clusters", photon_options=options)
    by_number, others = read_sample(path, table_hdu=2, photon_options=options)
    assert_array_equal(by_name.redshift, by_number.redshift)
    assert "log_mass" in others
    with pytest.raises(ValueError, match="holds no single table 'SOURCES'"):
        read_sample(path, table_hdu="SOURCES")


def test_a_table_that_is_no_fits_file_has_no_hdu(tmp_path):
    with pytest.raises(ValueError, match=r"in memory\. Leave it out"):
        read_sample({"redshift": [0.2]}, table_hdu=1)
    Table({"redshift": [0.2]}).write(tmp_path / "a.csv")
    with pytest.raises(ValueError, match=r"not a FITS file, so table_hdu='A' would"):
        read_sample(tmp_path / "a.csv", table_hdu="A")


def test_the_command_trains_and_predicts_from_images(images, tmp_path, capsys):
    table, model = str(images / "catalog.fits"), str(tmp_path / "m.skops")
    given = ["--image-energy", "1.0", "--table-hdu", "CLUSTERS"]
    train = ["train", table, "--output", model, "--pixels", "16", "--epochs", "2"]
    assert main([*train, *given, "--seed", "0"]) == 0
    output = tmp_path / "masses.csv"
    assert main(["predict", model, table, *given, "--output", str(output)]) == 0
    found = Table.read(output)
    assert np.isfinite(found["log_mass"]).all()
    sample, _ = read_sample(
        table, table_hdu="CLUSTERS", photon_options={"image_energy": 1.0}
    )
    counts = PhotonMapper(n_pixels=16).transform(sample).maps.total()
    assert_array_equal(found["n_photons"], counts)
    capsys.readouterr()
    assert main(["predict", model, table, "--image-energy", "1.0"]) != 0
    assert "--table-hdu" in capsys.readouterr().err


# Bands of images and of what is counted.


@pytest.mark.parametrize(
    ("images", "bands", "message"),
    [
        ([(0.6, 1.1)], [(0.5, 10.0)], r"0\.5-0\.6, 1\.1-10 keV are missing"),
        ([(0.5, 2.0), (3.0, 7.0)], [(0.5, 7.0)], "of which 2-3 keV are missing"),
        (
            [(0.5, 2.0)],
            [(0.5, 1.2), (1.2, 2.0)],
            r"only a part is in the band 0\.5-1\.2",
        ),
        ([(0.2, 10.0)], [(0.5, 10.0)], "only a part is in the band"),
        ([(0.5, 2.0)], [(0.5, 2.0), (2.0, 7.0)], "of which 2-7 keV are missing"),
        (
            [(0.5, 2.0), (1.5, 7.0)],
            [(0.5, 7.0)],
            "overlap, so photons would count twice",
        ),
        ([(0.6, 1.1), None], [(0.5, 1.0)], "only a part"),
    ],
)
def test_images_must_fill_the_bands_and_not_reach_beyond(images, bands, message):
    with pytest.raises(ValueError, match=message):
        check_bands_of_images(images, bands)


def test_images_that_fill_the_bands_are_accepted():
    three = [(0.5, 1.2), (1.2, 2.0), (2.0, 7.0)]
    check_bands_of_images(three, three)
    check_bands_of_images(three[::-1], [(0.5, 7.0)])
    check_bands_of_images(three, [(0.5, 1.2), (0.5, 2.0)])  # 2-7 keV are not counted
    check_bands_of_images([(0.5, 2.0)] * 2, [(0.5, 2.0)])  # two cameras
    check_bands_of_images([(0.5000001, 2.0)], [(0.5, 2.0)])
    check_bands_of_images([(0.5, 1.0), None], [(0.5, 2.0)])
    check_bands_of_images([(0.5, 1.0)], [(0.5, 2.0)], are_all=False)


def test_an_image_energy_outside_of_the_band_of_the_header_is_refused(tmp_path):
    path = image_of(tmp_path / "image.fits", [[3, 1], [0, 0]], E_MIN=0.5, E_MAX=2.0)
    assert_array_equal(read_photons(path, image_energy=0.6)["energy"], np.float32(0.6))
    with pytest.raises(ValueError, match=r"image_energy=3 .* header has 0\.5-2 keV"):
        read_photons(path, image_energy=3.0)


@pytest.fixture(scope="module")
def banded(tmp_path_factory, clusters):
    """Images of four clusters in two bands, and a model of these bands."""
    folder, sample = tmp_path_factory.mktemp("banded"), clusters.sample[:4]
    for i in range(len(sample)):
        energy, center = sample.photons[i]["energy"], tuple(sample.center[i])
        for name, (low, high) in {"soft": (0.5, 1.0), "hard": (1.0, 2.0)}.items():
            inside = (energy >= low) & (energy < high)
            photons = {name: sample.photons[i][name][inside] for name in ("ra", "dec")}
            header = {"center": center, "E_MIN": low, "E_MAX": high}
            binned(photons, folder / f"{name}{i}.fits", 8 * ARCSEC, n=601, **header)
    ra, dec = sample.center.T
    catalog = Table({"ra": ra, "dec": dec, "redshift": sample.redshift})
    catalog["photons"] = [f"soft{i}.fits;hard{i}.fits" for i in range(len(sample))]
    catalog["log_mass"] = clusters.log_mass[:4]
    catalog.write(folder / "clusters.ecsv")
    small = ["--pixels", "8", "--epochs", "1", "--bands", "0.5-2"]
    command = ["train", str(folder / "clusters.ecsv"), "-o", str(folder / "m.skops")]
    assert main([*command, *small]) == 0
    return folder


def test_the_command_counts_images_that_fill_its_bands(banded, clusters, capsys):
    model, table = str(banded / "m.skops"), str(banded / "clusters.ecsv")
    assert main(["predict", model, table, "--json"]) == 0
    found = [row["n_photons"] for row in json.loads(capsys.readouterr().out)]
    mapper = PhotonMapper(bands=((0.5, 2.0),), n_pixels=8)
    counts = mapper.transform(clusters.sample[:4]).maps.total()
    # Pixels at the edges of the map may fall to either side.
    assert_allclose(found, counts, rtol=0.02)


def test_the_command_refuses_images_of_other_bands(banded, clusters, capsys):
    model, center = str(banded / "m.skops"), clusters.sample.center[0]
    at = ["--redshift", "0.2", "--ra", str(center[0]), "--dec", str(center[1])]
    for given in ([], ["--image-energy", "0.7"]):
        assert main(["predict", model, str(banded / "soft0.fits"), *at, *given]) == 1
        error = capsys.readouterr().err
        assert "are of 0.5-1 keV, but 0.5-2 keV are counted, of which 1-2 keV" in error
    table = Table.read(banded / "clusters.ecsv")
    table["photons"][1] = "soft1.fits"
    table.write(banded / "one.ecsv", overwrite=True)
    assert main(["predict", model, str(banded / "one.ecsv"), "--json"]) == 3
    printed = capsys.readouterr()
    masses = [row["log_mass"] for row in json.loads(printed.out)]
    assert [mass is None for mass in masses] == [False, True, False, False]
    assert "row 1" in printed.err
    assert "1-2 keV are missing" in printed.err
    more = ["--pixels", "8", "--epochs", "1", "-o", str(banded / "n.skops")]
    assert main(["train", str(banded / "clusters.ecsv"), *more]) == 1
    assert "0.5-10 keV are counted, of which 2-10 keV" in capsys.readouterr().err
    assert main(["train", str(banded / "clusters.ecsv"), *more, "--bands", "0.5-1.5"])
    assert "is of 1-2 keV, of which only a part" in capsys.readouterr().err


def test_the_command_says_where_counts_without_a_band_go(images, tmp_path, capsys):
    table, model = str(images / "catalog.fits"), str(tmp_path / "m.skops")
    train = ["train", table, "--output", model, "--pixels", "8", "--epochs", "1"]
    train += ["--table-hdu", "CLUSTERS", "--bands", "0.5-1,1-2", "--image-energy"]
    assert main([*train, "1.0"]) == 0
    said = "go into the band 1-2 keV, which holds --image-energy 1."
    assert capsys.readouterr().err.count(said) == 1
    assert main([*train, "2.0"]) == 1
    error = "--image-energy 2 is in none of the bands of the model, 0.5-1, 1-2 keV"
    assert error in capsys.readouterr().err


def test_a_real_image_holds_the_photons_of_the_list(data_folder):
    folder = data_folder / "efeds"
    photons = read_photons(folder / "efeds_example_events.fits")
    in_band = np.abs(photons["energy"] - np.sqrt(0.6 * 1.1)) < 0.01
    found = read_photons(folder / "img_0600_1100.fits.gz", image_energy=0.8)
    assert len(found["ra"]) == in_band.sum()
    assert_allclose(np.sort(found["dec"]), np.sort(photons["dec"][in_band]), atol=1e-6)
    for name in ("expmap_norm_0600_1100.fits.gz", "mask.fits.gz"):
        with pytest.raises(ValueError, match="smoother than counts can be"):
            read_photons(folder / name, image_energy=0.8)


def test_the_pixel_of_a_count_image_is_read_back(tmp_path):
    photons = {"ra": [10.0, 10.1], "dec": [0.0, 0.0], "energy": [1.0, 1.0]}
    pixel = np.array([0.01, 0.02], np.float32)
    write_photons(tmp_path / "a.fits", photons | {"pixel": pixel})
    assert_array_equal(read_photons(tmp_path / "a.fits")["pixel"], pixel, strict=True)
    # Detectors of few pixels number them.
    write_photons(tmp_path / "b.fits", photons)
    table = Table.read(tmp_path / "b.fits")
    table["PIXEL"] = [3, 17]
    table.write(tmp_path / "b.fits", overwrite=True)
    assert "pixel" not in read_photons(tmp_path / "b.fits")
