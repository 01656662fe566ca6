"""What is measured of an explained image: functions from a subject to an error.

A subject holds the tensors of an image's attributions.safetensors by their names, and what the metadata says.
"""

import json
from pathlib import Path

import numpy as np
from safetensors import safe_open

from explanation_checks import (
    exact_shapley,
    flow_row,
    lime_image_explanation,
    lime_solution,
    numbers_of,
    relative_error,
    residual_matrices,
    rollout_matrix,
    shap_explanations,
    shap_solution,
    solve,
)
from explanation_twin import Twin

# The seeds of the quality of KernelSHAP, on the exported values of all coalitions.
QUALITY_SEEDS = range(5)
# Segments that look the same hidden and shown are no players; images with fewer players than these are left out.
QUALITY_PLAYERS = 12
QUALITY_EVALUATIONS = 2080


def read(folder):
    """The tensors of an image by their names, with what the metadata says of target and settings."""
    with safe_open(Path(folder) / "attributions.safetensors", framework="np") as file:
        subject = {name: file.get_tensor(name) for name in file.keys()}
        metadata = json.loads(file.metadata()["tinylsa"])
    return {**subject, "folder": folder, "target": metadata["target"], "settings": metadata["settings"]}


def settings(subject, method):
    return subject["settings"][method]["method"]


def heads_of(subject, method="multi-head-attention"):
    """The matrices of every layer and head, `[layers, heads, tokens, tokens]`."""
    layers = []
    while f"{method}/layer-{len(layers)}/head-0" in subject:
        prefix = f"{method}/layer-{len(layers)}/head-"
        count = sum(name.startswith(prefix) for name in subject)
        layers.append([subject[f"{prefix}{head}"] for head in range(count)])
    return np.array(layers)


def players_of(subject, method):
    """The masks of the segments that are players, `[coalitions, players]`: the others are shown in every coalition."""
    return subject[f"{method}/masks"][:, subject[f"{method}/players"]]


def shapley_of(subject, method):
    """The values of the players."""
    return subject[f"{method}/shapley"][subject[f"{method}/players"]]


def has_segments_of_exact(subject, method):
    return np.array_equal(subject[f"{method}/segments"], subject["exact-shapley/segments"])


def in_standard_errors(found, expected, errors):
    """The Euclidean error, in units of the norm of the standard errors: about 1 where these tell the truth."""
    return float(np.linalg.norm(found - expected) / np.linalg.norm(errors))


def root_mean_square(errors):
    return float(np.sqrt(np.mean(np.square(errors))))


def with_quality(subjects, solver):
    """Adds the KernelSHAP values of several seeds to the subjects whose coalitions were all evaluated."""
    able = [subject for subject in subjects if len(subject.get("exact-shapley/values", [])) >= 1 << QUALITY_PLAYERS]
    for subject in able:
        coalitions = np.arange(len(subject["exact-shapley/values"]))
        if not np.array_equal(numbers_of(players_of(subject, "exact-shapley")), coalitions):
            raise ValueError(f"{subject['folder']}: the coalitions are not in the order of their numbers")
        config = {"evaluations": QUALITY_EVALUATIONS, "tolerance": 0.0}
        game = subject["exact-shapley/values"].tolist()
        problems = [{"kernel-shap": {"game": game, "config": config, "seed": seed}} for seed in QUALITY_SEEDS]
        solutions = solve(problems, solver)
        subject["kernel-shap-seeds"] = np.array([solution["shapley"] for solution in solutions])
    return subjects


class Measures:
    """The measures that need the network in PyTorch."""

    def __init__(self, model):
        self.twin = Twin(model)

    def logits(self, subject):
        return relative_error(subject["logits"], self.twin.logits(subject["image"][None])[0])

    def input_gradient(self, subject):
        expected = self.twin.input_gradient(subject["image"], subject["target"])
        return relative_error(subject["input-gradient/attribution"], expected)

    def input_times_gradient(self, subject):
        expected = subject["image"] * self.twin.input_gradient(subject["image"], subject["target"])
        return relative_error(subject["input-times-gradient/attribution"], expected)

    def integrated_gradients(self, rules, steps=None):
        """Of subjects with one of the rules and, if a number of steps is given, with paths of that number alone."""

        def measure(subject):
            rule = settings(subject, "integrated-gradients")["rule"]
            if rule not in rules or (steps and np.any(subject["integrated-gradients/steps"] != steps)):
                return None
            expected = self.twin.integrated_gradients(
                subject["image"],
                subject["integrated-gradients/baselines"],
                subject["target"],
                rule,
                subject["integrated-gradients/steps"],
            )
            return relative_error(subject["integrated-gradients/attribution"], expected)

        return measure

    def grad_cam(self, subject):
        if not settings(subject, "grad-cam")["rectify"]:
            return None
        return relative_error(subject["grad-cam/map"], self.twin.grad_cam(subject["image"], subject["target"]))

    def occlusion(self, subject):
        config = settings(subject, "occlusion")
        window = [config["height"], config["width"]]
        strides = [config["row_stride"], config["column_stride"]]
        replacement = subject["occlusion/replacement"][0]
        expected = self.twin.occlusion(subject["image"], replacement, subject["target"], window, strides)
        return relative_error(subject["occlusion/attribution"].sum(axis=0), expected)

    def rise(self, subject):
        """In the standard errors of both, which draw different masks."""
        config = settings(subject, "rise")
        found, cells = subject["rise/expectation"].sum(axis=0), [config["rows"], config["columns"]]
        expected, error = self.twin.rise(
            subject["image"],
            subject["rise/replacement"][0],
            subject["target"],
            config["masks"],
            cells,
            config["probability"],
        )
        return in_standard_errors(found, expected, np.hypot(subject["rise/standard_error"], error))

    def expected_gradients(self, subject):
        background = subject["expected-gradients/background"]
        expected = self.twin.expected_gradients(subject["image"], background, subject["target"])
        errors = subject["expected-gradients/standard_error"]
        return in_standard_errors(subject["expected-gradients/attribution"], expected, errors)

    def coalition_values(self, method, stride):
        def measure(subject):
            masks = subject[f"{method}/masks"][::stride]
            segments = subject[f"{method}/segments"]
            found = [
                self.twin.coalition_values(subject["image"], hidden, segments, masks, subject["target"])
                for hidden in subject[f"{method}/replacements"]
            ]
            return relative_error(subject[f"{method}/values"][::stride], np.mean(found, axis=0))

        return measure

    def attention(self, subject):
        heads, expected = heads_of(subject), self.twin.attention(subject["image"])
        return relative_error(heads, expected)

    def fixed_queries(self, subject):
        expected = self.twin.attention(subject["image"])[:, :, subject["fixed-query/queries"]]
        return relative_error(heads_of(subject, "fixed-query"), expected)

    def gradient_rollout(self, subject):
        expected = self.twin.gradient_rollout(subject["image"], subject["target"])
        return relative_error(subject["gradient-rollout/matrix"], expected)

    def lime_image(self, subject):
        """How far ours are from lime_image's, relative to how far those of two of its seeds are from one another."""
        config = settings(subject, "lime")
        filled = subject["settings"]["lime"]["fill"]["kind"]
        if filled != "segment-mean" or (config["kernel_width"], config["penalty"]) != (0.25, 1.0):
            return None
        first, second = (
            lime_image_explanation(
                subject["image"],
                self.twin.logits,
                subject["lime/segments"],
                subject["target"],
                len(subject["lime/values"]),
                batch_size=64,
                seed=seed,
            )
            for seed in [0, 1]
        )
        return float(np.linalg.norm(subject["lime/coefficients"] - first) / np.linalg.norm(second - first))


def gauss_legendre(name):
    """Nodes or weights of every path, if the rule is that of Gauss and Legendre."""

    def measure(subject):
        if settings(subject, "integrated-gradients")["rule"] != "gauss-legendre":
            return None
        expected = []
        for steps in subject["integrated-gradients/steps"]:
            nodes, weights = np.polynomial.legendre.leggauss(int(steps))
            expected.append((1 + nodes) / 2 if name == "positions" else weights / 2)
        return float(np.abs(subject[f"integrated-gradients/{name}"] - np.concatenate(expected)).max())

    return measure


def segment_fill(subject):
    """Hidden segments show their mean, computed in f64."""
    if subject["settings"]["lime"]["fill"]["kind"] != "segment-mean":
        return None
    image, segments = subject["image"].astype(np.float64), subject["lime/segments"]
    expected = np.empty_like(image)
    for segment in np.unique(segments):
        expected[:, segments == segment] = image[:, segments == segment].mean(axis=1, keepdims=True)
    return relative_error(subject["lime/replacements"][0], expected)


def exact_values(subject):
    if len(subject["exact-shapley/players"]) == 0:
        return None
    return relative_error(shapley_of(subject, "exact-shapley"), exact_shapley(subject["exact-shapley/values"]))


def spread_over_segments(method, values):
    """The image's map gives every pixel of a segment an equal share of the segment's value."""

    def measure(subject):
        segments = subject[f"{method}/segments"]
        shares = subject[f"{method}/{values}"] / np.bincount(segments.ravel())
        return relative_error(subject[f"{method}/attribution"][0], shares[segments])

    return measure


def kernel_shap_solver(subject):
    if len(subject["kernel-shap/players"]) < 2:
        return None
    values = subject["kernel-shap/values"]
    masks, weights = players_of(subject, "kernel-shap")[2:], subject["kernel-shap/weights"]
    expected = shap_solution(masks, weights, values[2:], values[0], values[1])
    return relative_error(shapley_of(subject, "kernel-shap"), expected)


def additivity(method):
    def measure(subject):
        change = subject[f"{method}/full_value"][0] - subject[f"{method}/base_value"][0]
        return abs(float(subject[f"{method}/shapley"].sum() - change)) / abs(change)

    return measure


def same_coalitions(subject):
    """The values that KernelSHAP saw are those of the enumeration: the same images in other batches."""
    if not has_segments_of_exact(subject, "kernel-shap"):
        return None
    numbers = numbers_of(players_of(subject, "kernel-shap"))
    return relative_error(subject["kernel-shap/values"], subject["exact-shapley/values"][numbers])


def root_mean_square_errors(found, exact):
    """The root mean square error of each row, relative to the largest exact value."""
    return np.sqrt(np.mean(np.square(found - exact), axis=1)) / np.abs(exact).max()


def quality_error(subject):
    return float(root_mean_square_errors(subject["kernel-shap-seeds"], shapley_of(subject, "exact-shapley")).mean())


def quality_beside_shap(subject):
    """The mean error over that of shap, with as many evaluations of the same game."""
    exact = shapley_of(subject, "exact-shapley")
    theirs = shap_explanations(subject["exact-shapley/values"], QUALITY_EVALUATIONS, QUALITY_SEEDS)
    return quality_error(subject) / float(root_mean_square_errors(theirs, exact).mean())


def quality_correlation(subject):
    exact = shapley_of(subject, "exact-shapley")
    return float(np.mean([np.corrcoef(values, exact)[0, 1] for values in subject["kernel-shap-seeds"]]))


def against_exact(method):
    def measure(subject):
        errors = subject.get(f"{method}/standard_errors")
        if errors is None or not errors.any() or not has_segments_of_exact(subject, method):
            return None
        return in_standard_errors(subject[f"{method}/shapley"], subject["exact-shapley/shapley"], errors)

    return measure


def lime_solver(name):
    def measure(subject):
        config = settings(subject, "lime")
        arguments = subject["lime/masks"], subject["lime/values"], config["kernel_width"], config["penalty"]
        expected = np.atleast_1d(lime_solution(*arguments)[name])
        return relative_error(subject[f"lime/{name}"], expected)

    return measure


def attention_output(subject):
    """The largest difference of A V, in f64, and what the layer itself computed, relative to the latter's largest value."""
    worst = 0.0
    for layer, heads in enumerate(heads_of(subject)):
        prefix = f"multi-head-attention/layer-{layer}"
        product = heads @ subject[f"{prefix}/values"].astype(np.float64)
        worst = max(worst, relative_error(product, subject[f"{prefix}/context"]))
    return worst


def attention_row_sums(subject):
    return float(np.abs(heads_of(subject).sum(axis=-1) - 1).max())


def rollout(subject):
    config = settings(subject, "attention-rollout")
    expected = rollout_matrix(heads_of(subject), config["residual"], config["fusion"])
    return relative_error(subject["attention-rollout/matrix"], expected)


def rollout_pooled(subject):
    config = settings(subject, "attention-rollout")
    expected = rollout_matrix(heads_of(subject), config["residual"], config["fusion"]).mean(axis=0)
    return relative_error(subject["attention-rollout/pooled"], expected)


def flow(subject):
    """The flows of the first token, a corner, and of the one in the middle."""
    config = settings(subject, "attention-flow")
    matrices = residual_matrices(heads_of(subject), config["residual"], config["fusion"])
    queries = [0, len(matrices[0]) // 2]
    expected = np.stack([flow_row(matrices, query) for query in queries])
    return relative_error(subject["attention-flow/flows"][queries], expected)
