"""Runs sweep files (configs/sweeps/*.toml) in PyTorch on a graphics card, many runs at a time.

Each run is judged as `cargo xtask sweep` judges it, on the validation images alone, which are the same for all runs
with one number of them; but which they are, the initial weights and the order are PyTorch's draws. A table of paired
differences to the sweep's control comes last. Teachers are model files; a run whose teacher another run is still to
write (`--keep`) waits for it.

    python3 sweep_torch.py --data-dir DIR --out DIR --workers 8 --minutes 8 attention-blocks.toml ...
"""

import argparse
import gzip
import itertools
import json
import math
import multiprocessing
import queue
import time
import tomllib
from pathlib import Path

import numpy as np


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweeps", nargs="*", type=Path)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60, help="no run begins or goes on after these")
    parser.add_argument("--set", action="append", default=[], help="changes after those of the sweeps")
    parser.add_argument("--keep", action="append", default=[], help="sweeps whose networks are written")
    parser.add_argument("--full", action="store_true", help="f32 throughout instead of bfloat16 in the products")
    arguments = parser.parse_args()
    arguments.deadline = time.time() + 60 * arguments.minutes
    arguments.out.mkdir(parents=True, exist_ok=True)
    jobs = [job for sweep in arguments.sweeps for job in jobs_of(sweep, arguments.set)]
    run_all(jobs, arguments)
    for sweep in arguments.sweeps:
        report(sweep, arguments.out)


def jobs_of(sweep, extra):
    plan, jobs = plan_of(sweep), []
    base = (sweep.parent / plan["config"]).read_text()
    for seed, variant in itertools.product(plan["seeds"], plan["variants"]):
        config = tomllib.loads(base)
        for change in plan.get("set", []) + variant.get("set", []) + extra:
            apply(config, change)
        jobs.append({"sweep": sweep.stem, "variant": variant["name"], "seed": seed, "config": config})
    return jobs


def plan_of(sweep):
    return tomllib.loads(sweep.read_text())


def apply(config, change):
    key, _, value = change.partition("=")
    *path, last = key.split(".")
    for part in path:
        config = config[int(part)] if isinstance(config, list) else config.setdefault(part, {})
    try:
        value = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        pass
    config[int(last) if isinstance(config, list) else last] = value


def run_all(jobs, arguments):
    """Deals the jobs out in their order; one whose teachers are not there yet waits."""
    waiting, running = list(jobs), {}
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    workers = []
    for _ in range(arguments.workers):
        jobs_of_worker = context.Queue()
        context.Process(target=work, args=(jobs_of_worker, results, arguments), daemon=True).start()
        workers.append(jobs_of_worker)
    idle = list(range(arguments.workers))
    while (waiting or running) and time.time() < arguments.deadline + 20:
        for job in list(waiting):
            teachers = job["config"]["train"]["distillation"]["teachers"]
            if idle and all(Path(teacher).exists() for teacher in teachers) and time.time() < arguments.deadline:
                worker = idle.pop(0)
                waiting.remove(job)
                running[worker] = job
                workers[worker].put((worker, job))
        if not running:
            break
        try:
            worker, line = results.get(timeout=1)
        except queue.Empty:
            continue
        print(line, flush=True)
        running.pop(worker)
        idle.append(worker)
    for jobs_of_worker in workers:
        jobs_of_worker.put(None)
    if waiting or running:
        print(f"{len(waiting)} runs did not begin, {len(running)} did not end")


def work(own_jobs, results, arguments):
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    images, labels = read(arguments.data_dir, "train")
    images, labels = torch.from_numpy(images).to(device), torch.from_numpy(labels).to(device)
    while (item := own_jobs.get()) is not None:
        worker, job = item
        name = f"{job['sweep']}/{job['variant']}-{job['seed']}"
        try:
            line = train(job, images, labels, arguments)
        except Exception as error:  # the others go on
            line = f"failed: {type(error).__name__}: {error}"
        results.put((worker, f"{name}: {line}"))


def train(job, images, labels, arguments):
    import torch
    from safetensors.torch import save_file

    from run_torch import Run, Teacher

    config, started = job["config"], time.time()
    model, recipe, data = config["model"]["tinycnn-lsa"], config["train"], config["data"]
    validation = split(labels.cpu().numpy(), data["validation"], data.get("split_seed", job["seed"]))
    chosen = torch.from_numpy(validation).to(images.device)
    teachers = [Teacher(path, images.device) for path in recipe["distillation"]["teachers"]]
    run = Run(model, recipe, job["seed"], images[~chosen], labels[~chosen], teachers, reduced=not arguments.full)
    history = [{"entropy": entropies(run, images[chosen][:256])}]
    for loss, seconds in run.epochs():
        logits = run.logits(images[chosen])
        accuracy = (logits.argmax(dim=1) == labels[chosen]).float().mean().item()
        history.append({"loss": loss, "accuracy": 100 * accuracy, "seconds": seconds})
        if time.time() > arguments.deadline:
            return f"stopped after {len(history) - 1} epochs at {100 * accuracy:.2f} %"
    history[0]["entropy_at_the_end"] = entropies(run, images[chosen][:256])
    folder = arguments.out / job["sweep"]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{job['variant']}-{job['seed']}"
    losses, temperature = at_fitted_temperature(logits.double(), labels[chosen].long())
    right = (logits.argmax(dim=1) == labels[chosen]).cpu().numpy()
    weights = sum(view.numel() for view in run.leaves.values())
    summary = {"history": history, "temperature": temperature, "weights": weights, "config": config}
    np.savez_compressed(f"{path}.npz", right=right, losses=losses.cpu().numpy().astype(np.float32))
    Path(f"{path}.json").write_text(json.dumps(summary))
    if job["sweep"] in arguments.keep:
        metadata = {"tinylsa": json.dumps({"config": model})}
        save_file(run.state(), f"{path}.part", metadata)
        Path(f"{path}.part").rename(f"{path}.safetensors")
    trained = sum(epoch["seconds"] for epoch in history[1:])
    speed = run.steps_per_epoch * run.size * recipe["epochs"] / trained
    return (
        f"{100 * right.mean():.2f} %, {losses.mean().item():.4f} nats at {temperature:.2f}, entropy "
        f"{rounded(history[0]['entropy'])} to {rounded(history[0]['entropy_at_the_end'])}, {weights} weights, "
        f"{speed:.0f} images/s, {time.time() - started:.0f} s"
    )


def rounded(values):
    return "[" + " ".join(f"{value:.3f}" for value in values) + "]"


def entropies(run, images):
    """The mean entropy of the rows of each attention matrix, as a share of its largest, block by block."""
    import torch

    found = []

    class Listening(type(run.evaluated())):
        def attend(self, queries, keys, values):
            matrix = self.attention(queries.float(), keys.float())
            entropy = -(matrix * matrix.clamp_min(1e-30).log()).sum(dim=3).mean()
            found.append((entropy / math.log(matrix.shape[-1])).item())
            return super().attend(queries, keys, values)

    network = run.evaluated()
    network.__class__ = Listening
    with torch.no_grad():
        network(run.normalised(images.float() / 255))
    return found


def at_fitted_temperature(logits, labels):
    """The loss of each image at the temperature with the least mean, by golden-section search over its logarithm."""
    import torch.nn.functional as F

    def losses(logarithm):
        return F.cross_entropy(logits / math.exp(logarithm), labels, reduction="none")

    least, largest, ratio = -2.0, 2.0, (math.sqrt(5) - 1) / 2
    for _ in range(40):
        one, two = largest - ratio * (largest - least), least + ratio * (largest - least)
        if losses(one).mean() < losses(two).mean():
            largest = two
        else:
            least = one
    middle = (least + largest) / 2
    return losses(middle), math.exp(middle)


def read(directory, part):
    def body(name, header):
        with gzip.open(directory / name) as file:
            return np.frombuffer(file.read(), np.uint8, offset=header).copy()

    labels = body(f"{part}-labels-idx1-ubyte.gz", 8)
    return body(f"{part}-images-idx3-ubyte.gz", 16).reshape(len(labels), -1), labels


def split(labels, validation, seed):
    """Whether each image is set aside: the same share of each class."""
    chosen, generator = np.zeros(len(labels), bool), np.random.default_rng(seed)
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        chosen[members[: len(members) * validation // len(labels)]] = True
    return chosen


def report(sweep, out):
    """Each variant, and its paired differences to the control with their standard errors over seeds."""
    plan, results = plan_of(sweep), {}
    for variant, seed in itertools.product([variant["name"] for variant in plan["variants"]], plan["seeds"]):
        path = out / sweep.stem / f"{variant}-{seed}.npz"
        if path.exists():
            with np.load(path) as file:
                results.setdefault(variant, {})[seed] = 100.0 * file["right"], file["losses"]
    print(f"\n{sweep.stem}: variant, seeds, accuracy, nats; difference to {plan.get('control')} (standard error)")
    for variant, runs in results.items():
        accuracy, nats = (np.mean([run[part].mean() for run in runs.values()]) for part in (0, 1))
        line = f"  {variant:24} {len(runs)}  {accuracy:.2f}  {nats:.4f}"
        control = results.get(plan.get("control"), {})
        shared = [seed for seed in runs if seed in control]
        if shared and variant != plan.get("control"):
            for part, digits in ((0, 2), (1, 4)):
                differences = np.stack([runs[seed][part] - control[seed][part] for seed in shared])
                of_images = differences.mean(axis=0).std() / differences.shape[1] ** 0.5
                line += f"  {differences.mean():+.{digits}f} (images {of_images:.{digits}f}"
                if len(shared) > 1:
                    of_seeds = differences.mean(axis=1).std(ddof=1) / len(shared) ** 0.5
                    line += f", seeds {of_seeds:.{digits}f}"
                line += ")"
        print(line)


if __name__ == "__main__":
    main()
