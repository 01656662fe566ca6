//! The block at the head of a model card that the Hub reads: YAML between two lines of dashes.

use crate::evaluation::{EvaluationReport, SplitName};

/// What the Hub calls collections that it has.
const COLLECTIONS: [(&str, &str); 3] =
    [("fashion-mnist", "zalando-datasets/fashion_mnist"), ("mnist", "ylecun/mnist"), ("cifar-10", "uoft-cs/cifar10")];
/// What a program or a person looks for.
const TAGS: [&str; 5] = ["tinylsa", "image-classification", "linear-attention", "explainability", "burn"];
/// The task, by the Hub's name.
const TASK: &str = "image-classification";

/// What the block says.
pub(super) struct FrontMatter<'a> {
    /// The kind of the network, by which its results are called.
    pub(super) kind: &'a str,
    pub(super) dataset: &'a str,
    pub(super) licenses: &'a [String],
    pub(super) figures: Option<&'a EvaluationReport>,
}

/// A text in double quotes, which is the same in YAML as in JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The Hub's name of a collection, if it has it.
fn collection(dataset: &str) -> Option<&'static str> {
    COLLECTIONS.into_iter().find(|(id, _)| *id == dataset).map(|(_, name)| name)
}

/// A figure of `model-index`.
struct Metric {
    kind: &'static str,
    name: String,
    value: f64,
    interval: [f64; 2],
}

impl FrontMatter<'_> {
    /// The block with its two lines of dashes.
    pub(super) fn yaml(&self) -> String {
        let licenses: Vec<&str> = self.licenses.iter().map(String::as_str).collect();
        let datasets: Vec<&str> = collection(self.dataset).into_iter().collect();
        [
            format!("---\nlibrary_name: tinylsa\npipeline_tag: {TASK}\n"),
            list("license", &licenses),
            list("datasets", &datasets),
            list("metrics", &["accuracy"]),
            list("tags", &TAGS),
            self.figures.map_or_else(String::new, |figures| self.model_index(figures)),
            "---\n".to_owned(),
        ]
        .concat()
    }

    fn model_index(&self, figures: &EvaluationReport) -> String {
        let id = collection(figures.dataset.id()).unwrap_or(figures.dataset.id());
        let split = match figures.split {
            SplitName::Train => "train",
            SplitName::Validation => "validation",
            SplitName::Test => "test",
        };
        let head = format!(
            "model-index:\n- name: {}\n  results:\n  - task:\n      type: {TASK}\n      name: Image classification\n    \
             dataset:\n      type: {}\n      name: {}\n      split: {split}\n    metrics:\n",
            quoted(self.kind),
            quoted(id),
            quoted(figures.dataset.title()),
        );
        let lines = |Metric { kind, name, value, interval: [low, high] }| {
            format!(
                "    - type: {kind}\n      name: {}\n      value: {value}\n      args:\n        confidence_level: \
                 0.95\n        interval:\n        - {low}\n        - {high}\n",
                quoted(&name),
            )
        };
        std::iter::once(head).chain(metrics(figures).into_iter().map(lines)).collect()
    }
}

/// A key with its values, a line each; nothing without values.
fn list(key: &str, values: &[&str]) -> String {
    if values.is_empty() {
        return String::new();
    }
    let line = |value: &&str| format!("- {}\n", quoted(value));
    std::iter::once(format!("{key}:\n")).chain(values.iter().map(line)).collect()
}

/// The figures, each named with its interval of 95 %.
fn metrics(figures: &EvaluationReport) -> Vec<Metric> {
    let percent = |[low, high]: [f64; 2]| format!("95 % interval {:.2} % to {:.2} %", 100.0 * low, 100.0 * high);
    let share = |kind, name: &str, value, interval| Metric {
        kind,
        name: format!("{name} ({})", percent(interval)),
        value,
        interval,
    };
    let [low, high] = figures.nll_interval;
    let views = figures.accuracy_tta.zip(figures.accuracy_tta_interval);
    let mut metrics = vec![share("accuracy", "Accuracy", figures.accuracy, figures.accuracy_interval)];
    metrics.extend(
        views.map(|(value, interval)| share("accuracy", "Accuracy over mirrored and shifted views", value, interval)),
    );
    metrics.extend([
        Metric {
            kind: "nll",
            name: format!("Negative log-likelihood in nats, at temperature 1 (95 % interval {low:.4} to {high:.4})"),
            value: figures.nll,
            interval: figures.nll_interval,
        },
        share("ece", "Expected calibration error, at temperature 1", figures.ece, figures.ece_interval),
    ]);
    metrics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_and_what_is_not_known_is_left_out() {
        let licenses = ["mit".to_owned(), "a \"b\"".to_owned()];
        let front = FrontMatter { kind: "vit", dataset: "folder/animals", licenses: &licenses, figures: None };
        let expected = "---\nlibrary_name: tinylsa\npipeline_tag: image-classification\nlicense:\n- \"mit\"\n- \"a \\\"b\\\"\"\n\
                        metrics:\n- \"accuracy\"\ntags:\n";
        let yaml = front.yaml();
        assert!(yaml.starts_with(expected), "{yaml}");
        assert!(yaml.ends_with("- \"burn\"\n---\n"), "{yaml}");
        let known = FrontMatter { dataset: "mnist", licenses: &[], ..front }.yaml();
        assert!(known.contains("datasets:\n- \"ylecun/mnist\"\n") && !known.contains("license"), "{known}");
    }
}
