"""Evaluates TinyCnnLsa in PyTorch or ONNX Runtime for `cargo xtask bench infer --peers`, see blocks.py.

A call takes images that lie ready as a tensor and returns logits. Before anything is timed, they are compared with
ours, at every batch size. The networks beside our own have random weights and are not compared.
"""

import argparse
import io
import logging
import warnings

import torch
from safetensors.torch import load_file

from blocks import largest_difference, require_same, serve, tell
from networks_torch import OWN, described, network_of
from trainable_torch import TrainableTinyCnnLsa

WARM_UP = 5


def torch_calls(model, batches, variant):
    if variant != "eager":
        model = model.to(memory_format=torch.channels_last)
        batches = {size: batch.contiguous(memory_format=torch.channels_last) for size, batch in batches.items()}
    if variant == "compile":
        from torch._inductor import config

        # weights become constants, so that normalisations are folded into the convolutions
        config.freezing = True
        torch._dynamo.config.recompile_limit = 2 * len(batches) + 8
        model = torch.compile(model, dynamic=False)

    def call(batch_size):
        with torch.no_grad():
            return model(batches[batch_size])

    return f"torch {torch.__version__}", call


def onnx_calls(model, batches, threads):
    import onnxruntime

    exported = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        example = next(iter(batches.values()))
        axes = {"images": {0: "batch"}, "logits": {0: "batch"}}
        torch.onnx.export(
            model, (example,), exported, input_names=["images"], output_names=["logits"], dynamic_axes=axes, dynamo=False
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(exported.getvalue(), options, providers=["CPUExecutionProvider"])
    arrays = {size: batch.numpy() for size, batch in batches.items()}

    def call(batch_size):
        return torch.from_numpy(session.run(None, {"images": arrays[batch_size]})[0])

    return f"onnxruntime {onnxruntime.__version__}", call


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a model.safetensors")
    parser.add_argument("--batch", required=True, help="safetensors with images and our logits")
    parser.add_argument("--batch-sizes", required=True, help="such as 1,32,128")
    parser.add_argument("--variant", required=True, choices=["eager", "channels-last", "compile", "onnxruntime"])
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--block-seconds", type=float, default=2.0)
    arguments = parser.parse_args()

    logging.disable(logging.WARNING)
    torch.set_num_threads(arguments.threads)
    ours = load_file(arguments.batch)
    sizes = [int(size) for size in arguments.batch_sizes.split(",")]
    batches = {size: ours["images"][:size].clone() for size in sizes}
    kind, _ = described(arguments.model)
    model = (TrainableTinyCnnLsa if kind == OWN else network_of)(arguments.model).eval()
    for weight in model.parameters():
        weight.requires_grad_(False)
    if arguments.variant == "onnxruntime":
        version, call = onnx_calls(model, batches, arguments.threads)
    else:
        version, call = torch_calls(model, batches, arguments.variant)
    difference = None
    if kind == OWN:
        difference = max(largest_difference(call(size), ours["logits"][:size]) for size in sizes)
        require_same("the logits", difference, 1e-3)
    for size in sizes:
        for _ in range(WARM_UP):
            call(size)
    tell(ready=version, difference=difference)
    serve(call, arguments.block_seconds, least=5)


if __name__ == "__main__":
    main()
