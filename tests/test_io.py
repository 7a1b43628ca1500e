"""Files in the layouts of the missions, tables of clusters, and the way back."""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.cosmology import WMAP7
from astropy.io import fits
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from skcluster import ClusterSample, PhotonMapper
from skcluster.cosmology import plane_to_sky, sky_to_plane
from skcluster.io import (
    read_galaxies,
    read_photons,
    read_sample,
    write_photons,
    write_sample,
)

DEFAULT_DATA = Path(__file__).parents[1].parent / "shared" / "data"
DATA = Path(os.environ.get("SKCLUSTER_DATA", DEFAULT_DATA))
RA = np.array([139.9, 140.0, 140.15])
DEC = np.array([3.1, 3.2, 3.35])
KEV = np.array([0.5, 1.25, 4.0])
GTI = fits.BinTableHDU.from_columns(
    [fits.Column("START", "D", array=[0.0]), fits.Column("STOP", "D", array=[9.0])],
    name="GTI",
)


def event_hdu(columns, *, extname="EVENTS", **keywords):
    """One table from (name, format, unit, values) rows."""
    hdu = fits.BinTableHDU.from_columns(
        [fits.Column(n, form, unit=unit, array=a) for n, form, unit, a in columns],
        name=extname,
    )
    hdu.header.update(keywords)
    return hdu


def write_hdus(path, *hdus, **primary):
    header = fits.Header()
    header.update(primary)
    hdu_list = fits.HDUList([fits.PrimaryHDU(header=header), *hdus])
    hdu_list.writeto(path)
    return path


def write_events(path, *columns, **keywords):
    """RA, DEC and the given columns in one table EVENTS."""
    sky = [("RA", "D", "deg", RA), ("DEC", "D", "deg", DEC)]
    return write_hdus(path, event_hdu([*sky, *columns], **keywords))


def write_esass(path):
    """eROSITA, as evtool of eSASS writes it: sky pixels stand beside RA and DEC."""
    columns = [
        ("TIME", "D", "s", [1.0, 2.0, 3.0]),
        ("RA", "D", "deg", RA),
        ("DEC", "D", "deg", DEC),
        ("X", "D", "", [4.0, 5.0, 6.0]),
        ("Y", "D", "", [4.0, 5.0, 6.0]),
        ("PI", "E", "eV", KEV * 1000),
        ("TM_NR", "B", "", [1, 2, 7]),
        ("FLAG", "J", "", [0, 0, 0]),
    ]
    hdu = event_hdu(columns, TELESCOP="eROSITA", INSTRUME="MERGED", TCTYP4="RA---SIN")
    return write_hdus(path, GTI, hdu)


def write_sixte(path):
    """SIXTE: the energy is SIGNAL, and PH_ID holds two numbers per photon."""
    columns = [
        ("PHA", "J", "ADU", [50, 125, 400]),
        ("SIGNAL", "E", "keV", KEV),
        ("RA", "D", "deg", RA),
        ("DEC", "D", "deg", DEC),
        ("PH_ID", "2J", "", [[1, 0], [2, 0], [3, 0]]),
    ]
    return write_hdus(path, event_hdu(columns, extname="STDEVT", TELESCOP="ATHENA"))


def photon_hdu(unit="keV"):
    columns = [("ENERGY", "E", unit, KEV), ("RA", "D", "", RA), ("DEC", "D", "", DEC)]
    return event_hdu(columns, extname="PHLIST", REFRA=0.0, REFDEC=0.0)


def source_catalog():
    columns = [
        ("SRC_ID", "J", "", [1]),
        ("RA", "D", "deg", [0.0]),
        ("DEC", "D", "deg", [0.0]),
        ("E_MIN", "E", "keV", [0.5]),
        ("FLUX", "E", "erg/s/cm**2", [1e-12]),
        ("SPECTRUM", "16A", "", ["[PHLIST,1]"]),
    ]
    return event_hdu(columns, extname="SRC_CAT")


def write_simput(path):
    """SIMPUT (PHOX): a catalog with RA and DEC first, the photons in HDU 2."""
    return write_hdus(path, source_catalog(), photon_hdu(unit=None))


def pixels_of(ra, dec, crval, crpix, cdelt):
    """Sky pixels by the gnomonic formula; cdelt [deg] < 0 makes x grow to the West."""
    west, north = np.degrees(sky_to_plane(ra, dec, *crval))
    return crpix + west / cdelt, crpix + north / cdelt


def write_chandra(path, *, crval=(140.0, 3.2)):
    """Chandra evt2: lower case, sky pixels, and detector pixels with a WCS as well."""
    x, y = pixels_of(RA, DEC, crval, 4096.5, 1.366667e-4)
    columns = [
        ("time", "D", "s", [1.0, 2.0, 3.0]),
        ("detx", "E", "pixel", x + 700),
        ("dety", "E", "pixel", y - 90),
        ("x", "D", "pixel", x),
        ("y", "D", "pixel", y),
        ("pha", "J", "adu", [100, 300, 990]),
        ("energy", "E", "eV", KEV * 1000),
        ("pi", "J", "chan", (KEV / 0.0146).astype(int) + 1),
    ]
    hdu = event_hdu(columns, TELESCOP="CHANDRA", INSTRUME="ACIS")
    for i, ctype, value in ((2, "LONG-TAN", 0.0), (4, "RA---TAN", crval[0])):
        set_axis(hdu, f"T{{}}{i}", ctype, value, 4096.5, -1.366667e-4)
    for i, ctype, value in ((3, "NPOL-TAN", 0.0), (5, "DEC--TAN", crval[1])):
        set_axis(hdu, f"T{{}}{i}", ctype, value, 4096.5, 1.366667e-4)
    return write_hdus(path, hdu, GTI)


def set_axis(hdu, template, ctype, value, pixel, step):
    numbers = {"CTYP": ctype, "CRVL": value, "CRPX": pixel, "CDLT": step}
    for key, number in numbers.items():
        hdu.header[template.format(key)] = number


def write_xmm(path, *, keywords="both", crval=(140.0, 3.2), null=()):
    """XMM EPIC: integer sky pixels of 0.05 arcsec, with a code for 'no position'."""
    x, y = pixels_of(RA, DEC, crval, 25921, 0.05 / 3600)
    x[list(null)] = -99999999
    sky = [
        fits.Column(name, "J", unit="0.05 arcsec", null=-99999999, array=np.rint(a))
        for name, a in (("X", x), ("Y", y))
    ]
    energy = [
        fits.Column("PHA", "I", unit="CHAN", array=[90, 250, 800]),
        fits.Column("PI", "I", unit="eV", array=KEV * 1000),
    ]
    hdu = fits.BinTableHDU.from_columns(sky + energy, name="EVENTS")
    primary = fits.PrimaryHDU(header=fits.Header({"TELESCOP": "XMM"}))
    where = {
        "table": [(hdu, "T{}1", "T{}2")],
        "reference": [(hdu, "REFX{}", "REFY{}")],
        "primary": [(primary, "REFX{}", "REFY{}")],
    }
    where["both"] = where["table"] + where["reference"]
    for owner, first, second in where[keywords]:
        set_axis(owner, first, "RA---TAN", crval[0], 25921, -0.05 / 3600)
        set_axis(owner, second, "DEC--TAN", crval[1], 25921, 0.05 / 3600)
    fits.HDUList([primary, hdu, GTI]).writeto(path)
    return path


MISSIONS = [write_esass, write_sixte, write_simput, write_chandra, write_xmm]


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


GALAXIES = {
    "x": [0.1, -0.2],
    "y": [0.3, 0.4],
    "v": [500.0, -900.0],
    "mass": [10.1, 9.9],
}


@pytest.mark.parametrize("suffix", ["csv", "ecsv", "fits", "fits.gz", "parquet"])
def test_galaxies_in_phase_space_are_read_as_they_are(suffix, tmp_path):
    path = tmp_path / f"galaxies.{suffix}"
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    Table(GALAXIES).write(path)
    galaxies = read_galaxies(path)
    assert list(galaxies) == list(GALAXIES)
    for name, values in GALAXIES.items():
        assert_array_equal(galaxies[name], np.array(values), strict=True)


@pytest.mark.parametrize("z_name", ["z", "Z", "Redshift"])
def test_galaxies_on_the_sky_are_placed_about_the_center(z_name):
    north, west = np.radians(0.2), np.radians(0.1)
    table = {
        "RA": np.array([30.0, 30.0, 29.9]),
        "Dec": np.array([0.0, 0.2, 0.0]),
        z_name: np.array([0.3, 0.3, 0.3013]),
    }
    galaxies = read_galaxies(table, center=(30.0, 0.0), redshift=0.3)
    distance = WMAP7.comoving_distance(0.3).value * WMAP7.h
    assert_allclose(galaxies["x"], [0, 0, distance * np.tan(west)], atol=1e-9)
    assert_allclose(galaxies["y"], [0, distance * np.tan(north), 0], atol=1e-9)
    assert_allclose(galaxies["v"], [0, 0, 299792.458 * 1e-3], rtol=1e-9, atol=1e-9)
    assert_array_equal(galaxies["Dec"], table["Dec"])


def test_galaxies_take_the_cosmology_they_are_given():
    table = {"ra": [0.0], "dec": [1.0], "z": [0.3]}
    wmap, planck = (
        read_galaxies(table, center=(0.0, 0.0), redshift=0.3, cosmology=name)["y"][0]
        for name in ("WMAP7", "Planck18")
    )
    assert 0.005 < abs(planck / wmap - 1) < 0.05


def test_galaxy_units_are_converted_or_refused():
    table = Table(GALAXIES)
    table["v"].unit = "m/s"
    assert_allclose(read_galaxies(table)["v"], [0.5, -0.9])
    table["x"].unit = "Mpc/h"
    assert_array_equal(read_galaxies(table)["x"], GALAXIES["x"])
    table["x"].unit = "kpc"
    with pytest.raises(
        ValueError, match="'x' has the unit 'kpc', but x is in comoving"
    ):
        read_galaxies(table)


def test_galaxies_that_cannot_be_placed_are_an_error(tmp_path):
    table = {"ra": [0.0], "dec": [1.0], "z": [0.3]}
    with pytest.raises(ValueError, match="center and redshift, got center=None"):
        read_galaxies(table, redshift=0.3)
    with pytest.raises(ValueError, match="x, y, v or ra, dec, z; the table has x, y"):
        read_galaxies({"x": [0.0], "y": [0.0]})
    with pytest.raises(ValueError, match=r"'v' has no value in 1 of 2 rows .*row 1"):
        read_galaxies({"x": [0.0, 0.0], "y": [0.0, 0.0], "v": [1.0, np.nan]})
    with pytest.raises(
        FileNotFoundError, match=r"There is no table .*nowhere.csv. Check its path"
    ):
        read_galaxies(tmp_path / "nowhere.csv")


CATALOG = {
    "name": ["0012", "0013", "0014"],
    "redshift": [0.1, 0.2, 0.15],
    "ra": [140.0, 140.1, 140.2],
    "dec": [3.0, 3.1, 3.2],
    "photons": ["one.fits", "two.fits", "one.fits"],
    "log_mass": [14.0, 14.25, 14.5],
    "n_members": [3, 4, 5],
}


@pytest.fixture
def lists(tmp_path):
    write_esass(tmp_path / "one.fits")
    write_chandra(tmp_path / "two.fits")
    return tmp_path


def assert_is_the_catalog(sample, others):
    assert_array_equal(sample.name, CATALOG["name"])
    assert_array_equal(sample.redshift, CATALOG["redshift"])
    assert_array_equal(sample.center, np.transpose([CATALOG["ra"], CATALOG["dec"]]))
    assert_array_equal(sample.photons.lengths, [3, 3, 3])
    assert_allclose(sample.photons["ra"], np.tile(RA, 3), atol=1e-6)
    assert list(others) == ["log_mass", "n_members"]
    assert_array_equal(others.log_mass, np.array(CATALOG["log_mass"]), strict=True)
    assert_array_equal(others.n_members, np.array(CATALOG["n_members"]), strict=True)


@pytest.mark.parametrize("suffix", ["csv", "ecsv", "fits", "parquet"])
def test_a_sample_is_read_from_a_table_beside_its_lists(suffix, lists):
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    Table(CATALOG).write(lists / f"clusters.{suffix}")
    assert_is_the_catalog(*read_sample(lists / f"clusters.{suffix}"))


@pytest.mark.parametrize(
    "make", [dict, Table, pd.DataFrame, lambda t: Table(t).as_array()]
)
def test_a_sample_is_read_from_a_table_in_memory(make, lists):
    assert_is_the_catalog(*read_sample(make(CATALOG), directory=lists))


def test_columns_of_a_catalog_are_found_in_any_case(lists):
    upper = {name.upper(): column for name, column in CATALOG.items()}
    upper["log_mass"], upper["n_members"] = (
        upper.pop("LOG_MASS"),
        upper.pop("N_MEMBERS"),
    )
    Table(upper).write(lists / "clusters.csv")
    assert_is_the_catalog(*read_sample(lists / "clusters.csv"))


def test_a_file_of_several_rows_is_opened_once(lists, monkeypatch):
    opened, fits_open = [], fits.open
    monkeypatch.setattr(
        fits, "open", lambda f, **kw: opened.append(Path(f.name)) or fits_open(f, **kw)
    )
    read_sample(CATALOG, directory=lists)
    assert opened == [lists / "one.fits", lists / "two.fits"]


def test_z_is_the_redshift_unless_it_may_be_a_place():
    sample, others = read_sample({"z": [0.1, 0.2], "T": [3.0, 4.0]})
    assert_array_equal(sample.redshift, [0.1, 0.2])
    assert list(others) == ["T"]
    box = {"x": [1.0], "y": [2.0], "z": [3.0]}
    with pytest.raises(ValueError, match="may be a redshift or a place in a box"):
        read_sample(box)
    sample, others = read_sample({"redshift": [0.1], **box})
    assert_array_equal(sample.position, [[1.0, 2.0, 3.0]])
    assert len(others) == 0


def test_half_a_position_is_only_a_column():
    catalog = {"redshift": [0.1], "ra": [1.0], "x": [2.0], "z": [0.1]}
    sample, others = read_sample(catalog)
    assert sample.fields == ("redshift",)
    assert list(others) == ["ra", "x", "z"]


def test_all_fields_of_a_table_arrive_in_the_sample():
    catalog = Table({"redshift": [0.1], "r500c": [0.7], "field_radius": [30.0]})
    catalog["field_radius"].unit = "arcmin"
    sample, _ = read_sample(catalog)
    assert_allclose([sample.r500c[0], sample.field_radius[0]], [0.7, 0.5])


def test_redshifts_of_galaxies_are_not_magnitudes():
    rng = np.random.default_rng(0)
    sky = {"ra": rng.normal(10, 0.05, 9), "dec": rng.normal(0, 0.05, 9)}
    about = {"center": (10.0, 0.0), "redshift": 0.1}
    z = rng.normal(0.1, 0.003, 9)
    magnitude = rng.normal(17.5, 0.5, 9)
    with pytest.raises(
        ValueError, match=r"'z' has a median of 17\.\d+, .* a magnitude"
    ):
        read_galaxies(sky | {"z": magnitude}, **about)
    with pytest.raises(ValueError, match=r"'z' and 'zspec' may both .* in 9 of 9 rows"):
        read_galaxies(sky | {"z": magnitude, "zspec": z}, **about)
    gaps = np.where(np.arange(9) < 3, np.nan, z + 1e-4)
    both = read_galaxies(sky | {"z": z, "zspec": gaps}, **about)
    assert_allclose(both["v"], 299792.458 * (z - 0.1) / 1.1)
    one = read_galaxies(sky | {"zspec": z, "mag_z": magnitude}, **about)
    assert_allclose(one["v"], both["v"])


def test_pixels_and_magnitudes_are_not_offsets_and_velocities():
    rng = np.random.default_rng(0)
    about = {"center": (10.0, 0.0), "redshift": 0.1}
    sky = {"RA": rng.normal(10, 0.2, 60), "DEC": rng.normal(0, 0.2, 60)}
    sky["Z"] = rng.normal(0.1, 0.002, 60)
    pixels = {"X": rng.normal(0, 6, 60), "Y": rng.normal(0, 6, 60)}
    match = (
        r"columns X, Y, V are not .* from RA, DEC, Z: they differ in \d+ of 60 rows "
    )
    with pytest.raises(ValueError, match=match + r"\(first: .*Rename"):
        read_galaxies(sky | pixels | {"V": rng.uniform(16, 22, 60)}, **about)
    # What was placed before is read again, also in other cosmologies and about a mean.
    placed = read_galaxies(sky, **about)
    shifted = placed | {"v": placed["v"] - 700, "x": placed["x"] + 0.5}
    for table in (placed, shifted):
        for cosmology in ("WMAP7", "Planck18"):
            again = read_galaxies(table, **about, cosmology=cosmology)
            assert_array_equal(again["v"], table["v"])
    physical = {name: placed[name] / 1.1 / 0.7 for name in ("x", "y")}
    with pytest.raises(ValueError, match="x, y, v are not the x"):
        read_galaxies(placed | physical, **about)
    # Without a center, or with a z that is a magnitude, x, y, v are taken as they are.
    for table, options in (
        (placed | physical, {}),
        (placed | {"Z": placed["v"]}, about),
    ):
        assert_array_equal(read_galaxies(table, **options)["x"], table["x"])


def test_galaxies_of_a_sample_are_placed_about_each_cluster(tmp_path):
    Table({"ra": [10.0], "dec": [0.5], "z": [0.2]}).write(tmp_path / "g.csv")
    catalog = {"redshift": [0.1, 0.2], "ra": [10.0, 10.0], "dec": [0.0, 0.5]}
    sample, _ = read_sample(catalog | {"galaxies": ["g.csv"] * 2}, directory=tmp_path)
    distance = WMAP7.comoving_distance(0.1).value * WMAP7.h
    assert_allclose(sample.galaxies["y"], [distance * np.tan(np.radians(0.5)), 0])
    assert_allclose(sample.galaxies["v"], [299792.458 * 0.1 / 1.1, 0], atol=1e-9)


def test_columns_of_several_numbers_keep_their_gaps():
    profile = np.array([[1.0, np.nan], [3.0, 4.0]])
    _, others = read_sample({"z": [0.1, 0.2], "profile": profile})
    assert_array_equal(others.profile, profile)


def test_only_columns_of_all_lists_are_kept(lists):
    columns = {"ra": RA, "dec": DEC, "energy": KEV, "origin": [0, 1, 2]}
    write_photons(lists / "two.fits", columns, overwrite=True)
    for rows in ([0, 1], [1, 0]):
        with pytest.warns(UserWarning, match="1 of 2 lists lack the column origin"):
            sample, _ = read_sample(Table(CATALOG)[rows], directory=lists)
        assert list(sample.photons.columns) == ["ra", "dec", "energy"]
    sample, _ = read_sample(Table(CATALOG)[[1]], directory=lists)
    assert_array_equal(sample.photons["origin"], [0, 1, 2])


@pytest.mark.parametrize("name", ["redshift", "dec", "photons"])
@pytest.mark.parametrize("make", [Table, pd.DataFrame])
def test_a_gap_in_a_column_of_the_sample_is_an_error(make, name, lists):
    column = [None if i == 1 else value for i, value in enumerate(CATALOG[name])]
    frame = pd.DataFrame(CATALOG | {name: column})
    table = frame if make is pd.DataFrame else Table.from_pandas(frame)
    with pytest.raises(
        ValueError, match=f"'{name}' has no value in 1 of 3 rows .*row 1"
    ):
        read_sample(table, directory=lists)


def test_gaps_in_other_columns_are_nan_or_empty(tmp_path):
    path = tmp_path / "clusters.csv"
    path.write_text("# from a catalog\nz,L,n,who,name\n.1,,,,\n.2,3.5,4,me,b\n")
    sample, others = read_sample(path)
    assert_array_equal(others.L, [np.nan, 3.5])
    assert_array_equal(others.n, [np.nan, 4])
    assert_array_equal(others.who, ["", "me"])
    assert_array_equal(sample.name, ["", "b"])


@pytest.mark.parametrize(
    ("content", "kind", "reason"),
    [
        (None, FileNotFoundError, "There is no file"),
        (b"no FITS", OSError, "cannot be read as FITS"),
    ],
)
def test_a_broken_list_is_named_with_its_row_and_cluster(content, kind, reason, lists):
    (lists / "two.fits").unlink()
    if content is not None:
        (lists / "two.fits").write_bytes(content)
    match = rf"photons of row 1 \(cluster 0013\) .*two\.fits\. .*{reason}"
    with pytest.raises(kind, match=match):
        read_sample(CATALOG, directory=lists)


def test_a_broken_list_is_handed_over_and_the_others_are_read(lists):
    (lists / "two.fits").write_bytes(b"no FITS")
    errors = {}
    sample, others = read_sample(
        CATALOG, directory=lists, on_unreadable=errors.setdefault
    )
    assert [*errors] == [1]
    assert isinstance(errors[1], OSError)
    assert "photons of row 1 (cluster 0013) cannot be read from" in str(errors[1])
    assert_array_equal(sample.photons.lengths, [3, 0, 3])
    assert_array_equal(sample.name, CATALOG["name"])
    assert_allclose(sample.photons["ra"], np.tile(RA, 2), atol=1e-6)
    assert_array_equal(others.log_mass, CATALOG["log_mass"])


def test_a_broken_header_of_an_exposure_is_handed_over_too(lists):
    for name, livetime in (("one", 1200.0), ("two", "long")):
        fits.setval(lists / f"{name}.fits", "LIVETIME", value=livetime)
    errors = {}
    sample, _ = read_sample(
        CATALOG,
        directory=lists,
        exposure_keyword="LIVETIME",
        on_unreadable=errors.setdefault,
    )
    assert [*errors] == [1]
    assert "LIVETIME = 'long'" in str(errors[1])
    assert_array_equal(sample.exposure, [1200.0] * 3)


def test_a_sample_of_broken_lists_alone_is_an_error(lists):
    for name in ("one", "two"):
        (lists / f"{name}.fits").write_bytes(b"no FITS")
    with pytest.raises(OSError, match=r"photons of row 0 \(cluster 0012\)"):
        read_sample(CATALOG, directory=lists, on_unreadable=pytest.fail)


def test_a_list_of_the_wrong_content_is_named_with_its_row(lists):
    catalog = {"redshift": [0.1], "galaxies": ["g.csv"]}
    Table({"a": [1]}).write(lists / "g.csv")
    with pytest.raises(
        ValueError, match=r"galaxies of row 0 \(cluster without a name\)"
    ):
        read_sample(catalog, directory=lists)


def test_a_table_that_is_none_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"no column redshift .* it has a, b"):
        read_sample({"a": [1], "b": [2]})
    (tmp_path / "clusters.txt").write_text("z\n1\n")
    with pytest.raises(ValueError, match=r"must end in \.csv, \.ecsv"):
        read_sample(tmp_path / "clusters.txt")
    (tmp_path / "clusters.fits").write_text("z\n1\n")
    with pytest.raises(OSError, match=r"clusters\.fits cannot be read as FITS"):
        read_sample(tmp_path / "clusters.fits")
    with pytest.raises(TypeError, match="A table must be a dict"):
        read_sample([0.1, 0.2])


def test_progress_is_shown_only_when_asked_for(lists, capsys, monkeypatch):
    monkeypatch.setattr("skcluster.progress.QUIET_SECONDS", 0.0)
    read_sample(CATALOG, directory=lists)
    assert capsys.readouterr() == ("", "")
    read_sample(CATALOG, directory=lists, verbose=1)
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith("read photons 1 / 2 (0:0")
    assert last.startswith("read photons 2 / 2 (0:0")


def random_sample(n_clusters=4, **fields):
    rng = np.random.default_rng(0)
    sizes = rng.integers(0, 9, n_clusters)
    sizes[0] = 5
    photons = [
        {
            "ra": rng.uniform(0, 360, n),
            "dec": rng.uniform(-90, 90, n),
            "energy": rng.uniform(0.1, 10, n).astype("f4"),
            "origin": rng.integers(0, 3, n).astype("i1"),
        }
        for n in sizes
    ]
    galaxies = [
        {name: rng.normal(size=n) for name in ("x", "y", "v", "Log_Mass")}
        for n in sizes
    ]
    values = {
        "photons": photons,
        "galaxies": galaxies,
        "center": rng.uniform(0, 90, (n_clusters, 2)),
        "position": rng.uniform(0, 352, (n_clusters, 3)),
        "r500c": rng.random(n_clusters),
        "field_radius": 0.5,
    }
    return ClusterSample(rng.uniform(0.05, 0.5, n_clusters), **values | fields)


NAMES = [
    ["a", "b", "c", "d"],
    ["halo 1/2", "halo 1:2", "../x", "007"],
    ["A", "a", "00000_A", ""],
    None,
]


@pytest.mark.parametrize("names", NAMES)
def test_a_written_sample_is_read_back_exactly(names, tmp_path):
    sample = random_sample(name=names)
    log_mass = np.random.default_rng(1).normal(14, 0.3, len(sample))
    path = write_sample(tmp_path / "out", sample, log_mass=log_mass, snap=[1, 2, 3, 4])
    again, others = read_sample(path)
    assert again.fields == sample.fields
    for field in set(sample.fields) - {"photons", "galaxies"}:
        assert_array_equal(getattr(again, field), getattr(sample, field), strict=True)
    for field in ("photons", "galaxies"):
        ragged, expected = getattr(again, field), getattr(sample, field)
        assert_array_equal(ragged.offsets, expected.offsets)
        assert list(ragged.columns) == list(expected.columns)
        for name, column in expected.columns.items():
            assert_array_equal(ragged[name], column, strict=True)
    assert_array_equal(others.log_mass, log_mass, strict=True)
    assert_array_equal(others.snap, [1, 2, 3, 4])
    assert {p.parent.name for p in tmp_path.rglob("*.*")} == {
        "out",
        "photons",
        "galaxies",
    }


def test_a_written_sample_can_be_moved_and_needs_no_lists(tmp_path):
    write_sample(tmp_path / "here", random_sample())
    (tmp_path / "here").rename(tmp_path / "there")
    again, _ = read_sample(tmp_path / "there" / "clusters.ecsv")
    assert len(again) == 4
    path = write_sample(tmp_path / "bare", ClusterSample([0.1, 0.2]))
    assert read_sample(path)[0].fields == ("redshift",)


def test_a_sample_is_not_written_over_unless_told(tmp_path):
    write_sample(tmp_path, random_sample())
    with pytest.raises(
        FileExistsError, match=r"already a .*clusters.ecsv. Give overwr"
    ):
        write_sample(tmp_path, random_sample())
    path = write_sample(tmp_path, random_sample()[:2], overwrite=True)
    assert len(read_sample(path)[0]) == 2


def test_columns_that_do_not_fit_the_sample_are_an_error(tmp_path):
    with pytest.raises(ValueError, match="'RA' would be read as a part of the sample"):
        write_sample(tmp_path, random_sample(), RA=[1, 2, 3, 4])
    with pytest.raises(ValueError, match="'log_mass' has 2 values for 4 clusters"):
        write_sample(tmp_path, random_sample(), log_mass=[14.0, 14.1])
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def efeds():
    path = DATA / "efeds" / "efeds_example_events.fits"
    if not path.is_file():
        pytest.skip(f"the eFEDS photon list is not there ({path}); set SKCLUSTER_DATA")
    return path


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


def test_the_efeds_catalog_and_its_photons_make_a_sample(efeds):
    table = Table.read(efeds.parent / "bahar2022_rows.csv", comment="#")
    table["name"], table["photons"] = table["id"], efeds.name
    with pytest.warns(UserWarning, match=r"aperture of 6 of 11 clusters .*3\.46 deg"):
        sample, others = read_sample(table, directory=efeds.parent)
    events = fits.getdata(efeds, 1)
    sky = SkyCoord(events["RA"], events["DEC"], unit="deg")
    center = SkyCoord(table["ra"], table["dec"], unit="deg")
    distance = (WMAP7.comoving_distance(table["z"]) * WMAP7.h).value
    expected = [
        np.sum(sky.separation(one).radian <= np.arctan(4 / d))
        for one, d in zip(center, distance, strict=True)
    ]
    assert_array_equal(sample.photons.lengths, expected)
    assert expected[0] > 5000
    assert_allclose(sample.redshift[0], 0.333)
    assert np.isnan(others.Lbol500).sum() == 1


def test_parquet_without_pyarrow_is_told_how_to_get_it(tmp_path, monkeypatch):
    (tmp_path / "clusters.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    message = r'clusters.parquet is read with pyarrow.*pip install "skcluster\[io\]"'
    with pytest.raises(ImportError, match=message):
        read_sample(tmp_path / "clusters.parquet")
