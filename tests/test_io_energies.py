"""Energies of photons by mission and instrument, or by what the user knows better."""

import numpy as np
import pytest
from astropy.io import fits
from numpy.testing import assert_allclose

from skcluster.io import read_photons

CHANNELS = np.array([40.0, 120.0, 700.0])


def write_list(path, values=CHANNELS, *, column="PI", unit="chan", **cards):
    columns = [
        fits.Column("RA", "D", array=np.full(len(values), 10.0)),
        fits.Column("DEC", "D", array=np.zeros(len(values))),
        fits.Column(column, "D", unit=unit, array=values),
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name="EVENTS")
    hdu.header.update(cards)
    hdu.writeto(path, overwrite=True)
    return path


# Channel and energy [keV] as the mission's own guides give them.
DOCUMENTED = [
    ("CHANDRA", "ACIS", 69, 1.0073),  # ciao dictionary: 1007.3 eV has PI 69
    ("eROSITA", "MERGED", 1500, 1.5),
    ("XMM", "EPN", 1500, 1.5),
    ("NuSTAR", "FPMA", 210, 10.0),  # nustar_gen: channel 210 is 10 keV
    ("NuSTAR", "FPMB", 35, 3.0),
    ("SWIFT", "XRT", 30, 0.3),  # 0.3 to 10 keV are 30 to 1000
    ("NICER", "XTI", 675, 6.75),  # nicerpi: 675 is 6.750 keV
    ("XRISM", "RESOLVE", 4000, 2.0),  # 2 to 10 keV are 4000 to 20,000
    ("XRISM", "XTEND", 1667, 10.0),  # 0.5 to 10 keV are 83 to 1667
    ("SUZAKU", "XIS0", 1000, 3.65),  # PI = E / 3.65 eV
    ("ROSAT", "PSPCB", 52, 0.52),  # status report 78: channel 52 begins at 0.52 keV
]


@pytest.mark.parametrize(("mission", "instrument", "channel", "kev"), DOCUMENTED)
def test_channels_are_worth_what_their_mission_says(
    mission, instrument, channel, kev, tmp_path
):
    cards = {"TELESCOP": mission, "INSTRUME": instrument}
    path = write_list(tmp_path / "a.fits", np.full(3, float(channel)), **cards)
    half_channel = {"XTEND": 0.003, "ACIS": 0.0146}.get(instrument, 1e-6)
    assert_allclose(read_photons(path)["energy"], kev, atol=half_channel)


@pytest.mark.parametrize(
    ("mission", "instrument", "extra"),
    [
        ("CHANDRA", "HRC", {}),
        ("CHANDRA", "", {"DETNAM": "HRC-I"}),
        ("ROSAT", "HRI", {}),
    ],
)
def test_an_instrument_without_energies_is_refused(
    mission, instrument, extra, tmp_path
):
    cards = {"TELESCOP": mission, "INSTRUME": instrument, **extra}
    path = write_list(tmp_path / "a.fits", **cards)
    with pytest.raises(ValueError, match=r"as PI .*pulse height.* Give energy_u"):
        read_photons(path)
    assert_allclose(read_photons(path, energy_unit=0.01)["energy"], CHANNELS / 100)


@pytest.mark.parametrize(
    ("mission", "instrument"),
    [("SWIFT", "BAT"), ("SUZAKU", "HXD"), ("XRISM", ""), ("EP", "FXTA"), ("", "")],
)
def test_an_unknown_instrument_is_asked_for_its_scale(mission, instrument, tmp_path):
    cards = {"TELESCOP": mission, "INSTRUME": instrument}
    path = write_list(tmp_path / "a.fits", **cards)
    with pytest.raises(
        ValueError, match=r"not known in keV\. Give energy_unit: keV per"
    ):
        read_photons(path)


def test_energy_unit_may_be_a_line_or_a_function(tmp_path):
    path = write_list(tmp_path / "a.fits", TELESCOP="NUSTAR", INSTRUME="FPMA")
    known = read_photons(path)["energy"]
    assert_allclose(known, [3.2, 6.4, 29.6], rtol=1e-6)
    by_pair = read_photons(path, energy_unit=(0.04, 1.6))["energy"]
    by_function = read_photons(path, energy_unit=lambda pi: 0.04 * pi + 1.6)["energy"]
    assert_allclose(by_pair, known, rtol=1e-7)
    assert_allclose(by_function, known, rtol=1e-7)
    squared = read_photons(path, energy_unit=lambda pi: 1e-4 * pi**2)["energy"]
    assert_allclose(squared, 1e-4 * CHANNELS**2, rtol=1e-6)


@pytest.mark.parametrize(
    "energy_unit",
    [
        (),
        (1,),
        (0.04, 1.6, 2.0),
        (0.0, 1.0),
        (0.04, np.nan),
        (0.04, "1"),
        True,
        [[1, 2]],
    ],
)
def test_an_energy_unit_that_is_no_line_is_refused(energy_unit, tmp_path):
    path = write_list(tmp_path / "a.fits")
    with pytest.raises(
        ValueError, match=r"energy_unit must be 'eV'.* a pair \(keV per"
    ):
        read_photons(path, energy_unit=energy_unit)


def test_a_function_that_is_no_energy_scale_is_refused(tmp_path):
    path = write_list(tmp_path / "a.fits")
    with pytest.raises(
        ValueError, match=r"must return an energy for each of 3 .*\(2,\)"
    ):
        read_photons(path, energy_unit=lambda pi: pi[:2])
    with pytest.raises(
        ValueError, match=r"fails for an array of 3 .*ZeroDivisionError"
    ):
        read_photons(path, energy_unit=lambda pi: 1 / 0)
    with pytest.raises(ValueError, match=r"3 of 3 photons .* have no PI \(NaN"):
        read_photons(path, energy_unit=lambda pi: pi * np.nan)
    with pytest.raises(
        ValueError, match=r"with the function energy_unit .* median of 12"
    ):
        read_photons(path, energy_unit=lambda pi: pi)


def test_an_empty_list_needs_no_scale_but_a_known_one(tmp_path):
    path = write_list(tmp_path / "a.fits", np.zeros(0), TELESCOP="NuSTAR")
    assert len(read_photons(path)["energy"]) == 0
    assert len(read_photons(path, energy_unit=lambda pi: pi)["energy"]) == 0


@pytest.mark.parametrize(
    ("unit", "factor"), [("keV", 1e3), ("keV", 1e-3), ("eV", 1.0), ("MeV", 1.0)]
)
def test_energies_with_the_label_of_another_unit_are_refused(unit, factor, tmp_path):
    """A list of 0.15 to 4 keV in eV labeled keV, in MeV labeled keV, and so on."""
    kev = np.array([0.15, 0.16, 4.0])
    path = write_list(tmp_path / "a.fits", kev * factor, column="ENERGY", unit=unit)
    if unit == "MeV":
        path = write_list(tmp_path / "a.fits", kev * 1000, column="ENERGY", unit=unit)
    with pytest.raises(
        ValueError, match=r"not the energy of an X-ray photon\. Correct"
    ):
        read_photons(path)
