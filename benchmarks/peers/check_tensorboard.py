"""Compares the events of a run with its metrics, its config and its figures, as tbparse and TensorBoard read them.

    cargo xtask experiment configs/ci.toml --set run.tensorboard=true --out runs/events
    python3 benchmarks/peers/check_tensorboard.py runs/events

The lines of the metrics have to be the same, the numbers to be theirs rounded to 32 bits, and no epoch may be there twice.
Exits with 1 if anything differs.
"""

import argparse
import io
import json
import pathlib
import sys

import numpy
from PIL import Image
from tbparse import SummaryReader

# Of every number in metrics.jsonl, the tag of its events; `step` is their step.
TAGS = {
    "epoch": "epoch",
    "train_loss": "loss/train",
    "train_accuracy": "accuracy/train",
    "validation_loss": "loss/validation",
    "validation_accuracy": "accuracy/validation",
    "learning_rate": "learning_rate",
    "images_per_second": "images_per_second",
    "seconds": "epoch_seconds",
    "peak_memory": "peak_memory",
}
FIGURES = ["training-curves", "confusion-matrix", "per-class", "reliability"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=pathlib.Path, help="the directory of a finished run")
    run = parser.parse_args().run

    files = sorted(run.glob("*tfevents*"))
    if len(files) != 1:
        sys.exit(f"{run} has {len(files)} event files, expected one")
    reader = SummaryReader(str(files[0]), extra_columns={"wall_time"})
    mistakes = [*check_numbers(run, reader), *check_config(run, reader), *check_images(run, reader)]
    for mistake in mistakes:
        print(mistake)
    sys.exit(1 if mistakes else 0)


def check_numbers(run, reader):
    """Every number of metrics.jsonl under its tag, at its step, once; and its lines as they are."""
    table = reader.scalars
    rows = list(zip(table["step"], table["tag"], table["value"]))
    found = {(step, tag): value for step, tag, value in rows}
    if len(found) != len(rows):
        yield f"{len(rows)} numbers at {len(found)} places: some are there twice"
    lines = (run / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    expected = {
        (record["step"], tag): record[key] for record in records for key, tag in TAGS.items() if record[key] is not None
    }
    if set(found) != set(expected):
        yield f"numbers at other places: {sorted(set(found) ^ set(expected))}"
    for place in set(found) & set(expected):
        if found[place] != float(numpy.float32(expected[place])):
            yield f"{place}: {found[place]!r}, metrics.jsonl has {expected[place]!r}"
    texts = reader.text
    texts = texts[texts["tag"] == "metrics"].sort_values("step")
    if list(texts["value"]) != [f"```json\n{line}\n```\n" for line in lines]:
        yield "the texts `metrics` are not the lines of metrics.jsonl"
    if list(texts["step"]) != [record["step"] for record in records]:
        yield "the texts `metrics` are at other steps"
    times = list(table[table["tag"] == "epoch"].sort_values("step")["wall_time"])
    if times != sorted(times):
        yield f"the times of the epochs go back: {times}"
    print(f"{len(found)} numbers and {len(lines)} lines of {len(records)} epochs compared with metrics.jsonl")


def check_config(run, reader):
    texts = reader.text
    texts = list(texts[texts["tag"] == "config"]["value"])
    expected = f"```toml\n{(run / 'config.toml').read_text()}```\n"
    if texts != [expected]:
        yield "the text `config` is not config.toml"
    print(f"{len(expected.splitlines())} lines of the config compared")


def check_images(run, reader):
    """The charts, and the sheets of the explanations, which are the files of the run."""
    events = reader.get_raw_events("tensors")
    explained = json.loads((run / "manifest.json").read_text())["explained"]
    sheets = {f"explanations/{name}": run / "explanations" / name / "methods.png" for name in explained}
    beside = run / "figures" / "explanations.png"
    if beside.is_file():
        sheets["figures/explanations"] = beside
    tags = [f"figures/{name}" for name in FIGURES] + list(sheets)
    for tag in tags:
        images = events.get(tag, [])
        if len(images) != 1:
            yield f"{len(images)} images {tag}, expected one"
            continue
        width, height, png = images[0].tensor_proto.string_val
        if Image.open(io.BytesIO(png)).size != (int(width), int(height)):
            yield f"{tag} is not of {int(width)}x{int(height)} pixels"
        if tag in sheets and sheets[tag].read_bytes() != png:
            yield f"{tag} is not {sheets[tag]}"
    print(f"{len(tags)} images compared")


if __name__ == "__main__":
    main()
