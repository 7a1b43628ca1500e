"""What a step needs of a sample."""

from .cluster_sample import FIELDS, ClusterSample


def require(X, *names, by):
    """Return the sample X, or refuse one that lacks a field that `by` needs."""
    if not isinstance(X, ClusterSample):
        fields = "".join(f", {name}=..." for name in names if name != "redshift")
        sample = f"ClusterSample(redshift{fields})"
        raise TypeError(
            f"{by} takes a ClusterSample, got {type(X).__name__}. Give {sample}."
        )
    if len(X) == 0:
        raise ValueError(
            f"Found a ClusterSample with 0 sample(s) while a minimum of 1 is required "
            f"by {by}."
        )
    for name in names:
        if getattr(X, name) is None:
            raise ValueError(
                f"{by} needs sample.{name}, which this sample of {len(X)} clusters "
                f"lacks (it has {', '.join(X.fields)}): {FIELDS[name].how_to_get}."
            )
    return X
