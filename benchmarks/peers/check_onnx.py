"""Compares an exported ONNX graph, run by ONNX Runtime, with the program that exported it.

    cargo xtask export --onnx model.onnx --attention
    cargo xtask evaluate --logits logits.safetensors
    cargo xtask explain --index 0..256 --method multi-head-attention,class-evidence --out explained
    python3 benchmarks/peers/check_onnx.py model.onnx logits.safetensors explained/test-*/

The first two arguments are the graph and the first images of a split with their logits. The folders that may follow hold the
attributions.safetensors of explained images, with which the outputs attention.<layer>, class_attention and class_evidence are
compared. The graph is checked by ONNX's own checker first, and given one image at a time, too. Exits with 1 if the largest
difference of a logit exceeds --tolerance of the largest logit, or one of attention --attention-tolerance: its entries are
quotients of sums that carry on the rounding of all layers before, so that later layers differ by more than one unit in the
sixth place.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from safetensors import safe_open
from safetensors.numpy import load_file

# Images that are given one at a time.
ALONE = 8


def session_of(path):
    """The graph on the CPU with as many threads as there are cores."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def check_graph(path):
    """What ONNX's checker says with shape inference, and what the metadata say."""
    onnx.checker.check_model(path, full_check=True)
    model = onnx.load(path)
    opset = {entry.domain: entry.version for entry in model.opset_import}[""]
    properties = {entry.key: entry.value for entry in model.metadata_props}
    config, classes = json.loads(properties["config"]), json.loads(properties["class_names"])
    dims = [dim.dim_param or dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    assert dims[0] == "batch" and dims[1:] == list(config["input"].values()), dims
    assert json.loads(properties["input"])["shape"] == dims
    print(f"{properties['kind']}: opset {opset}, {len(model.graph.node)} nodes, {len(classes)} classes, input {dims}")
    return model


def run(session, images):
    """The outputs by their names."""
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {session.get_inputs()[0].name: images})))


def heads_of(subject):
    """The attention of each layer, `[heads, tokens, tokens]`."""
    layers = []
    while f"multi-head-attention/layer-{len(layers)}/head-0" in subject:
        prefix = f"multi-head-attention/layer-{len(layers)}/head-"
        count = sum(name.startswith(prefix) for name in subject)
        layers.append(np.stack([subject[f"{prefix}{head}"] for head in range(count)]))
    return layers


def expected_of(subject):
    """What the program found, by the names of the outputs of the graph."""
    expected = {f"attention.{layer}": heads for layer, heads in enumerate(heads_of(subject))}
    for name in ("class_attention", "evidence"):
        if f"class-evidence/{name}" in subject:
            expected[name if name.startswith("class") else f"class_{name}"] = subject[f"class-evidence/{name}"]
    return expected


def compare_explained(session, folders):
    """The largest difference of each output over all folders, and how many images it was compared on."""
    apart, counts = {}, {}
    for folder in folders:
        with safe_open(Path(folder) / "attributions.safetensors", framework="np") as file:
            subject = {name: file.get_tensor(name) for name in file.keys()}
        found = run(session, subject["image"][None].astype(np.float32))
        for name, values in expected_of(subject).items():
            if name in found:
                apart[name] = max(apart.get(name, 0.0), float(np.abs(found[name][0] - values).max()))
                counts[name] = counts.get(name, 0) + 1
    return apart, counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("graph")
    parser.add_argument("logits", help="safetensors with the tensors images and logits")
    parser.add_argument("folders", nargs="*", help="folders with an attributions.safetensors")
    parser.add_argument("--tolerance", type=float, default=1e-5)
    parser.add_argument("--attention-tolerance", type=float, default=5e-6)
    arguments = parser.parse_args()

    check_graph(arguments.graph)
    session, ours = session_of(arguments.graph), load_file(arguments.logits)
    images, logits = ours["images"], ours["logits"]
    largest = float(np.abs(logits).max())
    together = run(session, images)["logits"]
    alone = np.concatenate([run(session, images[index : index + 1])["logits"] for index in range(ALONE)])
    failures = []
    for what, found, expected in (("together", together, logits), ("one at a time", alone, logits[:ALONE])):
        difference = float(np.abs(found - expected).max()) / largest
        same = (found.argmax(1) == expected.argmax(1)).mean()
        print(f"{len(found)} images {what}: largest difference {difference:.2e} of the largest logit, {same:.2%} same class")
        if not difference <= arguments.tolerance:
            failures.append(what)

    apart, counts = compare_explained(session, arguments.folders)
    for name, difference in apart.items():
        bound = arguments.tolerance * largest if name == "class_evidence" else arguments.attention_tolerance
        print(f"{name} of {counts[name]} images: largest difference {difference:.2e}, at most {bound:.2e}")
        if not difference <= bound:
            failures.append(name)
    if arguments.folders and not apart:
        failures.append("no output of the graph is in the folders")
    if failures:
        print("off: " + ", ".join(failures))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
