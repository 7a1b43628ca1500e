"""The one table of the columns that describe photons."""

PHOTON_FEATURES = {
    "log_radius": "log10(r + 0.01), with r the distance to the center in comoving Mpc/h",
    "log_energy": "log10 of the photon's energy in keV",
    "log_contrast_6": "log10 of the surface density from the 6th nearest neighbor over "
    "the azimuthal mean at the photon's radius",
    "log_contrast_24": "log10 of the surface density from the 24th nearest neighbor over "
    "the azimuthal mean at the photon's radius",
    "log_density_6": "log10 of the surface density from the 6th nearest neighbor, in "
    "photons per (comoving Mpc/h)²",
    "neighbor_log_energy": "mean log10 of the energies in keV of the 6 nearest neighbors",
    "cos_twice_angle": "cosine of twice the angle between the photon's direction from "
    "the center and the cluster's main axis",
    "log_centroid_distance": "log10(d + 0.01), with d the distance to the centroid in "
    "comoving Mpc/h",
}
"""Name of each column -> what it holds, in words. All are float32."""
