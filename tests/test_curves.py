"""Pictures of bases, bands and boundaries: what is drawn are the numbers, or a refusal by name."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm
from sklearn.base import BaseEstimator
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LinearRegression, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import PolynomialFeatures
from sklearn.tree import DecisionTreeClassifier

from fastnn import BayesianLinearRegression, LogisticRegression, MulticlassSVM, plot

plt = pytest.importorskip("matplotlib.pyplot")
plt.switch_backend("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def powers(X):
    return np.hstack([X, X**2, X**3])


LINE = np.array([0.5, -1.0, 1.0, 0.0])  # in no order
SORTED = np.sort(LINE)
rng = np.random.default_rng(0)
ROWS = rng.uniform(-1, 1, (30, 1))
TARGETS = np.sin(2 * ROWS[:, 0]) + 0.1 * rng.normal(size=30)


class TestBasis:
    @pytest.mark.parametrize(
        "phi",
        [
            powers,
            powers(LINE[:, None]),
            PolynomialFeatures(3, include_bias=False).fit(ROWS),
            BayesianLinearRegression(powers).fit(ROWS, TARGETS),
            BayesianLinearRegression(PolynomialFeatures(3, include_bias=False)).fit(ROWS, TARGETS),
        ],
        ids=["function", "values", "transformer", "model of a function", "model of a transformer"],
    )
    def test_a_line_a_function(self, phi):
        ax = plot.basis(phi, LINE, title="Powers")
        assert_array_equal([line.get_xdata() for line in ax.lines], [SORTED] * 3)
        assert_allclose([line.get_ydata() for line in ax.lines], powers(SORTED[:, None]).T)
        assert ax.get_title() == "Powers"
        assert ax.get_legend() is None

    def test_weighted_functions_add_up_to_the_prediction(self):
        model = BayesianLinearRegression(powers).fit(ROWS, TARGETS)
        given = plt.figure().subplots()
        ax = plot.basis(model, LINE[:, None], coef=model.coef_, intercept=model.intercept_, ax=given)
        assert ax is given
        *parts, total = [line.get_ydata() for line in ax.lines]
        assert_allclose(parts, (powers(SORTED[:, None]) * model.coef_).T)
        assert_allclose(total, model.predict(SORTED[:, None]))

    def test_refusals(self):
        with pytest.raises(NotFittedError):
            plot.basis(BayesianLinearRegression(), LINE)
        with pytest.raises(TypeError, match="LinearRegression has no basis"):
            plot.basis(LinearRegression().fit(ROWS, TARGETS), LINE)
        for phi, x, options, message in [
            (powers, np.ones((4, 2)), {}, r"x must have one feature, got shape \(4, 2\)"),
            (powers, [0.0, np.nan], {}, "x contains NaN"),
            (lambda X: X / 0 * 0, [0.0], {}, "the values of the basis contains NaN"),
            (np.ones((3, 2)), LINE, {}, "the basis has 3 rows for 4 points"),
            (powers, LINE, {"coef": [1.0, 2.0]}, "3 functions need as many coefficients, got 2"),
            (powers, LINE, {"names": ["x"]}, "3 functions need as many names, got 1"),
        ]:
            with pytest.raises(ValueError, match=message), np.errstate(all="ignore"):
                plot.basis(phi, x, **options)


def band_of(ax):
    """(x, lower, upper) of the filled band."""
    (band,) = ax.collections
    points = np.unique(band.get_paths()[0].vertices, axis=0)
    xs = np.unique(points[:, 0])
    columns = [points[points[:, 0] == x, 1] for x in xs]
    return xs, [column.min() for column in columns], [column.max() for column in columns]


class TestPredictiveBand:
    def test_band_mean_draws_and_rows(self):
        model = BayesianLinearRegression(powers).fit(ROWS, TARGETS)
        ax = plot.predictive_band(model, LINE, rows=(ROWS, TARGETS), level=0.8, n_draws=2, random_state=3)
        mean, std = model.predict(SORTED[:, None], return_std=True)
        xs, low, high = band_of(ax)
        assert_array_equal(xs, SORTED)
        assert_allclose([low, high], norm.interval(0.8, mean, std))
        *draws, middle, dots = ax.lines
        coef, intercept = model.sample_posterior(2, 3)
        assert_allclose([d.get_ydata() for d in draws], coef @ powers(SORTED[:, None]).T + intercept[:, None])
        assert_allclose(middle.get_ydata(), mean)
        assert_array_equal(dots.get_xydata(), np.column_stack([ROWS, TARGETS]))
        assert "80% band" in ax.get_legend_handles_labels()[1]

    def test_other_models_and_arrays(self):
        model = GaussianProcessRegressor().fit(ROWS, TARGETS)
        mean, std = model.predict(LINE[:, None], return_std=True)
        given = plt.figure().subplots(1, 2)
        assert plot.predictive_band(model, LINE, ax=given[0]) is given[0]
        plot.predictive_band((mean, std), LINE, ax=given[1], title="Numbers")
        for one, other in zip(band_of(given[0]), band_of(given[1]), strict=True):
            assert_allclose(one, other)
        assert given[1].get_title() == "Numbers"

    def test_refusals(self):
        model = BayesianLinearRegression().fit(ROWS, TARGETS)
        with pytest.raises(NotFittedError):
            plot.predictive_band(BayesianLinearRegression(), LINE)
        with pytest.raises(TypeError, match="GaussianProcessRegressor has no method sample_posterior"):
            plot.predictive_band(GaussianProcessRegressor().fit(ROWS, TARGETS), LINE, n_draws=1)
        for about, options, message in [
            (model, {"level": 1.0}, "level must lie between 0 and 1, got 1.0"),
            (([0.0], [1.0]), {}, "4 points have 1 means and 1 standard deviations"),
            (model, {"rows": (ROWS, TARGETS[:2])}, "rows holds 30 of X and 2 of y"),
        ]:
            with pytest.raises(ValueError, match=message):
                plot.predictive_band(about, LINE, **options)


BLOBS, LABELS = make_blobs(90, centers=[(-2, 0), (2, 0), (0, 3)], cluster_std=0.6, random_state=3)
NAMES = np.array(["left", "right", "up"])[LABELS]


def lines_of(ax, style):
    """Points of the contour lines of a style, "-" or "--"."""
    lines = [c for c in ax.collections if hasattr(c, "levels") and not c.filled]
    lines = [c for c in lines if (c.get_linestyle()[0][1] is None) == (style == "-")]
    return np.vstack([np.empty((0, 2)), *(path.vertices for c in lines for path in c.get_paths())])


class TestDecisionBoundary:
    def test_lines_are_where_classes_tie_and_where_the_margin_ends(self):
        model = MulticlassSVM(C=1.0, delta=2.0).fit(BLOBS, NAMES)
        ax = plot.decision_boundary(model, BLOBS, NAMES, support=True, title="Three")
        for style, ahead in (("-", 0.0), ("--", 2.0)):
            points = lines_of(ax, style)
            assert len(points) > 50
            scores = np.sort(model.decision_function(points), axis=1)
            assert_allclose(scores[:, -1] - scores[:, -2], ahead, atol=0.05)
        dots, rings = ax.collections[-2:]
        assert_array_equal(dots.get_offsets(), BLOBS)
        assert len(np.unique(dots.get_facecolors(), axis=0)) == 3
        assert_array_equal(rings.get_offsets(), BLOBS[model.support_])
        assert ax.get_title() == "Three"

    @pytest.mark.parametrize(
        "model", [LogisticRegression(), GaussianNB(), RidgeClassifier(), DecisionTreeClassifier()], ids=repr
    )
    def test_two_classes_share_one_line(self, model):
        two = LABELS < 2
        model.fit(BLOBS[two], NAMES[two])
        given = plt.figure().subplots()
        assert plot.decision_boundary(model, BLOBS[two], NAMES[two], n_steps=400, ax=given) is given
        points = lines_of(given, "-")
        aside = np.array([0.05, 0.0])
        assert (model.predict(points - aside) == "left").all()
        assert (model.predict(points + aside) == "right").all()
        assert not len(lines_of(given, "--"))

    def test_a_function_of_rows(self):
        ax = plot.decision_boundary(lambda X: 3 - X[:, 0] ** 2 - X[:, 1] ** 2, [[-2, -2], [2, 2]], margin=1.0)
        assert_allclose((lines_of(ax, "-") ** 2).sum(axis=1), 3, atol=0.01)
        radii = np.unique((lines_of(ax, "--") ** 2).sum(axis=1).round(1))
        assert_allclose(radii, [2.0, 4.0], atol=0.11)

    def test_labels_alone_and_many_classes(self):
        class Floor(BaseEstimator):
            classes_ = np.arange(12)

            def fit(self, X, y):
                return self

            def __sklearn_is_fitted__(self):
                return True

            def predict(self, X):
                return np.clip(np.floor(X[:, 0]), 0, 11).astype(int)

        X = np.column_stack([np.arange(12) + 0.5, np.zeros(12)])
        ax = plot.decision_boundary(Floor(), X, np.arange(12))
        assert len(ax.collections[-1].get_offsets()) == 12
        assert_allclose(lines_of(ax, "-")[:, 0], lines_of(ax, "-")[:, 0].round(), atol=0.05)

    def test_refusals(self):
        model = MulticlassSVM().fit(BLOBS, NAMES)
        with pytest.raises(NotFittedError):
            plot.decision_boundary(LogisticRegression(), BLOBS)
        with pytest.raises(TypeError, match="LogisticRegression has no support vectors"):
            plot.decision_boundary(LogisticRegression().fit(BLOBS, NAMES), BLOBS, support=True)
        with pytest.raises(TypeError, match="LinearRegression is no classifier"):
            plot.decision_boundary(LinearRegression().fit(BLOBS, LABELS), BLOBS)
        with pytest.raises(TypeError, match="model must be a classifier or a function of rows, got list"):
            plot.decision_boundary([1, 2], BLOBS)
        for X, y, options, message in [
            (np.ones((4, 3)), None, {}, "X must have two features to be drawn in the plane, got 3"),
            (BLOBS, NAMES[:3], {}, r"y has shape \(3,\), but X has 90 rows"),
            (BLOBS, LABELS.astype(str), {}, "y holds classes that the model does not know"),
            (BLOBS, None, {"n_steps": 1}, "n_steps must be at least 2, got 1"),
        ]:
            with pytest.raises(ValueError, match=message):
                plot.decision_boundary(model, X, y, **options)
        with pytest.raises(ValueError, match=r"scores of shape \(3, 2\) for 90000 points"):
            plot.decision_boundary(lambda X: np.ones(3), BLOBS)
