"""One table of many runs: those that differ in the seed alone are a row, with mean and standard deviation."""

from __future__ import annotations

import statistics

from summarymixing.metrics.measures import interval, resampled
from summarymixing.reports.comparison import compare, read_run
from summarymixing.reports.comparison_report import number


def sweep_results(groups: dict[str, list[str]], command: list[str]) -> dict:
    """Read the runs of a sweep and put those of each setting together.

    Parameters
    ----------
    groups : dict of str to list of str
        For each setting the run folders of its seeds; differences are to the first setting.
    command : list of str
        The command line, for the record.

    Returns
    -------
    dict
        For JSON: what :func:`~summarymixing.reports.comparison.compare` gives of all runs, and ``settings``: for each
        setting its ``folders`` and costs, and in ``splits`` the measures of each test set: ``values`` of the runs,
        ``mean`` and ``deviation`` (of the seeds, None for one) in percent, ``difference`` of the means to the first
        setting in percentage points, and its ``difference_interval``. The interval comes from resampled utterances,
        the same ones for all runs: it says how sure the difference is on more speech, and not with more seeds.

    Raises
    ------
    InputError
        If a run is not finished, or was tested on other utterances.
    """
    runs = [read_run(folder) for folders in groups.values() for folder in folders]
    result = compare(runs, command)
    result["settings"], place = {}, 0
    columns = {}
    for setting, folders in groups.items():
        columns[setting] = list(range(place, place + len(folders)))
        place += len(folders)
        found = [result["runs"][column] for column in columns[setting]]
        costs = {
            key: _mean(run[key] for run in found) for key in ("parameters", "seconds_per_epoch", "peak_memory_bytes")
        }
        result["settings"][setting] = {"folders": [run["folder"] for run in found], **costs, "splits": {}}
    first = next(iter(groups))
    for split, measures in runs[0].measures.items():
        for name, measure in measures.items():
            samples = resampled([run.measures[split][name] for run in runs])
            means = {setting: samples[:, places].mean(1) for setting, places in columns.items()}
            for setting, places in columns.items():
                values = [runs[column].measures[split][name].value for column in places]
                baseline = [runs[column].measures[split][name].value for column in columns[first]]
                result["settings"][setting]["splits"].setdefault(split, {})[name] = {
                    "title": measure.title,
                    "values": values,
                    "mean": statistics.fmean(values),
                    "deviation": statistics.stdev(values) if len(values) > 1 else None,
                    "difference": statistics.fmean(values) - statistics.fmean(baseline),
                    "difference_interval": interval(means[setting] - means[first]),
                }
    return result


def sweep_rows(result: dict) -> list[list[str]]:
    """Lay out the settings of :func:`sweep_results` as rows of text, the header first.

    Parameters
    ----------
    result : dict
        From :func:`sweep_results`.

    Returns
    -------
    list of list of str
    """
    percent = f"{100 * result['bootstrap']['confidence']:g} %"
    first = next(iter(result["settings"].values()))
    header = ["setting", "runs", "parameters (M)"]
    for split, measures in first["splits"].items():
        for measure in measures.values():
            header += [f"{split} {measure['title']} (%)", f"{split} {measure['title']} - first [{percent}]"]
    rows = [[*header, "s/epoch", "peak memory (GB)"]]
    for name, setting in result["settings"].items():
        row = [name, str(len(setting["folders"])), number(setting["parameters"], 2, 1e6)]
        for measures in setting["splits"].values():
            for measure in measures.values():
                spread = "" if measure["deviation"] is None else f" ± {measure['deviation']:.2f}"
                low, high = measure["difference_interval"]
                difference = f"{measure['difference']:+.2f} [{low:+.2f}, {high:+.2f}]"
                row += [f"{measure['mean']:.2f}{spread}", "first" if setting is first else difference]
        rows.append([*row, number(setting["seconds_per_epoch"], 1), number(setting["peak_memory_bytes"], 2, 1e9)])
    return rows


def _mean(values):
    values = list(values)
    return None if None in values else statistics.fmean(values)
