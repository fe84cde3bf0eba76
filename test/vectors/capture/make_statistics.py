"""Makes statistics.json: numbers that NumPy and SciPy give, to check lib/capture against.

Run: python3 make_statistics.py (needs python3-scipy). Versions are recorded in the file.
"""

import csv
import json
from pathlib import Path

import numpy as np
import scipy
from scipy import signal, special, stats
from scipy.stats import _ksstats

HERE = Path(__file__).parent
random = np.random.default_rng(20191)


def numbers(values):
    return [float(value) for value in values]


def monerod():
    rows = list(csv.DictReader((HERE / "monerod-noise.csv").open()))
    rows.sort(key=lambda row: float(row["time"]))
    every = np.array([float(row["interval_s"]) for row in rows if row["interval_s"]])
    # The first 207 are what had been recorded when the figures of the description were made.
    first = every[:207]
    law = stats.uniform(10, 5)
    test = stats.kstest(first, law.cdf)
    counts, _ = np.histogram(first, bins=10, range=(10, 15))
    return {
        "all": len(every),
        "outside": numbers(every[(every < 10) | (every > 15)]),
        "count": len(first),
        "min": first.min(),
        "max": first.max(),
        "mean": first.mean(),
        "deviation_sample": first.std(ddof=1),
        "deviation_population": first.std(),
        "quantiles": numbers(np.quantile(first, [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99])),
        "histogram": counts.tolist(),
        "entropy_bits": stats.entropy(counts, base=2),
        "kolmogorov": [
            test.statistic,
            _ksstats._kolmogn_DMTW(len(first), test.statistic, cdf=False),
        ],
        "critical_5_percent": stats.kstwo.isf(0.05, len(first)),
        "chi_square_10_bins": numbers(stats.chisquare(counts)),
        "autocorrelation": numbers(autocorrelation(first, 5)),
    }


def autocorrelation(values, lags):
    d = values - values.mean()
    return [(d[lag:] * d[:-lag]).sum() / (d * d).sum() for lag in range(1, lags + 1)]


def ljung_box(values, lags):
    n = len(values)
    r = np.array(autocorrelation(values, lags))
    q = n * (n + 2) * (r**2 / (n - np.arange(1, lags + 1))).sum()
    return [q, stats.chi2.sf(q, lags)]


def delong(scores, labels):
    """By definition, from every pair (DeLong, DeLong and Clarke-Pearson 1988, equations 4 to 6)."""
    x, y = scores[labels == 1], scores[labels == 0]
    wins = (x[:, None] > y[None, :]) + 0.5 * (x[:, None] == y[None, :])
    variance = wins.mean(1).var(ddof=1) / len(x) + wins.mean(0).var(ddof=1) / len(y)
    return wins.mean(), np.sqrt(variance)


def auc_cases():
    for positives, negatives, shift, digits in [(20, 30, 0.8, 1), (7, 50, 0.0, 0), (40, 40, 2.0, 3)]:
        labels = random.permutation(np.r_[np.ones(positives, int), np.zeros(negatives, int)])
        scores = np.round(random.normal(size=len(labels)) + shift * labels, digits)
        area, error = delong(scores, labels)
        u = stats.mannwhitneyu(scores[labels == 1], scores[labels == 0])
        assert abs(u.statistic / (positives * negatives) - area) < 1e-12
        yield {
            "scores": numbers(scores),
            "labels": labels.tolist(),
            "midranks": numbers(stats.rankdata(scores)),
            "auc": area,
            "u": float(u.statistic),
            "standard_error": error,
        }


def kolmogorov_cases():
    for n in [1, 2, 5, 10, 50, 207, 500, 501, 1000, 10000, 200000]:
        for x in [0.3, 0.5, 0.8276, 1.0, 1.358, 1.628, 2.5, 4.0]:
            d = x / np.sqrt(n)
            if d < 1:
                # Above 140 values the public function takes a limit; the matrix is exact.
                exact = _ksstats._kolmogn_DMTW(n, d, cdf=False) if n <= 500 and x < 2 else None
                yield [n, float(d), float(stats.kstwo.sf(d, n) if exact is None else exact)]


series = np.cumsum(random.normal(size=200)) * 0.1 + random.normal(size=200)
frequencies, powers = signal.periodogram(series, detrend="constant", scaling="spectrum", nfft=256)

result = {
    "made_with": {"scipy": scipy.__version__, "numpy": np.__version__},
    "monerod": monerod(),
    "log_gamma": [[x, float(special.gammaln(x))] for x in [0.1, 0.5, 1, 2.5, 10.3, 171, 5000]],
    "chi_square_tail": [
        [x, k, float(stats.chi2.sf(x, k))]
        for k in [1, 2, 5, 10, 49, 300]
        for x in [0.01, 1.0, 3.841, 18.307, 60.0, 350.0]
    ],
    "chi_square_critical": [
        [p, k, float(stats.chi2.isf(p, k))] for k in [1, 9, 49] for p in [0.2, 0.05, 0.001]
    ],
    "noncentral_tail": [
        [x, k, nc, float(stats.ncx2.sf(x, k, nc))]
        for x, k, nc in [(3.841, 1, 7.849), (16.919, 9, 15.0), (66.34, 49, 30.0), (66.34, 49, 0.5)]
    ],
    "normal_cdf": [[z, float(stats.norm.cdf(z))] for z in [-6, -1.96, -0.3, 0, 0.5, 2.5]],
    "normal_quantile": [[p, float(stats.norm.ppf(p))] for p in [1e-6, 0.025, 0.2, 0.5, 0.8, 0.999]],
    "kolmogorov_tail": list(kolmogorov_cases()),
    "auc": list(auc_cases()),
    "serial": {
        "values": numbers(series),
        "autocorrelation": numbers(autocorrelation(series, 10)),
        "ljung_box_10": numbers(ljung_box(series, 10)),
        # SciPy's spectrum is one-sided and of squared amplitudes; here it is undone.
        "periodogram_256": numbers(
            powers * len(series) / np.where((frequencies == 0) | (frequencies == 0.5), 1, 2)
        ),
    },
}
(HERE / "statistics.json").write_text(json.dumps(result, indent=1, default=float) + "\n")
