"""Clusters given as one dict each."""


def columns_of_dicts(clusters, fields):
    """Return the values of a list of dicts by key, or refuse dicts that differ.

    Parameters
    ----------
    clusters : iterable of dict
        One per cluster, all with the same keys.
    fields : list of str
        Keys that a dict may have; ``redshift`` it must have.

    Examples
    --------
    >>> columns_of_dicts([{"redshift": 0.1}, {"redshift": 0.3}], ["redshift"])
    {'redshift': [0.1, 0.3]}
    """
    clusters = list(clusters)
    if not clusters:
        raise ValueError("No cluster was given: a sample needs at least 1.")
    for i, cluster in enumerate(clusters):
        if not hasattr(cluster, "keys"):
            raise TypeError(
                f"A cluster must be a dict, but number {i} is a "
                f"{type(cluster).__name__}."
            )
        if set(cluster) != set(clusters[0]):
            raise ValueError(
                f"Cluster {i} has the keys {sorted(cluster)}, cluster 0 has "
                f"{sorted(clusters[0])}: every cluster needs the same ones."
            )
    if "redshift" not in clusters[0]:
        raise ValueError(f"The clusters lack 'redshift'; have {list(clusters[0])}.")
    unknown = sorted({*clusters[0]} - {*fields})
    if unknown:
        raise ValueError(
            f"The clusters have the keys {unknown}, which are not fields of a sample. "
            f"Leave them out; the fields are {fields}."
        )
    return {key: [cluster[key] for cluster in clusters] for key in clusters[0]}
