"""Times explanations by Captum, shap, lime and networkx, of the same model on the same images.

    cargo xtask evaluate --model runs/base/model.safetensors --logits images.safetensors
    python3 benchmarks/peers/time_explanations.py --model runs/base/model.safetensors \\
        --images images.safetensors --images 4 --threads 2

Prints one JSON object with the seconds for each image of each case, the median over images and repeats, after a
warm-up. To be called in turn with ours, so that both see the same machine. The cases:

    forward-1000              1000 forward passes alone, in the best batches
    forward-backward-50       50 forward and backward passes alone, in one batch
    captum-ig-50              Integrated Gradients, 50 Gauss-Legendre steps, black baseline
    captum-kernel-shap-2080   KernelShap over a 4 x 4 grid
    shap-kernel-2080          KernelExplainer over a 4 x 4 grid, without hidden selection of features
    lime-1000                 lime_image over a 4 x 4 grid
    exact-shapley-16          65536 forward passes and the enumeration in numpy; only if named, and for one image
    networkx-flow-49x3        all pairs of 49 tokens through 3 layers, Edmonds-Karp; only if named: it takes minutes
    networkx-quickest-49x3    the same by shortest augmenting paths, the quickest of networkx's algorithms here

Hidden segments show their mean. The flows take random attention matrices of a fixed seed, or those of --attention.
"""

import argparse
import json
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file

from explanation_checks import exact_shapley, lime_image_explanation, members_of, residual_matrices
from tinylsa_torch import TinyCnnLsa

GRID = 4
PLAYERS = GRID * GRID
BATCH_SIZES = [16, 32, 64, 128, 256, 512]


class QuickTinyCnnLsa(TinyCnnLsa):
    """With PyTorch's own pooling, which shares no gradient among equal values and is the quickest that it has."""

    def pool(self, x):
        return F.max_pool2d(x, 2)


class Subject:
    """An image with its segments, and the model as a function of coalitions of them."""

    def __init__(self, model, image, batch_size):
        self.model, self.image, self.batch_size = model, torch.from_numpy(np.ascontiguousarray(image)), batch_size
        side = self.image.shape[-1]
        position = np.arange(side) * GRID // side
        self.segments = position[:, None] * GRID + position
        self.hidden = self.image.clone()
        for segment in range(PLAYERS):
            inside = torch.from_numpy(self.segments == segment)
            self.hidden[0, inside] = self.image[0, inside].mean()
        with torch.inference_mode():
            self.target = int(model(self.image[None])[0].argmax())

    def logits(self, images):
        with torch.inference_mode():
            return torch.cat([self.model(batch) for batch in images.split(self.batch_size)])

    def values(self, masks):
        """The logit of the predicted class for coalitions as rows of zeros and ones."""
        found = []
        segments = torch.from_numpy(self.segments)
        masks = torch.from_numpy(np.asarray(masks) > 0.5)
        with torch.inference_mode():
            for rows in masks.split(self.batch_size):
                images = torch.where(rows[:, segments][:, None], self.image, self.hidden)
                found.append(self.model(images)[:, self.target])
        return torch.cat(found).double().numpy()


def forward_1000(subject):
    subject.logits(subject.image.expand(1000, -1, -1, -1).contiguous())


def forward_backward_50(subject):
    images = subject.image.expand(50, -1, -1, -1).clone().requires_grad_()
    torch.autograd.grad(subject.model(images)[:, subject.target].sum(), images)


def captum_ig_50(subject):
    from captum.attr import IntegratedGradients

    IntegratedGradients(subject.model).attribute(subject.image[None], target=subject.target, n_steps=50)


def captum_kernel_shap_2080(subject):
    from captum.attr import KernelShap

    with torch.inference_mode():
        KernelShap(subject.model).attribute(
            subject.image[None],
            baselines=subject.hidden[None],
            target=subject.target,
            feature_mask=torch.from_numpy(subject.segments)[None, None],
            n_samples=2080,
            perturbations_per_eval=subject.batch_size,
        )


def shap_kernel_2080(subject):
    import shap

    explainer = shap.KernelExplainer(subject.values, np.zeros((1, PLAYERS)))
    explainer.shap_values(np.ones((1, PLAYERS)), nsamples=2080, l1_reg=False, silent=True)


def lime_1000(subject):
    def classify(images):
        return subject.logits(torch.from_numpy(images)).numpy()

    lime_image_explanation(
        subject.image.numpy(), classify, subject.segments, subject.target, 1000, subject.batch_size, seed=0
    )


def exact_shapley_16(subject):
    exact_shapley(subject.values(members_of(np.arange(1 << PLAYERS), PLAYERS)))


IMAGE_CASES = {
    "forward-1000": forward_1000,
    "forward-backward-50": forward_backward_50,
    "captum-ig-50": captum_ig_50,
    "captum-kernel-shap-2080": captum_kernel_shap_2080,
    "shap-kernel-2080": shap_kernel_2080,
    "lime-1000": lime_1000,
}
FLOW_CASES = {"networkx-flow-49x3": "edmonds_karp", "networkx-quickest-49x3": "shortest_augmenting_path"}
NAMED_CASES = ["exact-shapley-16", *FLOW_CASES]


def seconds_of(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def best_batch_size(model, image):
    """The batch size of the quickest forward passes."""
    subject = Subject(model, image, 1)

    def seconds(batch_size):
        subject.batch_size = batch_size
        forward_1000(subject)
        return min(seconds_of(lambda: forward_1000(subject)) for _ in range(2))

    return min(BATCH_SIZES, key=seconds)


def attention_layers(path):
    """Attention `[layers, heads, tokens, tokens]`: the tensor `layers` of a file, or random."""
    if path is not None:
        return load_file(path)["layers"]
    scores = np.exp(2.0 * np.random.default_rng(0).random((3, 4, 49, 49)))
    return scores / scores.sum(axis=-1, keepdims=True)


def all_pair_flows(layers, algorithm):
    import networkx

    graph = networkx.DiGraph()
    matrices = residual_matrices(layers, residual=0.5, fusion="mean")
    for level, matrix in enumerate(matrices):
        for (above, below), capacity in np.ndenumerate(matrix):
            graph.add_edge((level + 1, above), (level, below), capacity=capacity)
    tokens, function = len(matrices[0]), getattr(networkx.algorithms.flow, algorithm)
    for query in range(tokens):
        for token in range(tokens):
            networkx.maximum_flow_value(graph, (len(matrices), query), (0, token), flow_func=function)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--images", required=True, help="safetensors with the tensor images, [images, 1, 28, 28]")
    parser.add_argument("--count", type=int, default=4, help="how many of them, the first")
    parser.add_argument(
        "--case", action="append", choices=[*IMAGE_CASES, *NAMED_CASES], help="several times for several"
    )
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-size", type=int, help="of forward passes; left out, the quickest is found first")
    parser.add_argument("--attention", help="safetensors with the tensor layers, [layers, heads, tokens, tokens]")
    parser.add_argument("--json", action="store_true", help="as without: the output is always JSON")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    cases = arguments.case or list(IMAGE_CASES)
    model = QuickTinyCnnLsa(arguments.model)
    images = load_file(arguments.images)["images"][: arguments.count]
    medians = {}
    if any(case not in FLOW_CASES for case in cases):
        batch_size = arguments.batch_size or best_batch_size(model, images[0])
        print(f"batch size {batch_size}, {len(images)} images, {arguments.threads} threads", file=sys.stderr)
        subjects = [Subject(model, image, batch_size) for image in images]
    for case in cases:
        if case in FLOW_CASES:
            layers = attention_layers(arguments.attention)
            medians[case] = seconds_of(lambda: all_pair_flows(layers, FLOW_CASES[case]))
        elif case == "exact-shapley-16":
            forward_1000(subjects[0])
            medians[case] = seconds_of(lambda: exact_shapley_16(subjects[0]))
        else:
            IMAGE_CASES[case](subjects[0])
            runs = [
                seconds_of(lambda: IMAGE_CASES[case](subject))
                for _ in range(arguments.repeats)
                for subject in subjects
            ]
            medians[case] = float(np.median(runs))
    print(json.dumps(medians))


if __name__ == "__main__":
    main()
