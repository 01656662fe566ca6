"""What the checks of explanations share: bars, tables, and a test of the checks themselves."""

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]

# By how many bars a value is falsified when the checks are tested, unless a check says otherwise.
FALSIFICATION = 10.0


@dataclass
class Check:
    """One row of the table: values of ours held against a reference, on any number of subjects.

    A subject is a dictionary of named values, ours and what the reference needs to find the same. `measure` returns the
    error of a subject, or None if the subject has nothing to measure. `result` names the value of ours that is judged;
    the test of the checks falsifies it and expects the bar to be missed.
    """

    case: str
    against: str
    bar: float
    result: str
    measure: Callable
    # how the errors of all subjects become one figure
    over_subjects: Callable = max
    at_least: bool = False
    # how far a value is falsified when the check is tested, relative to the largest; left out, by ten bars
    falsification: float | None = None
    # which entry is falsified then, one that the check looks at
    falsified_entry: int = 1

    def passes(self, figure):
        return bool(figure >= self.bar if self.at_least else figure <= self.bar)


def relative_error(found, reference):
    """The largest difference, relative to the largest magnitude of the reference."""
    found, reference = np.asarray(found, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if found.shape != reference.shape:
        raise ValueError(f"the shapes differ: {found.shape}, expected {reference.shape}")
    largest = np.abs(reference).max()
    return float(np.abs(found - reference).max() / (largest if largest > 0 else 1.0))


def needing(names, measure):
    """None for subjects that lack one of the values."""
    return lambda subject: measure(subject) if all(name in subject for name in names) else None


def falsified(subject, check):
    """The subject with one entry of the judged value off."""
    values = np.array(subject[check.result], dtype=np.float64)
    largest = np.abs(values).max()
    amount = FALSIFICATION * check.bar if check.falsification is None else check.falsification
    values.flat[check.falsified_entry % values.size] += amount * (largest if largest > 0 else 1.0)
    return {**subject, check.result: values}


def measure_all(checks, subjects):
    """One dictionary a check, with the figure over all subjects that have something to measure."""
    rows = []
    for check in checks:
        print(f"measuring {check.case}", file=sys.stderr, flush=True)
        errors = [error for error in map(check.measure, subjects) if error is not None]
        # a NaN would slip through a maximum
        figure = float(check.over_subjects(errors)) if np.isfinite(errors).all() and errors else None
        passed = figure is not None and check.passes(figure)
        row = {"case": check.case, "against": check.against, "subjects": len(errors), "measured": figure}
        row["spread"] = [min(errors), max(errors)] if errors else None
        rows.append({**row, "bar": check.bar, "at_least": check.at_least, "passed": passed})
    return rows


def test_checks(checks, subjects):
    """Falsifies the judged value of one subject for each check; a check passes this test if it then fails."""
    rows = []
    for check in checks:
        subject = next((subject for subject in subjects if check.measure(subject) is not None), None)
        row = {"case": check.case, "against": check.against, "subjects": int(subject is not None)}
        if subject is None:
            rows.append({**row, "measured": None, "bar": check.bar, "at_least": check.at_least, "passed": False})
            continue
        figure = check.measure(falsified(subject, check))
        noticed = not check.passes(figure)
        rows.append({**row, "measured": figure, "bar": check.bar, "at_least": check.at_least, "passed": noticed})
    return rows


def print_table(rows, passed="passed", missed="MISSED"):
    print(f"{'case':<44} {'against':<38} {'subjects':>8} {'measured':>10} {'bar':>10}")
    for row in rows:
        measured = "none" if row["measured"] is None else f"{row['measured']:.2e}"
        bar = f"{'>= ' if row['at_least'] else ''}{row['bar']:.4g}"
        verdict = passed if row["passed"] else missed
        print(f"{row['case']:<44} {row['against']:<38} {row['subjects']:>8} {measured:>10} {bar:>10}  {verdict}")


def report(checks, subjects, arguments, allow_absent=False):
    """Prints the table, or JSON, and returns the exit status: 1 if a bar is missed or nothing was there to measure."""
    rows = (test_checks if arguments.self_test else measure_all)(checks, subjects)
    if allow_absent:
        rows = [row for row in rows if row["subjects"] > 0]
    if arguments.json:
        print(json.dumps(rows, indent=2))
    elif arguments.self_test:
        print("one value of ours falsified for each check, which has to be noticed")
        print_table(rows, "noticed", "NOT NOTICED")
    else:
        print_table(rows)
    return 0 if rows and all(row["passed"] for row in rows) else 1


def parser_of(description):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--self-test", action="store_true", help="falsify a value of ours for each check; all must notice"
    )
    parser.add_argument("--solver", help="a built example program solve_json of tinylsa-xai; left out, cargo runs it")
    return parser


def solve(problems, program=None):
    """Our solutions of a list of problems, by the example program solve_json of tinylsa-xai."""
    command = [program] if program else ["cargo", "run", "--quiet", "--example", "solve_json"]
    answer = subprocess.run(command, input=json.dumps(problems), capture_output=True, text=True, cwd=REPOSITORY)
    if answer.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed: {answer.stderr.strip()}")
    return json.loads(answer.stdout)


def members_of(coalitions, players):
    """Coalition numbers as rows of zeros and ones: player p is a member if bit p is set."""
    return (np.asarray(coalitions)[:, None] >> np.arange(players)) & 1


def numbers_of(masks):
    """The inverse of `members_of`."""
    return np.asarray(masks, dtype=np.int64) @ (1 << np.arange(masks.shape[1]))


def exact_shapley(game):
    """Shapley values by enumeration in f64 of a game given by the values of all coalitions."""
    game = np.asarray(game, dtype=np.float64)
    players = len(game).bit_length() - 1
    coalitions = np.arange(len(game))
    sizes = members_of(coalitions, players).sum(axis=1)
    # 1 / (M C(M - 1, k)), written with factorials
    factorials = np.cumprod(np.concatenate([[1.0], np.arange(1.0, players + 1)]))
    shapley = np.empty(players)
    for player in range(players):
        without = coalitions[(coalitions >> player) & 1 == 0]
        size = sizes[without]
        weights = factorials[size] * factorials[players - size - 1] / factorials[players]
        shapley[player] = np.sum(weights * (game[without | 1 << player] - game[without]))
    return shapley


def shap_solution(masks, weights, values, empty, full):
    """The Shapley values that shap's own solver finds for given coalitions, weights and values."""
    import shap

    players = masks.shape[1]
    explainer = shap.KernelExplainer(lambda rows: np.full(len(rows), empty), np.zeros((1, players)))
    explainer.M, explainer.l1_reg = players, False
    explainer.maskMatrix = np.asarray(masks, dtype=np.float64)
    explainer.kernelWeights = np.asarray(weights, dtype=np.float64)
    explainer.ey = np.asarray(values, dtype=np.float64)[:, None]
    explainer.fnull, explainer.fx = np.array([empty], dtype=np.float64), np.array([full], dtype=np.float64)
    return explainer.solve(1.0, 0)[0]


def shap_explanations(game, evaluations, seeds):
    """The values of shap's KernelExplainer for each seed, with a game as its model and no selection of features."""
    import shap

    game = np.asarray(game)
    players = len(game).bit_length() - 1
    found = []
    for seed in seeds:
        # the explainer draws from numpy's global generator
        np.random.seed(seed)
        explainer = shap.KernelExplainer(lambda rows: game[numbers_of(rows)], np.zeros((1, players)))
        found.append(explainer.shap_values(np.ones((1, players)), nsamples=evaluations, l1_reg=False, silent=True)[0])
    return np.array(found)


def lime_solution(masks, values, kernel_width, penalty):
    """Coefficients and intercept of lime's own solver for given coalitions and values, the first coalition full."""
    from lime.lime_base import LimeBase
    from sklearn.linear_model import Ridge
    from sklearn.metrics import pairwise_distances

    masks = np.asarray(masks, dtype=np.float64)
    distances = pairwise_distances(masks, masks[:1], metric="cosine").ravel()
    base = LimeBase(lambda distance: np.sqrt(np.exp(-(distance**2) / kernel_width**2)))
    intercept, coefficients, _, _ = base.explain_instance_with_data(
        masks,
        np.asarray(values, dtype=np.float64)[:, None],
        distances,
        0,
        masks.shape[1],
        feature_selection="none",
        model_regressor=Ridge(alpha=penalty, fit_intercept=True),
    )
    ordered = np.array([coefficient for _, coefficient in sorted(coefficients)])
    weights = base.kernel_fn(distances)
    return {"coefficients": ordered, "intercept": float(intercept), "distances": distances, "weights": weights}


def lime_image_explanation(image, classify, segments, target, samples, batch_size, seed):
    """The coefficients of lime_image with its own samples, from `classify` of images `[batch, 1, height, width]`."""
    from lime import lime_image

    # its progress bar costs time and writes to the terminal
    lime_image.tqdm = iter
    explainer = lime_image.LimeImageExplainer(feature_selection="none", random_state=seed)
    explanation = explainer.explain_instance(
        np.asarray(image, dtype=np.float64)[0],
        lambda images: classify(np.ascontiguousarray(images[..., 0], dtype=np.float32)[:, None]),
        labels=(target,),
        top_labels=None,
        num_samples=samples,
        batch_size=batch_size,
        segmentation_fn=lambda _: segments,
        random_seed=seed,
    )
    return np.array([coefficient for _, coefficient in sorted(explanation.local_exp[target])])


def residual_matrices(layers, residual, fusion):
    """Heads fused, residual connection added, rows scaled to sum to 1 (Abnar and Zuidema 2020), in f64."""
    fuse = {"mean": np.mean, "max": np.max, "min": np.min}[fusion]
    matrices = []
    for heads in layers:
        fused = fuse(np.asarray(heads, dtype=np.float64), axis=0)
        mixed = (1 - residual) * fused + residual * np.eye(len(fused))
        matrices.append(mixed / mixed.sum(axis=1, keepdims=True))
    return matrices


def rollout_matrix(layers, residual=0.5, fusion="mean"):
    product = None
    for matrix in residual_matrices(layers, residual, fusion):
        product = matrix if product is None else matrix @ product
    return product


def flow_row(matrices, query):
    """The maximum flows from one token after the last layer to every token before the first, by Edmonds and Karp."""
    import networkx

    graph = networkx.DiGraph()
    for level, matrix in enumerate(matrices):
        for above, below in zip(*np.nonzero(matrix)):
            graph.add_edge((level + 1, int(above)), (level, int(below)), capacity=float(matrix[above, below]))
    tokens, top = len(matrices[0]), (len(matrices), query)
    flows = np.zeros(tokens)
    for token in range(tokens):
        if top in graph and (0, token) in graph:
            found = networkx.algorithms.flow.edmonds_karp(graph, top, (0, token))
            flows[token] = found.graph["flow_value"]
    return flows
