"""Compares the explanations of images with those of PyTorch, Captum, shap, lime and networkx.

    cargo xtask explain --index 0,1,2,3 --method all --model runs/base/model.safetensors --out explanations
    python3 benchmarks/peers/check_explanations.py --model runs/base/model.safetensors explanations/*/

Integrated Gradients are set beside Captum's in the folders with a rule that Captum has and 50 steps on every path:

    --set explain.integrated-gradients.rule=gauss-legendre --set explain.integrated-gradients.steps=50
    --set explain.integrated-gradients.maximum_steps=50

KernelSHAP and permutation SHAP are set beside the exact values of the folders in which they have the same segments:

    --set explain.segmentation.grid.rows=4 --set explain.segmentation.grid.columns=4 --set explain.exact-shapley.limit=16
    --set explain.exact-shapley.grid.rows=4 --set explain.exact-shapley.grid.columns=4

Each folder holds the attributions.safetensors of one image. A check takes every folder that has what it needs. With
--self-test one value of ours is falsified for each check, which has to notice it. Exits with 1 if a bar is missed or
there was nothing to measure; --allow-absent leaves checks without values out, for folders of a few methods.
"""

import sys

import numpy as np

import explanation_measures as measures
from explanation_checks import Check, needing, parser_of, report
from explanation_measures import Measures
from explanation_twin import CAPTUM_RULES

# PyTorch evaluates every so many of the coalitions, which leaves some hundreds of each image.
STRIDES = {"exact-shapley": 211, "kernel-shap": 7, "permutation-shap": 7, "lime": 5}


def checks_of(model):
    """Every check; those that need more of a folder than the judged value say so."""
    twin = Measures(model)
    torch, own_values = "PyTorch, f32", "ours, in f64"
    ig, heads = "integrated-gradients/", "multi-head-attention/layer-0/head-0"
    exact, seeds = "exact-shapley/shapley", "kernel-shap-seeds"
    rows = [
        Check("logits", torch, 1e-5, "logits", twin.logits),
        Check("input gradient", torch, 1e-5, "input-gradient/attribution", twin.input_gradient),
        Check("input x gradient", torch, 1e-5, "input-times-gradient/attribution", twin.input_times_gradient),
        Check("Gauss-Legendre nodes", "numpy leggauss", 1e-13, f"{ig}positions", measures.gauss_legendre("positions")),
        Check(
            "Gauss-Legendre weights",
            "numpy leggauss",
            1e-13,
            f"{ig}weights",
            measures.gauss_legendre("weights"),
            falsification=1e-9,
        ),
        *[
            Check(
                f"Integrated Gradients, {rule}, 50 steps",
                "Captum",
                1e-4,
                f"{ig}attribution",
                twin.integrated_gradients([rule], steps=50),
            )
            for rule in CAPTUM_RULES
        ],
        Check(
            "Integrated Gradients, any steps, median",
            "Captum",
            1e-5,
            f"{ig}attribution",
            twin.integrated_gradients(CAPTUM_RULES),
            over_subjects=np.median,
        ),
        Check(
            "expected gradients, in standard errors",
            "mean of IG over the background",
            1.5,
            "expected-gradients/attribution",
            twin.expected_gradients,
            over_subjects=measures.root_mean_square,
            falsification=3.0,
        ),
        Check("Grad-CAM, the coarse map", "Captum", 1e-4, "grad-cam/map", twin.grad_cam),
        Check("occlusion", "Captum", 1e-4, "occlusion/attribution", twin.occlusion),
        Check(
            "RISE, in standard errors",
            "RISE with masks of its own",
            1.5,
            "rise/expectation",
            twin.rise,
            over_subjects=measures.root_mean_square,
            falsification=3.0,
        ),
        Check("segment means", own_values, 1e-6, "lime/replacements", measures.segment_fill),
        *[
            Check(
                f"values of coalitions, {method}",
                torch,
                1e-5,
                f"{method}/values",
                twin.coalition_values(method, stride),
                falsified_entry=0,
            )
            for method, stride in STRIDES.items()
        ],
        Check("exact Shapley", "enumeration in f64", 1e-10, exact, measures.exact_values),
        Check(
            "exact Shapley, additivity", "difference of the scores", 1e-6, exact, measures.additivity("exact-shapley")
        ),
        Check("KernelSHAP", "shap's solver, our coalitions", 1e-9, "kernel-shap/shapley", measures.kernel_shap_solver),
        Check(
            "KernelSHAP, additivity",
            "difference of the scores",
            1e-6,
            "kernel-shap/shapley",
            measures.additivity("kernel-shap"),
        ),
        Check(
            "KernelSHAP's coalitions",
            "the same ones enumerated",
            1e-12,
            "kernel-shap/values",
            needing([exact], measures.same_coalitions),
        ),
        Check(
            "KernelSHAP of 5 seeds, relative RMSE, mean",
            "exact Shapley, M >= 12",
            0.02,
            seeds,
            needing([exact], measures.quality_error),
            over_subjects=np.mean,
            falsification=0.5,
        ),
        Check(
            "KernelSHAP of 5 seeds, correlation, mean",
            "exact Shapley, M >= 12",
            0.998,
            seeds,
            needing([exact], measures.quality_correlation),
            over_subjects=np.mean,
            at_least=True,
            falsification=0.5,
        ),
        Check(
            "KernelSHAP of 5 seeds, share of shap's RMSE",
            "shap KernelExplainer, the same game",
            1.0,
            seeds,
            needing([exact], measures.quality_beside_shap),
            over_subjects=np.mean,
            falsification=0.5,
        ),
        *[
            Check(
                f"{title}, in standard errors",
                "exact Shapley",
                1.5,
                f"{method}/shapley",
                needing([exact, f"{method}/standard_errors"], measures.against_exact(method)),
                over_subjects=measures.root_mean_square,
                falsification=3.0,
            )
            for title, method in [("KernelSHAP", "kernel-shap"), ("permutation SHAP", "permutation-shap")]
        ],
        Check(
            "permutation SHAP, additivity",
            "difference of the scores",
            1e-6,
            "permutation-shap/shapley",
            measures.additivity("permutation-shap"),
        ),
        Check(
            "LIME coefficients",
            "LimeBase, our coalitions",
            1e-8,
            "lime/coefficients",
            measures.lime_solver("coefficients"),
        ),
        Check("LIME intercept", "LimeBase, our coalitions", 1e-8, "lime/intercept", measures.lime_solver("intercept")),
        Check(
            "LIME distances",
            "scikit-learn's cosine distances",
            1e-8,
            "lime/distances",
            measures.lime_solver("distances"),
        ),
        Check("LIME weights", "lime's kernel", 1e-8, "lime/weights", measures.lime_solver("weights")),
        Check(
            "LIME as a whole, over lime_image's spread",
            "lime_image, samples of its own",
            1.5,
            "lime/coefficients",
            twin.lime_image,
            over_subjects=measures.root_mean_square,
            falsification=1.0,
        ),
        *[
            Check(
                f"map of segments, {method}",
                own_values,
                1e-6,
                f"{method}/attribution",
                measures.spread_over_segments(method, values),
            )
            for method, values in [
                ("exact-shapley", "shapley"),
                ("kernel-shap", "shapley"),
                ("permutation-shap", "shapley"),
                ("lime", "coefficients"),
            ]
        ],
        Check("attention matrices", torch, 1e-5, heads, twin.attention),
        Check(
            "A V, relative to its largest value",
            "the layer's own output",
            2e-6,
            heads,
            measures.attention_output,
            falsification=0.01,
        ),
        Check("rows of A, sum", "1", 3e-7, heads, measures.attention_row_sums, falsification=1e-3),
        Check("fixed-query rows", torch, 1e-5, "fixed-query/layer-0/head-0", twin.fixed_queries),
        Check(
            "attention rollout",
            "the formula in f64",
            1e-12,
            "attention-rollout/matrix",
            needing([heads], measures.rollout),
        ),
        Check(
            "attention rollout, pooled",
            "the formula in f64",
            1e-12,
            "attention-rollout/pooled",
            needing([heads], measures.rollout_pooled),
        ),
        Check("gradient-weighted rollout", torch, 1e-4, "gradient-rollout/matrix", twin.gradient_rollout),
        Check(
            "attention flow, two queries",
            "networkx Edmonds-Karp",
            1e-9,
            "attention-flow/flows",
            needing([heads], measures.flow),
        ),
    ]
    for check in rows:
        check.measure = needing([check.result], check.measure)
    return rows


def main():
    parser = parser_of(__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--allow-absent", action="store_true", help="leave out checks that no folder has values for")
    parser.add_argument("--case", default="", help="only the checks whose case contains this")
    parser.add_argument("folders", nargs="+", help="folders with an attributions.safetensors")
    arguments = parser.parse_args()
    subjects = measures.with_quality([measures.read(folder) for folder in arguments.folders], arguments.solver)
    checks = [check for check in checks_of(arguments.model) if arguments.case in check.case]
    sys.exit(report(checks, subjects, arguments, arguments.allow_absent))


if __name__ == "__main__":
    main()
