"""Photon lists in the layouts of the missions, and the way back."""

import numpy as np
import pytest
from astropy import units
from astropy.cosmology import WMAP7
from astropy.io import fits
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mission_files import (
    DEC,
    GTI,
    KEV,
    MISSIONS,
    RA,
    event_hdu,
    photon_hdu,
    set_axis,
    source_catalog,
    write_chandra,
    write_esass,
    write_events,
    write_hdus,
    write_simput,
    write_sixte,
    write_xmm,
)
from numpy.testing import assert_allclose, assert_array_equal

from skcluster import ClusterSample, PhotonMapper
from skcluster.cosmology import plane_to_sky, sky_to_plane
from skcluster.io import read_photons, write_photons


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.fits"


@pytest.mark.parametrize("write", MISSIONS)
def test_the_same_photons_are_read_from_every_mission(write, path):
    photons = read_photons(write(path))
    half_xmm_pixel = 0.51 * 0.05 / 3600
    assert_allclose(photons["ra"], RA, atol=half_xmm_pixel)
    assert_allclose(photons["dec"], DEC, atol=half_xmm_pixel)
    assert_allclose(photons["energy"], KEV, rtol=1e-6)
    assert list(photons) == ["ra", "dec", "energy"]


@pytest.mark.parametrize("write", MISSIONS)
def test_arrays_are_native_in_memory_and_of_the_stated_types(write, path):
    photons = read_photons(write(path))
    before = np.array(list(photons.values()))
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
    assert_array_equal(list(photons.values()), before)
    types = [column.dtype.str for column in photons.values()]
    native = np.dtype(float).str[0]
    assert types == [f"{native}f8", f"{native}f8", f"{native}f4"]
    assert all(column.flags.c_contiguous for column in photons.values())


@pytest.mark.parametrize("write", [write_esass, write_chandra])
def test_a_gzip_file_reads_like_a_plain_one(write, path, tmp_path):
    plain = read_photons(write(path))
    zipped = read_photons(write(tmp_path / "events.fits.gz"))
    for name, column in plain.items():
        assert_array_equal(zipped[name], column)


@pytest.mark.parametrize("crval", [(202.47, 47.2), (0.02, -30.0), (83.8, -5.4)])
def test_sky_pixels_are_a_gnomonic_projection(crval, path):
    x = np.array([4096.5, 1000.0, 7000.25, 4096.5])
    y = np.array([4096.5, 6000.0, 2000.75, 8192.0])
    columns = [("X", "D", "pixel", x), ("Y", "D", "pixel", y), ("PI", "J", "eV", x)]
    hdu = event_hdu(columns)
    set_axis(hdu, "T{}1", "RA---TAN", crval[0], 4096.5, -1.366667e-4)
    set_axis(hdu, "T{}2", "DEC--TAN", crval[1], 4096.5, 1.366667e-4)
    photons = read_photons(write_hdus(path, hdu))
    west, north = np.radians((x - 4096.5) * 1.366667e-4), (y - 4096.5) * 1.366667e-4
    ra, dec = plane_to_sky(west, np.radians(north), *crval)
    assert_allclose(photons["ra"], ra, atol=1e-9)
    assert_allclose(photons["dec"], dec, atol=1e-9)


@pytest.mark.parametrize("keywords", ["table", "reference", "primary"])
def test_each_set_of_xmm_keywords_gives_the_same_sky(keywords, path, tmp_path):
    both = read_photons(write_xmm(path))
    one = read_photons(write_xmm(tmp_path / "one.fits", keywords=keywords))
    assert_allclose(one["ra"], both["ra"], rtol=1e-14)
    assert_allclose(one["dec"], both["dec"], rtol=1e-14)


def test_angles_in_radians_become_degrees(path):
    columns = [("RA", "D", "rad", np.radians(RA)), ("DEC", "D", "rad", np.radians(DEC))]
    write_hdus(path, event_hdu([*columns, ("ENERGY", "E", "keV", KEV)]))
    photons = read_photons(path)
    assert_allclose(photons["ra"], RA)
    assert_allclose(photons["dec"], DEC)


def test_columns_can_be_named_in_any_case(path):
    columns = [("ra_true", "D", "", RA), ("DEC_TRUE", "D", "", DEC)]
    energies = [("ENERGY", "E", "keV", KEV), ("E_TRUE", "E", "keV", 2 * KEV)]
    write_events(path, *columns, *energies)
    photons = read_photons(
        path, ra="RA_TRUE", dec="dec_true", energy="e_true", columns=["Energy"]
    )
    assert_allclose(photons["energy"], 2 * KEV)
    assert_allclose(photons["Energy"], KEV)


ENERGY_RULES = [
    ("ENERGY", "keV", "", KEV),
    ("ENERGY", "KEV", "", KEV),
    ("ENERGY", "MeV", "", KEV / 1000),
    ("ENERGY", "eV", "CHANDRA", KEV * 1000),
    ("ENERGY", "", "", KEV),
    ("ENERGY", "", "", KEV * 1000),
    ("PI", "eV", "eROSITA", KEV * 1000),
    ("PI", "", "eROSITA", KEV * 1000),
    ("PI", "CHAN", "XMM", KEV * 1000),
    ("PI", "chan", "CHANDRA", KEV / 0.0146),
    ("PHA", "keV", "", KEV),
]


@pytest.mark.parametrize(("name", "unit", "mission", "values"), ENERGY_RULES)
def test_energies_are_kev_by_unit_mission_or_median(name, unit, mission, values, path):
    write_events(path, (name, "D", unit, values), TELESCOP=mission)
    assert_allclose(read_photons(path)["energy"], KEV, rtol=1e-6)


@pytest.mark.parametrize(("median", "kev"), [(99.0, 99.0), (101.0, 0.101)])
def test_energies_without_a_unit_are_kev_below_100(median, kev, path):
    write_events(path, ("ENERGY", "D", "", [1.0, median, 5000.0]))
    assert_allclose(read_photons(path)["energy"][1], kev, rtol=1e-6)


def test_the_mission_may_stand_in_the_instrument_or_the_primary_header(path, tmp_path):
    channels = ("PI", "D", "", KEV * 1000)
    write_events(path, channels, TELESCOP="FM4", INSTRUME="eROSITA")
    sky = [("RA", "D", "", RA), ("DEC", "D", "", DEC)]
    other = write_hdus(tmp_path / "b.fits", event_hdu([*sky, channels]), TELESCOP="XMM")
    assert_allclose(read_photons(path)["energy"], KEV, rtol=1e-6)
    assert_allclose(read_photons(other)["energy"], KEV, rtol=1e-6)


def test_chandra_energy_is_preferred_to_its_channel(path):
    energy, channel = ("energy", "E", "eV", KEV * 1000), ("pi", "J", "chan", [1, 2, 3])
    write_events(path, channel, energy, TELESCOP="CHANDRA")
    assert_allclose(read_photons(path)["energy"], KEV, rtol=1e-6)


@pytest.mark.parametrize(
    ("energy_unit", "values"),
    [("keV", KEV), ("ev", KEV * 1000), ("MeV", KEV / 1000), (0.01, KEV * 100)],
)
def test_energy_unit_overrides_the_header(energy_unit, values, path):
    write_events(path, ("PHA", "D", "chan", values))
    photons = read_photons(path, energy_unit=energy_unit)
    assert_allclose(photons["energy"], KEV, rtol=1e-6)


@pytest.mark.parametrize("energy_unit", ["erg", 0, -1.0])
def test_an_unknown_energy_unit_is_an_error(energy_unit, path):
    write_events(path, ("ENERGY", "D", "keV", KEV))
    with pytest.raises(ValueError, match=f"energy_unit must be .* got '?{energy_unit}"):
        read_photons(path, energy_unit=energy_unit)


@pytest.mark.parametrize(
    ("name", "unit", "mission"),
    [
        ("PHA", "adu", "eROSITA"),
        ("PI", "chan", "INTEGRAL"),
        ("ENERGY", "count", "eROSITA"),
    ],
)
def test_energies_of_unknown_scale_are_refused(name, unit, mission, path):
    write_events(path, (name, "D", unit, KEV * 1000), TELESCOP=mission)
    match = f"only as {name} .*'{unit}', mission '{mission}'"
    with pytest.raises(ValueError, match=match):
        read_photons(path)


@pytest.mark.parametrize(("unit", "factor"), [("keV", 1000), ("eV", 1e-3)])
def test_energies_that_are_no_x_rays_are_an_error(unit, factor, path):
    write_events(path, ("ENERGY", "D", unit, KEV * factor))
    with pytest.raises(
        ValueError, match=r"median of .* not the energy of an X-ray photon.*energy_unit"
    ):
        read_photons(path)


def test_the_source_catalog_of_simput_is_not_taken_for_photons(path):
    assert len(read_photons(write_simput(path))["ra"]) == len(RA)


def simput(path, source, point):
    sources = fits.BinTableHDU.from_columns(
        [
            fits.Column(n, "D", array=[a])
            for n, a in zip(("RA", "DEC"), source, strict=True)
        ],
        name="SRC_CAT",
    )
    photons = photon_hdu()
    photons.header["REFRA"], photons.header["REFDEC"] = point
    return write_hdus(path, sources, photons)


def test_photons_that_a_simput_catalog_moves_are_refused(path, tmp_path):
    assert_allclose(read_photons(simput(path, (140.0, 3.0), (140.0, 3.0)))["ra"], RA)
    same = simput(tmp_path / "same.fits", (360.0, 3.0), (0.0, 3.0))
    assert_allclose(read_photons(same)["ra"], RA)
    moved = simput(tmp_path / "moved.fits", (83.0, 22.0), (140.0, 3.0))
    with pytest.raises(
        ValueError, match=r"REFRA, REFDEC = \(140.0, 3.0\) to its sources"
    ):
        read_photons(moved)


def test_two_lists_in_one_file_need_a_choice(path):
    write_hdus(path, source_catalog(), photon_hdu(), photon_hdu())
    with pytest.raises(ValueError, match=r"2 tables of photons(.|\n)*3 PHLIST: ENERGY"):
        read_photons(path)
    assert_allclose(read_photons(path, hdu=3)["ra"], RA)


def test_two_lists_with_names_of_their_own_need_a_choice(path):
    one, two = photon_hdu(), photon_hdu()
    one.name, two.name = "TM1", "TM2"
    write_hdus(path, one, two)
    with pytest.raises(ValueError, match=r"2 tables of photons(.|\n)*2 TM2"):
        read_photons(path)
    assert_allclose(read_photons(path, hdu="TM2")["ra"], RA)


def test_hdu_is_a_number_or_a_name_of_a_table(path):
    write_simput(path)
    assert_allclose(read_photons(path, hdu="PHLIST")["ra"], RA)
    for hdu in (0, 9, "NONE"):
        with pytest.raises(ValueError, match=f"hdu='?{hdu}'? is not a binary table"):
            read_photons(path, hdu=hdu)


def test_a_table_without_a_known_name_is_found_by_its_columns(path):
    columns = [("RA", "D", "", RA), ("DEC", "D", "", DEC), ("PI", "D", "eV", KEV * 1e3)]
    write_hdus(path, GTI, event_hdu(columns, extname="LIST"))
    assert_allclose(read_photons(path)["ra"], RA)


def test_a_named_list_goes_before_another_table(path):
    columns = [("RA", "D", "", -RA), ("DEC", "D", "", DEC), ("ENERGY", "D", "", KEV)]
    write_hdus(path, event_hdu(columns, extname="SOURCES"), photon_hdu())
    assert_allclose(read_photons(path)["ra"], RA)


@pytest.mark.parametrize("options", [{}, {"ra": "ALPHA"}, {"energy": "E_TRUE"}])
def test_without_photons_the_error_lists_what_there_is(options, path):
    write_hdus(path, GTI, source_catalog())
    with pytest.raises(
        ValueError, match=r"no table(.|\n)*1 GTI: START, STOP\n  2 SRC_"
    ):
        read_photons(path, **options)


def test_origin_is_read_if_it_is_a_code(path, tmp_path):
    energy = ("ENERGY", "E", "keV", KEV)
    write_events(path, energy, ("ORIGIN", "I", "", [0, 1, 2]))
    origin = read_photons(path)["origin"]
    assert_array_equal(origin, [0, 1, 2])
    assert origin.dtype == np.int8
    names, vectors = ["ICM", "AGN", "ICM"], np.zeros((3, 2))
    for form, values in (("J", [0, 1, 300]), ("3A", names), ("2I", vectors)):
        other = write_events(tmp_path / form, energy, ("ORIGIN", form, "", values))
        assert "origin" not in read_photons(other)


def test_more_columns_keep_their_type(path):
    columns = [("FLAG", "I", "", [1, 2, 3]), ("GOOD", "L", "", [True, False, True])]
    write_events(
        path, ("ENERGY", "E", "keV", KEV), *columns, ("WHO", "2A", "", ["a", "b", "c"])
    )
    photons = read_photons(path, columns=["FLAG", "GOOD", "WHO"])
    assert photons["FLAG"].dtype == np.int16
    assert_array_equal(photons["GOOD"], [True, False, True])
    assert_array_equal(photons["WHO"], ["a", "b", "c"])


def test_a_column_that_is_not_there_or_not_flat_is_an_error(path):
    write_sixte(path)
    with pytest.raises(ValueError, match=r"no column 'MASK' .* it has PHA, SIGNAL, RA"):
        read_photons(path, columns=["MASK"])
    with pytest.raises(ValueError, match=r"'PH_ID' of .* \(2,\) values per photon"):
        read_photons(path, columns=["PH_ID"])


def test_photons_without_a_position_are_an_error(path, tmp_path):
    with pytest.raises(ValueError, match=r"2 of 3 photons .* no X .* row 1"):
        read_photons(write_xmm(path, null=[1, 2]))
    columns = [("RA", "D", "", RA), ("DEC", "D", "", [3.0, np.nan, 3.0])]
    hdu = event_hdu([*columns, ("ENERGY", "D", "keV", KEV)])
    with pytest.raises(ValueError, match=r"1 of 3 photons .* no DEC .* row 1"):
        read_photons(write_hdus(tmp_path / "nan.fits", hdu))


def test_a_photon_without_an_energy_is_an_error(path):
    write_events(path, ("ENERGY", "D", "keV", [1.0, 1.0, np.inf]))
    with pytest.raises(ValueError, match=r"1 of 3 photons .* no ENERGY .* row 2"):
        read_photons(path)


def test_a_position_in_another_unit_is_an_error(path):
    columns = [("RA", "D", "pixel", RA), ("DEC", "D", "deg", DEC)]
    write_hdus(path, event_hdu([*columns, ("ENERGY", "D", "keV", KEV)]))
    with pytest.raises(ValueError, match=r"'RA' .* unit 'pixel', which cannot be conv"):
        read_photons(path)


@pytest.mark.parametrize("angle", ["hourangle", "mas", "arcmin"])
@pytest.mark.parametrize("energy", ["J", "erg", "GeV"])
def test_units_are_those_of_astropy(angle, energy, path):
    ra = (RA * units.deg).to_value(angle)
    kev = (KEV * units.keV).to_value(energy)
    columns = [("RA", "D", angle, ra), ("DEC", "D", "deg", DEC)]
    write_hdus(path, event_hdu([*columns, ("ENERGY", "D", energy, kev)]))
    photons = read_photons(path)
    assert_allclose(photons["ra"], RA, rtol=1e-12)
    assert_allclose(photons["energy"], KEV, rtol=1e-6)


def test_right_ascensions_in_hours_are_converted_and_declinations_are_not(path):
    degrees = ("DEC", "D", "deg", DEC), ("ENERGY", "D", "keV", KEV)
    write_hdus(path, event_hdu([("RA", "D", "h", RA / 15), *degrees]))
    assert_allclose(read_photons(path)["ra"], RA, rtol=1e-12)
    columns = [("RA", "D", "deg", RA), ("DEC", "D", "h", DEC), degrees[1]]
    path.unlink()
    write_hdus(path, event_hdu(columns))
    with pytest.raises(ValueError, match=r"'DEC' .* unit 'h', .* Convert the numbers"):
        read_photons(path)


def test_pixels_without_a_projection_to_ra_and_dec_are_an_error(path, tmp_path):
    columns = [(n, "D", "", KEV) for n in ("X", "Y", "ENERGY")]
    with pytest.raises(ValueError, match=r"neither TCTYP1, TCTYP2 nor REFXCTYP"):
        read_photons(write_hdus(path, event_hdu(columns)))
    ecliptic = event_hdu(columns)
    set_axis(ecliptic, "REFX{}", "ELON-TAN", 0.0, 1.0, 1.0)
    set_axis(ecliptic, "REFY{}", "ELAT-TAN", 0.0, 1.0, 1.0)
    with pytest.raises(ValueError, match=r"got .'ELON-TAN', 'ELAT-TAN'."):
        read_photons(write_hdus(tmp_path / "ecliptic.fits", ecliptic))


def test_a_missing_file_is_named(path):
    with pytest.raises(
        FileNotFoundError, match=r"There is no file .*events\.fits. Check its path"
    ):
        read_photons(path)


@pytest.mark.parametrize("name", ["events.fits", "events.fits.gz"])
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.75])
def test_a_file_cut_off_is_named(name, kept, tmp_path):
    n, path = 3000, tmp_path / name
    noise = np.random.default_rng(0).random((2, n))
    write_photons(path, {"ra": noise[0], "dec": noise[1], "energy": np.ones(n)})
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(OSError, match=r"events\.fits.* cannot be read as FITS"):
        read_photons(path)


def test_a_file_that_is_not_fits_is_named(path):
    path.write_text("ra,dec,energy\n" + "10.0,0.0,1.0\n" * 400)
    with pytest.raises(OSError, match=r"events\.fits cannot be read as FITS"):
        read_photons(path)


@pytest.mark.parametrize("write", [write_esass, write_chandra])
def test_a_list_of_no_photons_is_empty_not_an_error(write, path, tmp_path):
    with fits.open(write(tmp_path / "full.fits")) as hdus:
        for hdu in hdus[1:]:
            hdu.data = hdu.data[:0]
        hdus.writeto(path)
    assert [len(column) for column in read_photons(path).values()] == [0, 0, 0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("photons")


@settings(max_examples=20, deadline=None)
@given(
    arrays(float, 5, elements=st.floats(0, 360, exclude_max=True)),
    arrays(float, 5, elements=st.floats(-90, 90)),
    arrays("f4", 5, elements=st.floats(0.125, 64, width=32)),
    arrays("i1", 5, elements=st.integers(0, 2)),
)
def test_written_photons_are_read_back_exactly(folder, ra, dec, energy, origin):
    photons = {"ra": ra, "dec": dec, "energy": energy, "origin": origin}
    write_photons(folder / "a.fits", photons, overwrite=True)
    again = read_photons(folder / "a.fits")
    for name, column in photons.items():
        assert_array_equal(again[name], column, strict=True)


def test_a_written_list_tells_units_and_cluster_to_other_software(path):
    photons = {"ra": RA, "dec": DEC, "energy": KEV, "weight": KEV}
    write_photons(path, photons, center=(140.0, 3.2), redshift=0.3, name="A1")
    table = Table.read(path, hdu="EVENTS")
    assert table.colnames == ["RA", "DEC", "ENERGY", "WEIGHT"]
    assert [str(table[name].unit) for name in table.colnames[:3]] == [
        "deg",
        "deg",
        "keV",
    ]
    about = [table.meta[key] for key in ("OBJECT", "RA_OBJ", "DEC_OBJ", "REDSHIFT")]
    assert about == ["A1", 140.0, 3.2, 0.3]


def test_written_photons_with_units_are_converted(path):
    table = Table({"ra": RA, "dec": DEC, "energy": KEV * 1000})
    table["energy"].unit = "eV"
    write_photons(path, table)
    assert_allclose(read_photons(path)["energy"], KEV, rtol=1e-6)


def test_the_photons_of_one_cluster_of_a_sample_are_written(sample, tmp_path):
    write_photons(tmp_path / "one.fits", sample[3].photons)
    found, expected = read_photons(tmp_path / "one.fits"), sample.photons.table(3)
    for name in ("ra", "dec", "energy"):
        assert_allclose(found[name], expected[name], rtol=1e-6)
    with pytest.raises(
        ValueError, match=r"one cluster, got those of 2\. Give sample\[i"
    ):
        write_photons(tmp_path / "two.fits", sample[:2].photons)


def test_photons_are_not_written_over_or_without_an_energy(path):
    photons = {"ra": RA, "dec": DEC, "energy": KEV}
    write_photons(path, photons)
    with pytest.raises(FileExistsError, match=r"already a .*events\.fits\. Give"):
        write_photons(path, photons)
    with pytest.raises(ValueError, match=r"lack the columns \['energy'\]"):
        write_photons(path, {"ra": RA, "dec": DEC}, overwrite=True)


@pytest.fixture(scope="module")
def efeds(data_folder):
    """Photons of a cluster of eFEDS."""
    return data_folder / "efeds" / "efeds_example_events.fits"


def test_efeds_photons_inside_r500_are_as_many_as_published(efeds):
    photons = read_photons(efeds, columns=["MASK", "EMIN", "EMAX"])
    assert len(photons["ra"]) == 19_459
    x, y = sky_to_plane(photons["ra"], photons["dec"], 140.3385, 3.2906)
    inside = np.degrees(np.hypot(x, y)) * 60 < 4.068
    inside &= (photons["energy"] >= 0.3) & (photons["energy"] < 2.2)
    assert_allclose(inside.sum(), 1933, rtol=0.01)
    assert_allclose((inside & (photons["MASK"] == 1)).sum(), 1775, rtol=0.01)
    band_center = np.sqrt(photons["EMIN"] * photons["EMAX"]) / 1000
    assert_allclose(photons["energy"], band_center, rtol=1e-6)


@pytest.mark.parametrize(("unmasked", "published"), [(False, 1933), (True, 1775)])
def test_efeds_maps_hold_the_published_photons_inside_r500(efeds, unmasked, published):
    photons = read_photons(efeds, columns=["MASK"])
    chosen = photons["MASK"] >= int(unmasked)
    photons = {name: column[chosen] for name, column in photons.items()}
    sample = ClusterSample([0.333], photons=[photons], center=[[140.3385, 3.2906]])
    mapper = PhotonMapper(bands=((0.3, 2.2),), n_pixels=512, half_width=1.5)
    counts = np.asarray(mapper.transform(sample).maps)[0, 0]
    place = (np.arange(512) + 0.5) * 3.0 / 512 - 1.5
    distance = WMAP7.comoving_distance(0.333).value * WMAP7.h
    inside = np.hypot(*np.meshgrid(place, place)) < np.radians(4.068 / 60) * distance
    assert_allclose(counts[inside].sum(), published, rtol=0.01)
