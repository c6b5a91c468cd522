"""Error rate against compute: what the table, the sentences and the figure say of known points."""

import pytest

from summarymixing.benchmarks.compute import settings_grid
from summarymixing.reports.compute_curve import best_points, curve_table, draw_curve, saving, saving_lines
from summarymixing.utils.errors import InputError


def point(setting, error, other, macs, rtf):
    return {"setting": setting, "errors": {"clean": error, "other": other}, "macs": macs, "rtf": rtf}


@pytest.fixture
def curve():
    """A run of three settings, the middle one worse than the cheapest on one test set, and a run of one setting."""
    several = [
        point({"squeeze": 2}, 10.6, 20.0, 5e7, 0.03),
        point({"squeeze": 1}, 10.0, 20.0, 9e7, 0.04),
        point({"squeeze": 4}, 10.4, 22.0, 3e7, 0.01),
    ]
    runs = [{"label": "several", "points": several}, {"label": "single", "points": [point({}, 9.0, 19.0, 9e7, 0.05)]}]
    return {"metric": "cer", "splits": ["clean", "other"], "runs": runs}


def test_the_table_goes_from_expensive_to_cheap(curve):
    header, *rows = curve_table(curve)
    assert header[2:4] == ["CER % clean", "CER % other"]
    assert [row[:2] for row in rows] == [
        *(["several", f"squeeze {factor}"] for factor in (1, 2, 4)),
        ["single", "fixed"],
    ]
    assert rows[1][2:] == ["10.60", "20.00", "50.0", "0.03", "1.80", "1.33"]
    assert rows[2][-2:] == ["3.00", "4.00"] and rows[3][-2:] == ["1.00", "1.00"]


def test_what_may_be_saved_until_the_error_rises(curve):
    points = curve["runs"][0]["points"]
    assert saving(points, "clean") == {"setting": {"squeeze": 4}, "macs": 9e7 / 3e7, "rtf": 0.04 / 0.01}
    assert saving(points, "other") == {"setting": {"squeeze": 2}, "macs": 9e7 / 5e7, "rtf": 0.04 / 0.03}
    assert saving(points, "other", rise=0.1)["setting"] == {"squeeze": 4}
    assert saving(points, "clean", rise=0.01)["setting"] == {"squeeze": 1}
    lines = saving_lines(curve)
    assert len(lines) == 2 and lines[0].startswith("several, clean: 3.00 times fewer multiply-accumulates and 4.00 ")
    assert "at squeeze 2" in lines[1] and "5 % (relative)" in lines[1]


def test_the_figure_has_all_points_and_a_line_through_the_best(curve):
    assert [p["setting"]["squeeze"] for p in best_points(curve["runs"][0]["points"], "clean", "macs")] == [1, 4]
    figure = draw_curve(curve)
    panels = {axes.get_ylabel() + axes.get_xlabel(): axes for axes in figure.axes}
    assert len(panels) == 4
    for name, axes in panels.items():
        clouds, lines = axes.lines[::2], axes.lines[1::2]
        assert [len(line.get_xdata()) for line in clouds] == [3, 1]
        # On the other test set the middle setting is as good as the most expensive one.
        assert [len(line.get_xdata()) for line in lines] == [2, 1], name
        assert [line.get_label() for line in lines] == ["several", "single"]


def test_a_grid_holds_what_a_run_offers():
    grid = settings_grid({"query_pool": (1, 2), "squeeze": (1, 2, 4)}, {"squeeze": [2, 3, 4], "key_pool": [1]})
    assert grid == [{"query_pool": query, "squeeze": squeeze} for query in (1, 2) for squeeze in (2, 4)]
    assert settings_grid({"squeeze": (2,)}) == [{"squeeze": 2}]
    assert settings_grid({}, {"squeeze": [1]}) == [{}]
    with pytest.raises(InputError, match="--query-pool 3 4: a run offers query_pool 1, 2"):
        settings_grid({"query_pool": (1, 2)}, {"query_pool": [3, 4]})
