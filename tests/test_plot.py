"""Pictures show the numbers they were given, on the axes they were given, or refuse by name."""

import builtins

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import BernoulliRBM

pytest.importorskip("matplotlib", reason="the extra 'plot' is not installed")

import matplotlib as mpl
from scipy.sparse import csr_array

import fastnn
from fastnn import plot

plt = pytest.importorskip("matplotlib.pyplot")
DIGITS = load_digits().data[:200] / 16


@pytest.fixture(autouse=True)
def _headless():
    with mpl.rc_context({"backend": "Agg"}):
        yield
    plt.close("all")


@pytest.fixture(scope="module")
def rbm():
    """scikit-learn's estimator has the same fitted attributes, so pictures must take it too."""
    return BernoulliRBM(12, n_iter=2, random_state=0).fit(DIGITS)


def tiles_of(ax, n_rows, n_columns, shape):
    """The drawn images at their original size, gaps checked and removed; None where empty."""
    grid = ax.images[0].get_array()
    scale = (grid.shape[0] + 1) // n_rows // shape[0]
    assert scale >= 1
    step = [side * scale + 1 for side in shape]
    assert grid.shape == (n_rows * step[0] - 1, n_columns * step[1] - 1)
    gaps = np.ma.getmaskarray(grid)
    assert gaps[step[0] - 1 :: step[0]].all()
    assert gaps[:, step[1] - 1 :: step[1]].all()
    tiles = []
    for row in range(n_rows):
        for column in range(n_columns):
            top, left = row * step[0], column * step[1]
            tile = grid[top : top + step[0] - 1, left : left + step[1] - 1]
            tiles.append(tile[::scale, ::scale].filled(np.nan))
    return np.array(tiles)


class TestImages:
    def test_content_is_the_array(self):
        ax = plot.images(DIGITS[:6], n_columns=3, title="six")
        np.testing.assert_array_equal(tiles_of(ax, 2, 3, (8, 8)).reshape(6, 64), DIGITS[:6])
        assert ax.images[0].get_clim() == (0.0, 1.0)
        assert ax.get_title() == "six"

    def test_last_row_may_be_short(self):
        tiles = tiles_of(plot.images(DIGITS[:5], n_columns=3), 2, 3, (8, 8))
        np.testing.assert_array_equal(tiles[:5].reshape(5, 64), DIGITS[:5])
        assert np.isnan(tiles[5]).all()

    def test_large_tiles_are_not_enlarged(self):
        X = np.random.default_rng(0).random((4, 30 * 40))
        ax = plot.images(X, image_shape=(30, 40), n_columns=2)
        assert ax.images[0].get_array().shape == (61, 81)

    def test_default_grid_is_about_square(self):
        height, width = plot.images(DIGITS[:100]).images[0].get_array().shape
        assert height == width

    def test_stack_of_images_brings_its_own_shape(self):
        X = np.random.default_rng(0).random((2, 3, 5))
        np.testing.assert_array_equal(tiles_of(plot.images(X, n_columns=2), 1, 2, (3, 5)), X)

    def test_sparse(self):
        ax = plot.images(csr_array(DIGITS[:2]), n_columns=2)
        np.testing.assert_array_equal(tiles_of(ax, 1, 2, (8, 8)).reshape(2, 64), DIGITS[:2])

    def test_limits_follow_data_outside_the_unit_interval(self):
        assert plot.images(DIGITS[:2] * 16).images[0].get_clim() == (0.0, DIGITS[:2].max() * 16)
        assert plot.images(DIGITS[:2], limits=(-1, 2)).images[0].get_clim() == (-1, 2)

    @pytest.mark.parametrize(
        ("X", "options", "message"),
        [
            (np.ones((2, 60)), {}, "X has 60 features, which is not a square: give image_shape"),
            (np.ones((2, 60)), {"image_shape": (7, 9)}, "7 × 9 does not fit 60 features"),
            (np.ones((2, 60)), {"image_shape": (-6, -10)}, "does not fit 60 features"),
            (np.ones((0, 64)), {}, "0 sample"),
            (np.full((2, 64), np.nan), {}, "X contains NaN"),
            (np.ones(64), {}, "Expected 2D array"),
            (np.ones((2, 64)), {"n_columns": 0}, "n_columns must be at least 1, got 0"),
        ],
    )
    def test_refusals(self, X, options, message):
        with pytest.raises(ValueError, match=message):
            plot.images(X, **options)


class TestFilters:
    def test_all_units_are_drawn(self, rbm):
        tiles = tiles_of(plot.filters(rbm, n_columns=4), 3, 4, (8, 8))
        np.testing.assert_array_equal(tiles.reshape(12, 64), rbm.components_)

    def test_colours_are_symmetric_about_zero(self, rbm):
        low, high = plot.filters(rbm).images[0].get_clim()
        assert low == -high
        assert 0 < high <= np.abs(rbm.components_).max()
        assert np.mean(np.abs(rbm.components_) <= high) >= 0.99

    def test_colorbar_is_as_high_as_the_grid(self, rbm):
        ax = plot.filters(rbm)
        ax.figure.canvas.draw()
        grid, bar = ax.get_window_extent(), ax.child_axes[0].get_window_extent()
        # The pointed ends of the bar take a little of its height.
        assert 0.85 * grid.height < bar.height <= grid.height
        assert grid.y0 <= bar.y0 < bar.y1 <= grid.y1

    def test_largest_norm_first(self, rbm):
        ax = plot.filters(rbm, n_filters=3, order="norm", n_columns=3)
        tiles = tiles_of(ax, 1, 3, (8, 8)).reshape(3, 64)
        norms = np.sort(np.linalg.norm(rbm.components_, axis=1))[::-1]
        np.testing.assert_allclose(np.linalg.norm(tiles, axis=1), norms[:3])
        assert ax.get_title() == "Weights of 3 of 12 hidden units"

    def test_zero_weights_have_a_scale(self):
        low, high = plot.filters(np.zeros((4, 9))).images[0].get_clim()
        assert low == -high < 0

    def test_given_axes_are_used(self, rbm):
        figure, ax = plt.subplots()
        assert plot.filters(rbm, ax=ax) is ax
        assert plt.get_fignums() == [figure.number]

    def test_refusals(self, rbm):
        with pytest.raises(NotFittedError, match="BernoulliRBM"):
            plot.filters(BernoulliRBM())
        with pytest.raises(ValueError, match="order must be 'index' or 'norm', got 'size'"):
            plot.filters(rbm, order="size")
        with pytest.raises(ValueError, match="n_filters must be at least 1"):
            plot.filters(rbm, n_filters=0)
        with pytest.raises(ValueError, match="components_ contains NaN"):
            plot.filters(np.full((2, 4), np.nan))


class TestReconstructions:
    def test_rows_in_order_with_labels(self):
        rebuilt, masked = 1 - DIGITS, DIGITS.copy()
        masked[:, 32:] = np.nan
        ax = plot.reconstructions(rebuilt, DIGITS, rows={"masked": masked}, n_images=4)
        tiles = tiles_of(ax, 3, 4, (8, 8)).reshape(12, 64)
        np.testing.assert_array_equal(tiles, np.vstack([DIGITS[:4], rebuilt[:4], masked[:4]]))
        labels = [label.get_text() for label in ax.get_yticklabels()]
        assert labels == ["original", "reconstruction", "masked"]
        n_pixels = ax.images[0].get_array().shape[0]
        np.testing.assert_allclose(ax.get_yticks()[1], (n_pixels - 1) / 2)

    def test_model_reconstructs(self):
        model = fastnn.RBM(8, n_iter=1, binarize="sample", random_state=0).fit(DIGITS)
        tiles = tiles_of(plot.reconstructions(model, DIGITS, n_images=3), 2, 3, (8, 8))
        np.testing.assert_allclose(tiles[3:].reshape(3, 64), model.reconstruct(DIGITS[:3]))

    def test_fewer_images_than_columns(self):
        tiles_of(plot.reconstructions(DIGITS[:2], DIGITS[:2]), 2, 2, (8, 8))

    def test_given_axes_are_used(self):
        _, ax = plt.subplots()
        assert plot.reconstructions(DIGITS, DIGITS, ax=ax) is ax

    def test_refusals(self, rbm):
        with pytest.raises(TypeError, match="BernoulliRBM has no method reconstruct"):
            plot.reconstructions(rbm, DIGITS)
        with pytest.raises(ValueError, match=r"reconstruction: expected shape \(12, 64\)"):
            plot.reconstructions(DIGITS[:, :49], DIGITS)
        with pytest.raises(ValueError, match=r"short: .* got \(3, 64\)"):
            plot.reconstructions(DIGITS, DIGITS, rows={"short": DIGITS[:3]})


class TestHistograms:
    def test_counts_every_value(self, rbm):
        axes = plot.histograms(rbm, DIGITS, bins=20)
        titles = [ax.get_title() for ax in axes]
        assert titles == ["weights", "visible bias", "hidden bias", "hidden probability"]
        counts = [sum(bar.get_height() for bar in ax.patches) for ax in axes]
        assert counts == [12 * 64, 64, 12, 200 * 12]

    def test_named_arrays_on_given_axes(self):
        _, given = plt.subplots(2)
        axes = plot.histograms({"a": np.arange(4), "b": np.ones((2, 2, 2))}, bins=4, ax=given)
        assert list(axes) == list(given)
        assert [bar.get_height() for bar in axes[0].patches] == [1, 1, 1, 1]

    def test_refusals(self, rbm):
        with pytest.raises(NotFittedError):
            plot.histograms(BernoulliRBM())
        with pytest.raises(ValueError, match="3 panels need 3 axes, got 1"):
            plot.histograms(rbm, ax=plt.subplots()[1])
        with pytest.raises(ValueError, match="bias contains infinity"):
            plot.histograms({"bias": np.array([1.0, np.inf])})


class TestHistory:
    RECORD = {
        "epoch": [1, 2, 3],
        "time": [0.1, 0.1, 0.1],
        "reconstruction": [0.3, 0.2, 0.1],
        "free_energy_gap": [0.0, -0.1, -0.3],
    }

    def test_one_curve_a_monitor(self):
        axes = plot.history(self.RECORD)
        assert [ax.get_title() for ax in axes] == ["reconstruction", "free energy gap"]
        np.testing.assert_array_equal(axes[0].lines[0].get_xdata(), [1, 2, 3])
        np.testing.assert_array_equal(axes[1].lines[0].get_ydata(), [0.0, -0.1, -0.3])

    def test_chosen_monitor_on_given_axes(self):
        _, ax = plt.subplots()
        axes = plot.history(self.RECORD, monitors=["time"], ax=ax)
        assert list(axes) == [ax]
        np.testing.assert_array_equal(ax.lines[0].get_ydata(), [0.1, 0.1, 0.1])

    def test_fitted_model(self):
        model = fastnn.RBM(8, n_iter=2, binarize="sample", random_state=0).fit(DIGITS)
        axes = plot.history(model, monitors=["reconstruction"])
        np.testing.assert_array_equal(axes[0].lines[0].get_ydata(), model.history_["reconstruction"])
        assert len(axes[0].lines[0].get_xdata()) == 2

    @pytest.mark.parametrize(
        ("record", "options", "message"),
        [
            (RECORD, {"monitors": ["loss"]}, "no monitor 'loss' in the history"),
            ({"epoch": [], "loss": []}, {}, "the history is empty"),
            ({"epoch": [1]}, {}, "the history is empty"),
            ({"epoch": [1, 2], "loss": [0.5]}, {}, "loss: 1 values for 2 epochs"),
        ],
    )
    def test_refusals(self, record, options, message):
        with pytest.raises(ValueError, match=message):
            plot.history(record, **options)

    def test_unfitted_model(self):
        with pytest.raises(NotFittedError):
            plot.history(BernoulliRBM())


@pytest.mark.parametrize("draw", [plot.images, plot.filters])
def test_without_matplotlib_the_error_says_what_to_install(draw, monkeypatch):
    real_import = builtins.__import__

    def fake_import(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", fake_import)
    with pytest.raises(ImportError, match=r'pip install "fastnn\[plot\]"'):
        draw(np.ones((4, 9)))
