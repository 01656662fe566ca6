//! Draws every figure of the crate from made-up data, to be looked at: `cargo run --example gallery -- DIR`.
//!
//! Nothing in these figures was measured.

use std::error::Error;
use std::path::{Path, PathBuf};

use tinylsa_report::{
    AttentionScale, Better, Block, ByteImage, ClassScores, Column, ContactRow, ContactSheet, EpochPoint, Estimate,
    Figure, IntervalBar, MapMatrix, MatrixRow, MatrixScale, MethodScores, Panel, PerturbationCurve, RankedEstimate,
    RankedTable, ReliabilityBin, ReportError, ReportPage, Score, Section, SharedScale, Sheet, SummaryEntry, Table,
    ValueMap, Warning, confusion_matrix, encode_png, interval_bars, per_class, perturbation_curves, reliability,
    training_curves,
};

const CLASSES: [&str; 10] =
    ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];
const SUBTITLE: &str = "made-up data, nothing here was measured";
const METHODS: [(&str, bool); 9] = [
    ("Integrated Gradients", false),
    ("GradientSHAP", false),
    ("KernelSHAP", false),
    ("LIME", false),
    ("Attention Rollout", false),
    ("Attention Flow", false),
    ("plain gradient", true),
    ("Sobel edges", true),
    ("random map", true),
];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("usage: gallery DIR")?);
    std::fs::create_dir_all(&folder)?;

    let charts = charts()?;
    for (name, _, document) in &charts {
        std::fs::write(folder.join(format!("{name}.svg")), document)?;
    }
    let images = [
        ("contact-sheet", "Images of the dataset, plain and augmented", encode_png(&contact_sheet()?.draw()?)?),
        ("methods", "All methods of one image", encode_png(&methods()?.draw()?)?),
        ("heads", "Attention of all heads", encode_png(&heads()?.draw()?)?),
        ("matrix", "Heads by layers, small", encode_png(&small_heads()?.draw()?)?),
        ("query", "What one token looks at", encode_png(&fixed_query()?.draw()?)?),
    ];
    for (name, _, bytes) in &images {
        std::fs::write(folder.join(format!("{name}.png")), bytes)?;
    }
    let figures = charts.iter().map(|(_, caption, document)| Figure::svg(document, *caption, *caption));
    let maps = images.iter().map(|(_, caption, bytes)| Figure::png(bytes.clone(), *caption, *caption));
    write_page(&folder, figures.collect(), maps.collect())?;
    Ok(())
}

type NamedChart = (&'static str, &'static str, String);

fn charts() -> Result<Vec<NamedChart>, ReportError> {
    let bars: Vec<IntervalBar> = METHODS
        .iter()
        .enumerate()
        .map(|(index, &(label, control))| IntervalBar {
            label: label.to_owned(),
            estimate: estimate(0.62 - 0.09 * index as f64),
            control,
        })
        .collect();
    let axis = "faithfulness correlation, probability (higher is better)";
    let curve_axis = "probability of the class, black baseline";
    Ok(vec![
        ("curves", "Losses, accuracies and learning rate", training_curves(&epochs(), Some(17), SUBTITLE)?),
        ("confusion", "Which classes are taken for which", confusion_matrix(&counts(), &CLASSES, SUBTITLE)?),
        ("reliability", "How often the model is as right as it says", reliability(&bins(), 0.0123, SUBTITLE)?),
        ("per-class", "Precision, recall and F1", per_class(&class_scores(), SUBTITLE)?),
        ("bars", "A score with its intervals", interval_bars("Faithfulness", axis, &bars, SUBTITLE)?),
        ("perturbation", "Deletion and insertion", perturbation_curves(&curves(), curve_axis, SUBTITLE)?),
    ])
}

fn epochs() -> Vec<EpochPoint> {
    let point = |epoch: usize| {
        let t = epoch as f64 / 20.0;
        EpochPoint {
            epoch,
            train_loss: 0.16 + 0.9 * (-4.0 * t).exp(),
            validation_loss: Some(0.24 + 0.6 * (-4.0 * t).exp() + 0.01 * (epoch as f64 * 2.1).sin()),
            train_accuracy: Some(0.945 - 0.25 * (-4.0 * t).exp()),
            validation_accuracy: Some(0.917 - 0.16 * (-4.5 * t).exp() + 0.003 * (epoch as f64 * 1.7).sin()),
            learning_rate: 0.002 * (1.0 + (std::f64::consts::PI * t).cos()) / 2.0,
        }
    };
    (1..=20).map(point).collect()
}

fn counts() -> Vec<Vec<u64>> {
    let similar = [0, 2, 3, 4, 6];
    let count = |truth: usize, prediction: usize| match (truth == prediction, truth == 6 || prediction == 6) {
        (true, true) => 760,
        (true, false) => 960,
        (false, shirt) if similar.contains(&truth) && similar.contains(&prediction) => {
            if shirt {
                58
            } else {
                9
            }
        }
        _ => ((truth * 7 + prediction * 3) % 11 / 8) as u64,
    };
    (0..10).map(|truth| (0..10).map(|prediction| count(truth, prediction)).collect()).collect()
}

fn bins() -> Vec<ReliabilityBin> {
    let bin = |index: usize| {
        let (lower, upper) = (index as f64 / 15.0, (index + 1) as f64 / 15.0);
        let confidence = f64::midpoint(lower, upper);
        let count = if index < 3 { 0 } else { 12 + (7.0f64 * (index as f64 / 15.0).powi(9) * 1000.0) as u64 };
        ReliabilityBin { lower, upper, count, confidence, accuracy: confidence * 0.93 + 0.02 * (index as f64).sin() }
    };
    (0..15).map(bin).collect()
}

fn class_scores() -> Vec<ClassScores> {
    let scores = |(index, name): (usize, &&str)| {
        let recall = if index == 6 { 0.761 } else { 0.90 + 0.009 * index as f64 };
        let precision = recall - 0.01 + 0.003 * index as f64;
        let f1 = 2.0 * precision * recall / (precision + recall);
        ClassScores {
            name: (*name).to_owned(),
            precision: Some(precision),
            recall: Some(recall),
            f1: Some(f1),
            support: 1000,
        }
    };
    CLASSES.iter().enumerate().map(scores).collect()
}

fn curves() -> Vec<PerturbationCurve> {
    let curve = |(index, &(method, control)): (usize, &(&str, bool))| {
        let fractions: Vec<f64> = (0..=28).map(|step| f64::from(step) / 28.0).collect();
        let steepness = 9.0 - index as f64 * 0.8;
        let deletion: Vec<f64> = fractions.iter().map(|x| 0.08 + 0.86 * (-steepness * x).exp()).collect();
        let insertion: Vec<f64> = fractions.iter().map(|x| 0.94 - 0.86 * (-steepness * x).exp()).collect();
        let area = |scores: &[f64]| scores.windows(2).map(|pair| f64::midpoint(pair[0], pair[1]) / 28.0).sum();
        let (deletion_auc, insertion_auc) = (area(&deletion), area(&insertion));
        PerturbationCurve {
            method: method.to_owned(),
            control,
            fractions,
            deletion,
            insertion,
            deletion_auc,
            insertion_auc,
        }
    };
    METHODS.iter().enumerate().map(curve).collect()
}

fn estimate(value: f64) -> Estimate {
    Estimate { value, low: value - 0.04, high: value + 0.03 }
}

/// A shirt with sleeves, its pose shifted and its cloth striped by `variant`.
fn garment(variant: usize) -> Result<ByteImage, ReportError> {
    let shift = variant as f32 * 0.6 - 1.0;
    let pixels: Vec<f32> = (0..784)
        .map(|index| {
            let (x, y) = ((index % 28) as f32 - 13.5 - shift, (index / 28) as f32);
            let body = x.abs() < 6.5 && (4.0..25.0).contains(&y);
            let sleeve = (6.0..11.0).contains(&x.abs()) && (5.0..20.0).contains(&y) && x.abs() < 5.0 + y * 0.5;
            let collar = x.abs() < 2.5 && y < 6.0;
            let cloth = 0.62 + 0.2 * (y * (0.5 + variant as f32 * 0.15)).sin() - 0.015 * x;
            if (body || sleeve) && !collar { cloth } else { 0.0 }
        })
        .collect();
    ByteImage::from_unit([1, 28, 28], &pixels)
}

fn contact_sheet() -> Result<ContactSheet, ReportError> {
    let row = |(index, class): (usize, &&str)| -> Result<ContactRow, ReportError> {
        let plain = (0..6).map(|i| garment((index + i) % 7)).collect::<Result<_, _>>()?;
        let augmented = (0..6).map(|i| garment((index + i + 2) % 7)).collect::<Result<_, _>>()?;
        Ok(ContactRow { label: (*class).to_owned(), plain, augmented })
    };
    let rows = CLASSES.iter().enumerate().map(row).collect::<Result<_, _>>()?;
    Ok(ContactSheet { title: "Contact sheet".to_owned(), subtitle: SUBTITLE.to_owned(), rows })
}

fn attribution(method: usize) -> Result<ValueMap, ReportError> {
    let strength = 0.02 / (1.0 + method as f32);
    let values: Vec<f32> = (0..784)
        .map(|index| {
            let (x, y) = ((index % 28) as f32 - 13.5, (index / 28) as f32 - 11.0);
            let sleeve = (-((x.abs() - 8.0).powi(2) + y.powi(2)) / 14.0).exp();
            let waist = (-(x.powi(2) + (y - 8.0).powi(2)) / (10.0 + method as f32)).exp();
            strength * (sleeve - 0.8 * waist) * (1.0 + 0.4 * (index as f32 * 1.3).sin())
        })
        .collect();
    ValueMap::new([28, 28], &values)
}

fn attention(layer: usize, head: usize, side: usize) -> Result<ValueMap, ReportError> {
    let weights: Vec<f32> = (0..side * side)
        .map(|token| {
            let (x, y) = ((token % side) as f32 / side as f32 - 0.5, (token / side) as f32 / side as f32 - 0.5);
            let centre = (head as f32 * 0.2 - 0.3, layer as f32 * 0.3 - 0.2);
            1.0 + 0.9 * (-((x - centre.0).powi(2) + (y - centre.1).powi(2)) * 20.0).exp()
        })
        .collect();
    let sum: f32 = weights.iter().sum();
    ValueMap::new([side, side], &weights.iter().map(|weight| weight / sum).collect::<Vec<_>>())
}

fn methods() -> Result<Sheet, ReportError> {
    let image = garment(2)?;
    let maps = (0..4).map(attribution).collect::<Result<Vec<_>, _>>()?;
    let signed = SharedScale::percentile(&maps, 99.0)?;
    let grids = [attention(0, 1, 7)?, attention(1, 2, 7)?];
    let unsigned = AttentionScale::from_zero(&grids)?;
    let segments: Vec<usize> = (0..784).map(|i| i / 28 / 7 * 4 + i % 28 / 7).collect();
    let mut panels = vec![Panel::image("image", &image), Panel::image("superpixels", &image).outlined(&segments)];
    for (&(method, _), map) in METHODS.iter().zip(&maps) {
        panels.push(Panel::attribution(method, map, &signed));
    }
    panels[5] = panels[5].clone().outlined(&segments).note("held-out R² 0.71");
    for (&(method, _), grid) in METHODS[4..].iter().zip(&grids) {
        panels.push(Panel::attention(method, &image, grid, &unsigned).note("tokens see more than their patch"));
    }
    Ok(Sheet {
        title: "Why a pullover? All methods".to_owned(),
        subtitle: format!("class Pullover, probability 0.913; {SUBTITLE}"),
        columns: 4,
        panels,
        notes: vec!["Attributions explain the logit against a black baseline.".to_owned()],
    })
}

fn heads() -> Result<Sheet, ReportError> {
    let image = garment(2)?;
    let mut grids = Vec::new();
    for layer in 0..2 {
        for head in 0..4 {
            grids.push((layer, head, attention(layer, head, 14)?));
        }
    }
    let scale = AttentionScale::from_zero(grids.iter().map(|(_, _, grid)| grid))?;
    let panel = |(layer, head, grid): &(usize, usize, ValueMap)| {
        Panel::attention(format!("layer {}, head {}", layer + 1, head + 1), &image, grid, &scale)
            .note("entropy / log N = 0.95")
    };
    Ok(Sheet {
        title: "Attention of every head, mean over the queries".to_owned(),
        subtitle: SUBTITLE.to_owned(),
        columns: 4,
        panels: grids.iter().map(panel).collect(),
        notes: vec!["Tokens see more than their patch: the receptive field of the convolutions.".to_owned()],
    })
}

fn small_heads() -> Result<MapMatrix, ReportError> {
    let image = garment(2)?;
    let grids = (0..8).map(|index| attention(index / 4, index % 4, 7)).collect::<Result<Vec<_>, _>>()?;
    let mean = attention(1, 0, 7)?;
    let deviations = grids.iter().map(|grid| grid.deviation_from(&mean)).collect::<Result<Vec<_>, _>>()?;
    let scale = AttentionScale::from_zero(&grids)?.with_unit("share of the attention");
    let signed = SharedScale::largest(&deviations)?.with_unit("above or below the mean");
    let rows = (0..2).flat_map(|layer| {
        let places = layer * 4..layer * 4 + 4;
        let weights = grids[places.clone()].iter().map(|grid| Some(Panel::attention("", &image, grid, &scale)));
        let others = deviations[places].iter().map(|grid| Some(Panel::deviation("", &image, grid, &signed).query(24)));
        let heading = |words: &str| format!("layer {}, {words}", layer + 1);
        [
            MatrixRow { heading: heading("weights"), panels: weights.collect() },
            MatrixRow { heading: heading("minus the mean"), panels: others.collect() },
        ]
    });
    Ok(MapMatrix {
        title: "Heads by layers".to_owned(),
        subtitle: SUBTITLE.to_owned(),
        image: Some(Panel::image("", &image)),
        panel_width: 140,
        columns: (1..=4).map(|head| format!("head {head}")).collect(),
        rows: rows.collect(),
        scale: MatrixScale::AsGiven,
        notes: vec!["Tokens see more than their patch: the receptive field of the convolutions.".to_owned()],
    })
}

fn fixed_query() -> Result<Sheet, ReportError> {
    let image = garment(2)?;
    let (row, mean) = (attention(0, 3, 7)?, attention(1, 0, 7)?);
    let deviation = row.deviation_from(&mean)?;
    let scale = AttentionScale::spanning([&row, &mean])?;
    let signed = SharedScale::largest([&deviation])?;
    Ok(Sheet {
        title: "One query".to_owned(),
        subtitle: SUBTITLE.to_owned(),
        columns: 3,
        panels: vec![
            Panel::attention("weights of the query at row 3, column 3, all heads fused", &image, &row, &scale)
                .query(24),
            Panel::attention("mean over the queries", &image, &mean, &scale),
            Panel::deviation("query minus mean", &image, &deviation, &signed).query(24),
        ],
        notes: Vec::new(),
    })
}

fn ranked() -> RankedTable {
    let count = METHODS.len();
    let ranked = |value: f64, rank: usize| Some(RankedEstimate { estimate: estimate(value), rank: Some(rank as f64) });
    let methods = METHODS.iter().enumerate().map(|(index, &(method, control))| MethodScores {
        method: method.to_owned(),
        control,
        // the one without a faithfulness correlation is not compared over all scores
        overall: (index != 4).then_some(1.0 + index as f64),
        values: vec![
            ranked(0.12 + 0.05 * index as f64, 1 + index),
            ranked(0.85 - 0.07 * index as f64, 1 + index),
            if index == 4 {
                None
            } else {
                ranked(0.6 - 0.06 * index as f64, if index < 4 { 1 + index } else { index })
            },
        ],
    });
    let score = |name: &str, better| Score { name: name.to_owned(), better };
    RankedTable {
        caption: format!("Ranks of {count} methods, and the mean over the images with its 95 % interval"),
        scores: vec![
            score("deletion AUC", Better::Lower),
            score("insertion AUC", Better::Higher),
            score("faithfulness correlation", Better::Higher),
        ],
        methods: methods.collect(),
    }
}

fn write_page(folder: &Path, charts: Vec<Figure>, maps: Vec<Figure>) -> Result<(), Box<dyn Error>> {
    let entry = |name: &str, value: &str| SummaryEntry { name: name.to_owned(), value: value.to_owned() };
    let figures = |figures: Vec<Figure>| figures.into_iter().map(Block::Figure);
    let mut results = vec![Block::Paragraph("Every figure on this page is drawn from made-up data.".to_owned())];
    results.extend(figures(charts));
    let mut explanations: Vec<Block> = figures(maps).collect();
    explanations.push(Block::Table(ranked().to_table()?));
    let digests = Table::new("Digests", vec![Column::words("file"), Column::words("SHA-256")])
        .row(["model.safetensors", "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"]);
    let page = ReportPage {
        title: "Gallery".to_owned(),
        subtitle: "every figure of the report, from made-up data".to_owned(),
        warning: Some(Warning {
            heading: "Synthetic garments, not Fashion-MNIST".to_owned(),
            text:
                "The files were neither on disk nor downloadable. No number on this page is a result on Fashion-MNIST."
                    .to_owned(),
        }),
        summary: vec![
            entry("accuracy", "91.5 % [90.9, 92.0]"),
            entry("parameters", "123 456"),
            entry("expected calibration error", "1.23 %"),
        ],
        sections: vec![
            Section { heading: "Results".to_owned(), blocks: results },
            Section { heading: "Explanations".to_owned(), blocks: explanations },
            Section {
                heading: "Reproduction".to_owned(),
                blocks: vec![
                    Block::Table(digests),
                    Block::Folded {
                        summary: "Environment".to_owned(),
                        blocks: vec![Block::List(vec!["two cores".to_owned(), "seed 1".to_owned()])],
                    },
                ],
            },
        ],
        config: Some("[train]\nepochs = 20\nseed = 1\n".to_owned()),
    };
    std::fs::write(folder.join("report.html"), page.to_html()?)?;
    Ok(())
}
