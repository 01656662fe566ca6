"""Checks a directory for the Hub with the Hub's own client, without a network.

    cargo xtask export --hub hub
    python3 benchmarks/peers/check_hub.py hub --card docs/model-card.json

The model card is read by huggingface_hub.ModelCard, its results become EvalResult and back, and what the Hub asks of them is
looked at: the check of its server alone needs a network. config.json must say what model.safetensors says of itself, and with
--card every figure must be that of the measured card. Exits with 1 and a line for each thing that is wrong.
"""

import argparse
import json
import sys
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard
from huggingface_hub.repocard_data import eval_results_to_model_index, model_index_to_eval_results
from safetensors import safe_open


def check_card(directory, problems):
    """What the client makes of README.md."""
    card = ModelCard.load(directory / "README.md")
    data = card.data
    expected = {"library_name": "tinylsa", "pipeline_tag": "image-classification"}
    for key, value in expected.items():
        if getattr(data, key) != value:
            problems.append(f"{key} is {getattr(data, key)!r}, expected {value!r}")
    for key in ("license", "datasets", "tags", "metrics"):
        values = getattr(data, key, None)
        if values is not None and not (isinstance(values, list) and all(isinstance(value, str) for value in values)):
            problems.append(f"{key} is {values!r}, expected a list of texts")
    if not card.text.strip().startswith("# "):
        problems.append("the text does not begin with a heading")
    # reading what was written gives the same
    again = ModelCard(str(card)).data.to_dict()
    if again != data.to_dict():
        problems.append("the head changes when it is written and read again")
    return data


def check_results(data, problems):
    """The results as the Hub would show them."""
    results = data.eval_results or []
    for result in results:
        if not isinstance(result, EvalResult):
            problems.append(f"{result!r} is no result")
            continue
        low, high = result.metric_args["interval"]
        if not low <= result.metric_value <= high:
            problems.append(f"{result.metric_name}: {result.metric_value} lies outside of {low} to {high}")
        if result.task_type != data.pipeline_tag:
            problems.append(f"{result.metric_name} is of the task {result.task_type}")
    if results:
        name, back = model_index_to_eval_results(eval_results_to_model_index(data.model_name, results))
        if (name, back) != (data.model_name, results):
            problems.append("the results change on the way to a model index and back")
    return results


def check_config(directory, problems):
    """Whether config.json and model.safetensors say the same."""
    config = json.loads((directory / "config.json").read_text())
    with safe_open(directory / "model.safetensors", framework="np") as file:
        described = json.loads(file.metadata()["tinylsa"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    for key in ("kind", "config", "dataset", "temperature", "held_out"):
        if config.get(key) != described.get(key):
            problems.append(f"{key} is {config.get(key)!r} in config.json, {described.get(key)!r} in model.safetensors")
    names = [config["id2label"][str(label)] for label in range(config["num_labels"])]
    if names != described["class_names"] or config["label2id"] != {name: label for label, name in enumerate(names)}:
        problems.append("the classes are not those of model.safetensors")
    kinds = {str(tensor.dtype) for tensor in tensors.values()}
    if kinds != {config["dtype"]}:
        problems.append(f"the tensors are {kinds}, config.json says {config['dtype']}")
    return sum(tensor.size for name, tensor in tensors.items() if "running_" not in name)


def check_figures(results, card, problems):
    """Whether the results are those of a measured card."""
    test = json.loads(Path(card).read_text())["test"]
    expected = [(test[key], test[f"{key}_interval"]) for key in ("accuracy", "accuracy_tta", "nll", "ece")]
    found = [(result.metric_value, result.metric_args["interval"]) for result in results]
    if found != expected:
        problems.append(f"the results are {found}, those of the card {expected}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--card", help="the JSON of the card that the figures must be of")
    arguments = parser.parse_args()

    problems = []
    data = check_card(arguments.directory, problems)
    results = check_results(data, problems)
    parameters = check_config(arguments.directory, problems)
    if arguments.card:
        check_figures(results, arguments.card, problems)
    print(f"{data.model_name}: {parameters} parameters, licence {data.license}, datasets {data.datasets}")
    for result in results:
        print(f"  {result.metric_type} {result.metric_value:.4f} on {result.dataset_name}, {result.dataset_split}: {result.metric_name}")
    print("\n".join(problems) or "nothing is wrong")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
