"""Compares the numerical parts of tinylsa-xai with those of numpy, shap, lime and networkx on generated problems.

    python3 benchmarks/peers/check_explanation_solvers.py

Needs no model. Ours are solved by the example program solve_json of tinylsa-xai, which cargo builds if it has to. With
--self-test one value of ours is falsified for each check, which has to notice it. Exits with 1 if a bar is missed.
"""

import sys

import numpy as np

from explanation_checks import (
    Check,
    exact_shapley,
    flow_row,
    lime_solution,
    members_of,
    parser_of,
    relative_error,
    report,
    residual_matrices,
    rollout_matrix,
    shap_explanations,
    shap_solution,
    solve,
)


def random_attention(generator, tokens, heads, sharpness):
    """Attention matrices, flat at a sharpness of 0 and nearly permutations at 30; one in four entries is exactly 0."""
    scores = np.exp(sharpness * generator.random((heads, tokens, tokens)))
    scores *= generator.random((heads, tokens, tokens)) > 0.25
    scores += np.eye(tokens) * 1e-3
    return scores / scores.sum(axis=2, keepdims=True)


def attention_problems(generator):
    problems = []
    for tokens in [2, 3, 5, 9, 16]:
        for depth in [1, 2, 3, 4]:
            for fusion, residual, sharpness in [
                ("mean", 0.5, 0.5),
                ("max", 0.3, 8.0),
                ("min", 0.9, 2.0),
                ("mean", 0.0, 30.0),
            ]:
                layers = [random_attention(generator, tokens, 2, sharpness).tolist() for _ in range(depth)]
                problems.append({"layers": layers, "config": {"residual": residual, "fusion": fusion}})
    return problems


def random_game(generator, players):
    """A game with an additive part, smooth interactions, and some of no structure."""
    members = members_of(np.arange(1 << players), players)
    additive = members @ generator.normal(size=players)
    bent = np.maximum(members @ generator.normal(size=(players, 6)) + generator.normal(size=6), 0).sum(axis=1)
    return additive + bent + 0.3 * generator.normal(size=1 << players)


def game_problems(generator):
    exact = [{"game": random_game(generator, players).tolist()} for players in range(1, 13)]
    full = [
        {"game": random_game(generator, players).tolist(), "config": {"evaluations": 1 << players}, "seed": 0}
        for players in [4, 7, 10, 10, 10]
    ]
    sampled = [
        {"game": random_game(generator, players).tolist(), "config": {"evaluations": evaluations}, "seed": seed}
        for players, evaluations in [(8, 60), (10, 300), (12, 1000), (16, 500), (16, 2080)]
        for seed in [0, 1]
    ]
    lime = [
        {
            "game": random_game(generator, players).tolist(),
            "config": {"samples": samples, "kernel_width": width, "penalty": penalty},
            "seed": seed,
        }
        for players, samples, width, penalty in [
            (4, 50, 0.25, 1.0),
            (10, 1000, 0.25, 1.0),
            (16, 1000, 0.25, 1.0),
            (16, 300, 2.0, 0.01),
        ]
        for seed in [0, 1]
    ]
    return {"exact-shapley": exact, "kernel-shap-full": full, "kernel-shap": sampled, "lime": lime}


def subjects_of(generator, solver):
    """Every problem with our solution of it, as one subject."""
    named = [("quadrature", {"rule": "gauss-legendre", "steps": steps}) for steps in range(2, 257)]
    for problem in attention_problems(generator):
        named += [("rollout", problem), ("flow", problem)]
    for name, problems in game_problems(generator).items():
        named += [(name, problem) for problem in problems]
    solutions = solve([{name.removesuffix("-full"): problem} for name, problem in named], solver)
    return [{"problem": name, **problem, **solution} for (name, problem), solution in zip(named, solutions)]


def of_problem(name, measure):
    """`measure` for the subjects of one kind of problem, None for the others."""
    return lambda subject: measure(subject) if subject["problem"] == name else None


def quadrature_nodes(subject):
    nodes, _ = np.polynomial.legendre.leggauss(subject["steps"])
    return relative_error(subject["nodes"], (1 + nodes) / 2)


def quadrature_weights(subject):
    _, weights = np.polynomial.legendre.leggauss(subject["steps"])
    # absolute, as the bar of the nodes: both lie between 0 and 1
    return float(np.abs(np.asarray(subject["weights"]) - weights / 2).max())


def rollout(subject):
    expected = rollout_matrix(subject["layers"], **subject["config"])
    return relative_error(np.reshape(subject["values"], expected.shape), expected)


def flow(subject):
    matrices = residual_matrices(subject["layers"], **subject["config"])
    expected = np.stack([flow_row(matrices, query) for query in range(len(matrices[0]))])
    return relative_error(np.reshape(subject["values"], expected.shape), expected)


def kernel_shap_full(subject):
    expected = shap_explanations(subject["game"], evaluations=len(subject["game"]), seeds=[0])[0]
    return relative_error(subject["shapley"], expected)


def kernel_shap_sampled(subject):
    game = np.asarray(subject["game"])
    coalitions = np.asarray(subject["coalitions"])[2:]
    masks = members_of(coalitions, len(game).bit_length() - 1)
    expected = shap_solution(masks, subject["weights"], game[coalitions], game[0], game[-1])
    return relative_error(subject["shapley"], expected)


def additivity(subject):
    change = subject["game"][-1] - subject["game"][0]
    return abs(sum(subject["shapley"]) - change) / max(abs(change), np.abs(subject["shapley"]).max())


def lime_expected(subject):
    game = np.asarray(subject["game"])
    coalitions = np.asarray(subject["coalitions"])
    masks = members_of(coalitions, len(game).bit_length() - 1)
    config = subject["config"]
    return lime_solution(masks, game[coalitions], config["kernel_width"], config["penalty"])


def lime_coefficients(subject):
    return relative_error(subject["coefficients"], lime_expected(subject)["coefficients"])


def lime_intercept(subject):
    expected = lime_expected(subject)
    scale = max(abs(expected["intercept"]), np.abs(expected["coefficients"]).max())
    return abs(float(subject["intercept"]) - expected["intercept"]) / scale


def lime_weights(subject):
    return relative_error(subject["weights"], lime_expected(subject)["weights"])


CHECKS = [
    Check(
        "Gauss-Legendre nodes, n = 2...256",
        "numpy leggauss",
        1e-13,
        "nodes",
        of_problem("quadrature", quadrature_nodes),
    ),
    Check(
        "Gauss-Legendre weights, n = 2...256",
        "numpy leggauss",
        1e-13,
        "weights",
        of_problem("quadrature", quadrature_weights),
    ),
    Check(
        "attention rollout, N <= 16, L = 1...4", "the formula in f64", 1e-12, "values", of_problem("rollout", rollout)
    ),
    Check("attention flow, N <= 16, L = 1...4", "networkx Edmonds-Karp", 1e-9, "values", of_problem("flow", flow)),
    Check(
        "exact Shapley, M = 1...12",
        "enumeration in f64",
        1e-10,
        "shapley",
        of_problem("exact-shapley", lambda subject: relative_error(subject["shapley"], exact_shapley(subject["game"]))),
    ),
    Check(
        "KernelSHAP, all coalitions, M = 4, 7, 10",
        "shap KernelExplainer",
        1e-9,
        "shapley",
        of_problem("kernel-shap-full", kernel_shap_full),
    ),
    Check(
        "KernelSHAP, sampled, M = 8...16",
        "shap's solver, our coalitions",
        1e-9,
        "shapley",
        of_problem("kernel-shap", kernel_shap_sampled),
    ),
    Check(
        "KernelSHAP, sampled, additivity",
        "the difference of the scores",
        1e-6,
        "shapley",
        of_problem("kernel-shap", additivity),
    ),
    Check(
        "LIME coefficients, M = 4...16",
        "LimeBase, our coalitions",
        1e-8,
        "coefficients",
        of_problem("lime", lime_coefficients),
    ),
    Check("LIME intercept", "LimeBase, our coalitions", 1e-8, "intercept", of_problem("lime", lime_intercept)),
    Check("LIME weights", "lime's distances and kernel", 1e-8, "weights", of_problem("lime", lime_weights)),
]


def main():
    parser = parser_of(__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the generated problems")
    arguments = parser.parse_args()
    sys.exit(report(CHECKS, subjects_of(np.random.default_rng(arguments.seed), arguments.solver), arguments))


if __name__ == "__main__":
    main()
