"""Find the estimators inside pipelines and other meta-estimators.

Posteriors, outlier scores, saliency, displays, model files and the command all use this
module to find the regressor in a Pipeline, a search, a
`sklearn.frozen.FrozenEstimator`, a `TransformedTargetRegressor`, a calibration, a
rotation, or any nesting of these.
"""

import inspect
from collections.abc import Iterable

from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator

FITTED_COPIES = ("best_estimator_", "estimator_", "regressor_")
"""Attributes in which meta-estimators store the estimator that they fitted."""
TEMPLATES = ("estimator", "regressor")
"""Parameters with the estimator that a meta-estimator clones and fits."""


def fitted_inside(estimator):
    """Return the fitted estimator that a meta-estimator predicts with, or None.

    The result is None for an ensemble (bagging, boosting, voting, stacking), which
    predicts with several estimators.

    Examples
    --------
    >>> from sklearn.frozen import FrozenEstimator
    >>> from sklearn.linear_model import LinearRegression
    >>> fitted_inside(FrozenEstimator(LinearRegression().fit([[0.0], [1.0]], [0, 1])))
    LinearRegression()
    >>> fitted_inside(LinearRegression()) is None
    True
    """
    # FrozenEstimator has every attribute of the estimator inside, so it comes first.
    if isinstance(estimator, FrozenEstimator):
        return estimator.estimator
    if is_pipeline(estimator):
        return estimator.steps[-1][1]
    # The estimator_ of an ensemble is a template that is not fitted.
    if isinstance(estimator, type) or hasattr(estimator, "estimators_"):
        return None
    return _first_attribute(estimator, FITTED_COPIES)


def inside(estimator):
    """Return the fitted estimator inside another one, or else its unfitted template.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.model_selection import GridSearchCV
    >>> inside(GridSearchCV(Ridge(), {"alpha": [1.0]}))
    Ridge()
    """
    found = fitted_inside(estimator)
    if found is None and not hasattr(estimator, "estimators_"):
        found = _first_attribute(estimator, TEMPLATES)
    return found


def walk(estimator):
    """Yield an estimator, the one inside it, and so on to the innermost.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> [type(each).__name__ for each in walk(make_pipeline(Ridge()))]
    ['Pipeline', 'Ridge']
    """
    while estimator is not None:
        yield estimator
        estimator = inside(estimator)


def last_step(estimator):
    """Return the innermost estimator: the regressor in pipelines and meta-estimators.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> last_step(make_pipeline(LinearRegression()))
    LinearRegression()
    """
    *_, last = walk(estimator)
    return last


def steps_before(estimator):
    """Return all steps before the innermost estimator, outermost first, without nesting.

    Examples
    --------
    >>> from skcluster import LogScaler, PhotonMapper, RedshiftNormalizer
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> inner = make_pipeline(RedshiftNormalizer(), LogScaler(), Ridge())
    >>> steps_before(make_pipeline(PhotonMapper(), inner))
    [PhotonMapper(), RedshiftNormalizer(), LogScaler()]
    """
    before = (each.steps[:-1] for each in walk(estimator) if is_pipeline(each))
    return [step for steps in before for _, step in _flat(steps)]


def enter(estimator, X):
    """Return the fitted estimator inside, and X as that estimator receives it.

    Parameters
    ----------
    estimator : fitted estimator
    X : what it takes

    Returns
    -------
    inside : estimator or None
        None if there is none, as in `fitted_inside`.
    X : what `inside` takes

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> model = make_pipeline(FunctionTransformer(np.log), LinearRegression())
    >>> enter(model.fit([[1.0], [2.0]], [0, 1]), np.array([[1.0]]))
    (LinearRegression(), array([[0.]]))
    """
    found = fitted_inside(estimator)
    if found is None or isinstance(estimator, FrozenEstimator):
        return found, X
    if is_pipeline(estimator):
        return found, X if len(estimator) == 1 else estimator[:-1].transform(X)
    if hasattr(estimator, "with_iterated_radius"):
        return found, estimator.with_iterated_radius(X)
    # Such as RFE, which fits its estimator to some columns of X.
    return found, estimator.transform(X) if hasattr(estimator, "transform") else X


def changes_target(estimator):
    """Return whether the estimator inside is fitted to a transformed y, such as its log.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.compose import TransformedTargetRegressor
    >>> from sklearn.linear_model import LinearRegression
    >>> changes_target(TransformedTargetRegressor(LinearRegression()))
    False
    >>> changes_target(
    ...     TransformedTargetRegressor(LinearRegression(), func=np.exp, inverse_func=np.log)
    ... )
    True
    """
    if isinstance(estimator, FrozenEstimator) or not hasattr(estimator, "regressor"):
        return False
    return any(
        getattr(estimator, name, None) is not None for name in ("func", "transformer")
    )


def changes_errors(estimator):
    """Return whether an estimator predicts other errors than the one inside it.

    Examples
    --------
    >>> from skcluster import EvrardProxyRegressor, IteratedRadiusRegressor
    >>> changes_errors(IteratedRadiusRegressor(EvrardProxyRegressor()))
    True
    """
    is_frozen = isinstance(estimator, FrozenEstimator)
    return not is_frozen and hasattr(estimator, "with_iterated_radius")


def n_weights(state):
    """Count the weights of all networks in the state of an estimator.

    Parameters
    ----------
    state : dict
        As `parts` yields it.

    Examples
    --------
    >>> import numpy as np
    >>> n_weights({"weights_": [{"bias": np.zeros(3)}] * 2}), n_weights({})
    (6, 0)
    """
    members = state.get("weights_", [])
    return sum(weight.size for member in members for weight in member.values())


def predicts_std(estimator):
    """Return whether ``predict`` takes return_std, or passes it to one that does.

    Examples
    --------
    >>> from skcluster import EvrardProxyRegressor
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> predicts_std(make_pipeline(EvrardProxyRegressor())), predicts_std(Ridge())
    (True, False)
    """
    parameters = inspect.signature(estimator.predict).parameters
    if "return_std" in parameters:
        return True
    hands_on = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    found = None if changes_target(estimator) or not hands_on else inside(estimator)
    return found is not None and predicts_std(found)


def fit_parameters(estimator, **values):
    """Return parameters of ``fit`` that reach the regressor inside, under their names.

    Parameters
    ----------
    estimator : estimator
    **values : object
        What the regressor's ``fit`` may take, such as ``sample_weight``. What it does not
        take is left out.

    Returns
    -------
    params : dict of str -> object
        A Pipeline takes a parameter of its last step under the name ``step__parameter``;
        with scikit-learn's metadata routing, under the parameter's own name.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.neighbors import KNeighborsRegressor
    >>> from sklearn.pipeline import make_pipeline
    >>> fit_parameters(make_pipeline(Ridge()), sample_weight=[1, 2], groups=[3, 4])
    {'ridge__sample_weight': [1, 2]}
    >>> fit_parameters(KNeighborsRegressor(), sample_weight=[1, 2])
    {}
    """
    names = {name: _name_in_fit(estimator, name) for name in values}
    return {names[name]: value for name, value in values.items() if names[name]}


def weight_parameters(estimator, weight):
    """Return parameters of ``fit`` that pass weights to the regressor inside, or refuse.

    Parameters
    ----------
    estimator : estimator
    weight : ndarray of shape (n_clusters,) or None

    Returns
    -------
    params : dict of str -> ndarray
        As in `fit_parameters`; empty for None.

    Examples
    --------
    >>> from sklearn.neighbors import KNeighborsRegressor
    >>> weight_parameters(KNeighborsRegressor(), [1, 2])
    Traceback (most recent call last):
    ...
    ValueError: KNeighborsRegressor cannot be fitted with sample_weight. Give another
    regressor, or no weights.
    """
    if weight is None:
        return {}
    params = fit_parameters(estimator, sample_weight=weight)
    if not params:
        raise ValueError(
            f"{type(last_step(estimator)).__name__} cannot be fitted with sample_weight. "
            "Give another regressor, or no weights."
        )
    return params


def _name_in_fit(estimator, name):
    """Name under which ``fit`` hands a parameter on to the regressor inside, or None."""
    if is_pipeline(estimator):
        step, last = estimator.steps[-1]
        found = _name_in_fit(last, name)
        is_routed = get_config().get("enable_metadata_routing", False)
        return found if found is None or is_routed else f"{step}__{found}"
    if isinstance(estimator, FrozenEstimator):  # which ignores what it is given
        return name
    parameters = inspect.signature(estimator.fit).parameters
    if name in parameters:
        return name
    hands_on = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    found = inside(estimator) if hands_on else None
    return None if found is None else _name_in_fit(found, name)


def default_parameters(function):
    """Return the default values of the parameters of a class or function.

    Parameters
    ----------
    function : class or callable

    Returns
    -------
    defaults : dict of str -> object
    """
    return {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }


def is_pipeline(estimator):
    """Return whether an estimator is a Pipeline, of scikit-learn or a compatible one."""
    return isinstance(getattr(estimator, "steps", None), list) and not isinstance(
        estimator, FrozenEstimator
    )


def parts(model):
    """Yield a model and all estimators nested in it, with their states.

    Parameters
    ----------
    model : estimator

    Yields
    ------
    estimator : BaseEstimator
        Each estimator once. Fitted ones come before the templates that were passed in,
        as ``estimator_`` before ``estimator``.
    state : dict of str -> object
        Its attributes, as they are stored.

    Examples
    --------
    >>> from sklearn.ensemble import VotingRegressor
    >>> from sklearn.linear_model import Lasso, Ridge
    >>> model = VotingRegressor([("a", Ridge()), ("b", Lasso())])
    >>> [type(part).__name__ for part, _ in parts(model)]
    ['VotingRegressor', 'Ridge', 'Lasso']
    """
    seen, left = {}, [model]
    while left:
        value = left.pop()
        if id(value) in seen:
            continue
        # Kept in memory, so that no other object can get the id of a state.
        seen[id(value)] = value
        children: Iterable = ()
        if isinstance(value, list | tuple):
            children = value
        elif isinstance(value, dict):
            children = value.values()
        elif isinstance(value, BaseEstimator):
            state = value.__getstate__()
            yield value, state
            names = sorted(state, key=lambda name: not name.endswith("_"))
            children = [state[name] for name in names]
        left.extend(reversed([*children]))


def _first_attribute(estimator, names):
    found = (getattr(estimator, name, None) for name in names)
    return next((each for each in found if hasattr(each, "get_params")), None)


def _flat(steps):
    """Steps without empty ones, with nested pipelines replaced by their steps."""
    for name, step in steps:
        if is_pipeline(step):
            yield from _flat(step.steps)
        elif step is not None and step != "passthrough":
            yield name, step
