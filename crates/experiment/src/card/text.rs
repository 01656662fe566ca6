//! A card in words.

use anyhow::{Context, Result};
use serde::Serialize;
use tinylsa_data::{DatasetName, FileChecksum, Severity};
use tinylsa_model::ModelConfig;
use tinylsa_train::{Calibration, Interval, KeptEpoch, TrainConfig};

use super::{CardRun, ModelCard};
use crate::error::ExperimentError;
use crate::evaluation::ClassReport;
use crate::folder::Continuation;
use crate::schema::ModelSection;
use tinylsa_settings::config::to_toml;

/// The card as a page of Markdown. The same card gives the same text.
///
/// # Errors
/// If the recipe has no form in TOML.
pub fn markdown(card: &ModelCard) -> Result<String, ExperimentError> {
    let sections = [
        head(card),
        use_and_limits(card)?,
        data(card),
        recipe(card)?,
        runs(card),
        classes(card),
        calibration(card),
        weaknesses(card),
        robustness(card),
        making(card),
    ];
    Ok(sections.join("\n\n") + "\n")
}

fn head(card: &ModelCard) -> String {
    let warning = card.data.substitution.as_ref().map_or_else(String::new, |reason| {
        format!("\n\n> **Synthetic garments, not Fashion-MNIST.** Nothing here is a result on Fashion-MNIST. {reason}")
    });
    let (test, weights) = (&card.test, &card.weights);
    let mut rows = vec![
        cells(["test accuracy", &format!("**{}** ({})", percent(test.accuracy), range(test.accuracy_interval))]),
        cells(["over the runs", &over_runs(card)]),
    ];
    if let (Some(accuracy), Some(interval)) = (test.accuracy_tta, test.accuracy_tta_interval) {
        let words = format!("{} ({})", percent(accuracy), range(interval));
        rows.push(cells(["averaged over mirrored and shifted views", &words]));
    }
    rows.extend([
        cells(["parameters", &thousands(weights.parameters)]),
        cells(["work", &format!("{:.1} million multiply-accumulates an image", weights.macs as f64 / 1e6)]),
        cells(["file", &format!("{} bytes, {} bits a weight", thousands(weights.bytes), weights.bits)]),
        cells(["SHA-256 of the file", &format!("`{}`", weights.sha256)]),
    ]);
    format!(
        "# Model card: TinyCNN + Linear Self-Attention on {}\n\n\
         Written by `cargo xtask card` from the folders of the runs and the stored weights; a figure changes here only by\n\
         being measured again. The same figures as JSON lie beside this page. Intervals are of 95 %.{warning}\n\n{}",
        card.data.dataset,
        table(&["", ""], &rows)
    )
}

fn over_runs(card: &ModelCard) -> String {
    let over = card.accuracy_over_runs;
    match over.deviation {
        Some(deviation) => format!(
            "mean {}, standard deviation {:.2} points, of {} runs that differ in their seed",
            percent(over.mean),
            100.0 * deviation,
            over.runs
        ),
        None => format!("{}, of one run", percent(over.mean)),
    }
}

fn use_and_limits(card: &ModelCard) -> Result<String> {
    let names: Vec<&str> = card.test.classes.iter().map(|class| class.name.as_str()).collect();
    let input = card.model.network()?.input();
    if ![DatasetName::FASHION_MNIST, DatasetName::SYNTHETIC_GARMENTS].contains(&card.data.dataset) {
        let form = match input.channels {
            1 => "A grey image",
            3 => "A colour image",
            _ => "An image",
        };
        return Ok(format!(
            "## Use and limits\n\n\
             {form} of {input} values (channels × height × width), of the kind that {} has, is taken for one of: {}.\n\
             Images of another kind get one of these names, too: the network has no class for what it does not know. It is\n\
             made for research on small networks and on explanations, and for nothing that decides about people.",
            card.data.dataset,
            names.join(", ")
        ));
    }
    Ok(format!(
        "## Use and limits\n\n\
         A grey image of {0} × {1} pixels, one garment, light on black, upright and centred, is taken for one of: {2}.\n\
         Images of another kind get one of these names, too: the network has no class for what it does not know. It is\n\
         made for research on small networks and on explanations, and for nothing that decides about people.",
        input.height,
        input.width,
        names.join(", ")
    ))
}

fn data(card: &ModelCard) -> String {
    let data = &card.data;
    let source = if data.dataset == DatasetName::FASHION_MNIST {
        "Fashion-MNIST (Xiao, Rasul and Vollgraf 2017; Zalando SE, MIT licence)"
    } else if data.dataset == DatasetName::SYNTHETIC_GARMENTS {
        "Synthetic garments, drawn by `tinylsa-data`"
    } else {
        data.dataset.title()
    };
    let purpose = match card.train.keep {
        KeptEpoch::Best => "to choose the epoch and the temperature by",
        KeptEpoch::Last => "to fit the temperature to",
    };
    let text = format!(
        "## Data\n\n\
         {source}: {} images to learn from, {} set aside by class {purpose}, {} to test.",
        thousands(data.training_images),
        thousands(data.validation_images),
        thousands(data.test_images)
    );
    if data.checksums.is_empty() {
        return text;
    }
    let file = |file: &FileChecksum| cells([file.file.as_str(), &format!("`{}`", file.sha256)]);
    let rows: Vec<String> = data.checksums.iter().map(file).collect();
    format!("{text}\n\n{}", table(&["file", "SHA-256"], &rows))
}

#[derive(Serialize)]
struct Recipe<'a> {
    model: &'a ModelSection,
    train: &'a TrainConfig,
}

fn recipe(card: &ModelCard) -> Result<String> {
    let recipe = to_toml(&Recipe { model: &card.model, train: &card.train }).context("failed to write the recipe")?;
    Ok(format!(
        "## Recipe\n\n`docs/model.md` says what the keys of the model mean, the comments of the configs those of the training.\n\n\
         ```toml\n{}\n```",
        recipe.trim_end()
    ))
}

fn runs(card: &ModelCard) -> String {
    let command = |run: &CardRun| match &card.config {
        Some(config) => format!("`cargo xtask experiment {config} --set run.seed={}`", run.seed),
        None => "`cargo xtask experiment` with the recipe above".to_owned(),
    };
    let row = |run: &CardRun| {
        cells([
            run.name.as_str(),
            &run.seed.to_string(),
            &format!("{} ({})", percent(run.test_accuracy), range(run.test_accuracy_interval)),
            &run.test_accuracy_tta.map_or_else(|| "–".to_owned(), percent),
            &format!("{:.1}", run.training_minutes),
            &format!("`{}`", run.digest),
        ])
    };
    let origin = |run: &CardRun| {
        let taught = |teacher: &FileChecksum| format!(", taught by {} (SHA-256 `{}`)", teacher.file, teacher.sha256);
        let teachers: String = run.teachers.iter().map(taught).collect();
        let from =
            |file: &FileChecksum| format!(", begun with the weights of {} (SHA-256 `{}`)", file.file, file.sha256);
        let begun: String = run.initial_weights.iter().map(from).collect();
        let resumed = |continuation: &Continuation| {
            format!(", resumed {} by revision {}", continuation.started, revision(continuation.git_revision.as_ref()))
        };
        let continuations: String = run.continuations.iter().map(resumed).collect();
        format!(
            "- {}: {}, begun {}, {}, {} cores, {}, burn {}, revision {}{continuations}{teachers}{begun}",
            run.name,
            command(run),
            run.started,
            run.machine.cpu.as_deref().unwrap_or("unknown processor"),
            run.machine.cores,
            run.machine.system,
            run.burn,
            revision(run.git_revision.as_ref()),
        )
    };
    let header = ["run", "seed", "test accuracy", "mirrored and shifted views", "minutes of training", "digest"];
    format!(
        "## Runs\n\n\
         The weights are those of {}, in {} bits. The table is of the runs as they ended, in 32 bits.\n\n{}\n\n{}",
        card.runs[0].name,
        card.weights.bits,
        table(&header, &card.runs.iter().map(row).collect::<Vec<_>>()),
        card.runs.iter().map(origin).collect::<Vec<_>>().join("\n")
    )
}

fn revision(revision: Option<&String>) -> String {
    revision.map_or_else(|| "unknown".to_owned(), |revision| format!("`{revision}`"))
}

fn classes(card: &ModelCard) -> String {
    let row = |class: &ClassReport| {
        cells([
            class.name.as_str(),
            &share(class.precision, class.precision_interval),
            &share(class.recall, class.recall_interval),
            &class.f1.map_or_else(|| "–".to_owned(), percent),
            &class.support.to_string(),
        ])
    };
    let rows: Vec<String> = card.test.classes.iter().map(row).collect();
    format!("## Classes\n\n{}", table(&["class", "precision", "recall", "F1", "test images"], &rows))
}

fn calibration(card: &ModelCard) -> String {
    let it = card.calibration;
    let row = |split: &str, temperature: &str, measured: Calibration| {
        let ece = format!("{} ({})", percent(measured.ece.value), range(ends(measured.ece)));
        cells([split, temperature, &format!("{:.4}", measured.nll), &ece])
    };
    let fitted = format!("{:.4}", it.temperature);
    let rows = [
        row("validation", "1", it.validation_before),
        row("validation", &fitted, it.validation_after),
        row("test", "1", it.test_before),
        row("test", &fitted, it.test_after),
    ];
    let meaning = if it.temperature < 1.0 { "less sure than it is right" } else { "surer than it is right" };
    format!(
        "## Calibration\n\n\
         Logits divided by the temperature {fitted} give probabilities closer to how often they are right (Guo et al. 2017). It\n\
         was fitted to the validation split, is stored with the weights and changes no predicted class. At temperature 1 the\n\
         network is {meaning}.\n\n{}",
        table(&["split", "temperature", "NLL, nats", "ECE"], &rows)
    )
}

fn weaknesses(card: &ModelCard) -> String {
    let test = &card.test;
    let recalls = test.classes.iter().filter_map(|class| Some((class, class.recall?)));
    let Some((worst, recall)) = recalls.min_by(|left, right| left.1.total_cmp(&right.1)) else {
        return "## Known weaknesses".to_owned();
    };
    let mistakes = test.confusion.iter().enumerate().map(|(truth, row)| row.iter().sum::<u64>() - row[truth]);
    let named: f64 = card.confusions.iter().map(|confusion| confusion.share).sum();
    let rows: Vec<String> = card
        .confusions
        .iter()
        .map(|confusion| {
            let images = confusion.images.to_string();
            cells([confusion.truth.as_str(), &confusion.prediction, &images, &percent(confusion.share)])
        })
        .collect();
    format!(
        "## Known weaknesses\n\n\
         The class that is missed most often is {}: {} of its test images are recognised. The {} most frequent kinds of\n\
         mistakes make up {} of all {}.\n\n{}",
        worst.name,
        percent(recall),
        card.confusions.len(),
        percent(named),
        mistakes.sum::<u64>(),
        table(&["is", "is taken for", "test images", "share of all mistakes"], &rows)
    )
}

fn robustness(card: &ModelCard) -> String {
    let measured = &card.robustness;
    let severities = Severity::ALL.map(|severity| format!("severity {}", severity.number()));
    let header: Vec<&str> =
        ["corruption", "of what"].into_iter().chain(severities.iter().map(String::as_str)).collect();
    let seen = match card.train.augmentation.crop_padding {
        0 => String::new(),
        pixels => format!(" In training the images were shifted by at most {pixels} px."),
    };
    let mut rows = Vec::new();
    for entry in &measured.corruptions {
        let cell = |entry: &tinylsa_train::SeverityRobustness| {
            format!("{} ({})", percent(entry.accuracy.value), entry.strength)
        };
        let named = [entry.corruption.title().to_owned(), entry.corruption.measure().to_owned()];
        rows.push(cells(named.into_iter().chain(entry.severities.iter().map(cell))));
    }
    format!(
        "## Robustness\n\n\
         Accuracy on {} test images, corrupted on purpose (after Hendrycks and Dietterich 2019); in brackets how strongly.\n\
         Clean: {}. Mean over all corruptions and severities: {}.{seen}\n\n{}",
        thousands(measured.images),
        percent(measured.clean.value),
        percent(measured.mean),
        table(&header, &rows)
    )
}

fn making(card: &ModelCard) -> String {
    let folders: Vec<String> = card.runs.iter().map(|run| format!("runs/{}", run.name)).collect();
    let half = if card.weights.bits == 16 { " --half" } else { "" };
    let config = card.config.as_ref().map_or_else(String::new, |config| format!(" --config {config}"));
    format!(
        "## Making the weights and this page\n\n\
         ```\n\
         cargo xtask export --run {}{half} --out crates/model/weights/tinycnn-lsa.safetensors\n\
         cargo xtask card --run {}{config}\n\
         cargo xtask evaluate --json\n\
         ```\n\n\
         The first rounds and calibrates the weights of a run and puts them where the program is built with them; the second\n\
         measures them and writes this page; the third, with no `--model`, measures the same weights.",
        folders[0],
        folders.join(" ")
    )
}

fn table(header: &[&str], rows: &[String]) -> String {
    let rule = vec!["---"; header.len()];
    [cells(header.iter().copied()), cells(rule)].into_iter().chain(rows.iter().cloned()).collect::<Vec<_>>().join("\n")
}

fn cells<T: AsRef<str>>(cells: impl IntoIterator<Item = T>) -> String {
    cells.into_iter().fold("|".to_owned(), |row, cell| format!("{row} {} |", cell.as_ref()))
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// A share with its interval, or a dash where there is none.
fn share(value: Option<f64>, interval: Option<[f64; 2]>) -> String {
    match value.zip(interval) {
        Some((value, interval)) => format!("{} ({})", percent(value), range(interval)),
        None => "–".to_owned(),
    }
}

fn range([low, high]: [f64; 2]) -> String {
    format!("{:.2} to {:.2}", 100.0 * low, 100.0 * high)
}

fn ends(interval: Interval) -> [f64; 2] {
    [interval.low, interval.high]
}

/// Digits in groups of three.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let group = |(position, digit): (usize, char)| {
        let is_first = position > 0 && (digits.len() - position).is_multiple_of(3);
        is_first.then_some(' ').into_iter().chain([digit])
    };
    digits.chars().enumerate().flat_map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_in_groups_of_three() {
        assert_eq!([7, 412, 1000, 412_218, 1_658_928].map(thousands), ["7", "412", "1 000", "412 218", "1 658 928"]);
    }

    #[test]
    fn a_table_has_a_rule_under_its_header() {
        assert_eq!(table(&["a", "b"], &[cells(["1", "2"])]), "| a | b |\n| --- | --- |\n| 1 | 2 |");
    }
}
