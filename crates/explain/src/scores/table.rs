//! The scores of all images, method by method.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tinylsa_xai::{
    BootstrapConfig, BootstrapInterval, Direction, Execution, MethodScore, ScoreKind, bootstrap_interval, rank_methods,
};

use super::measure::{Column, Curves, Measured};
use crate::error::Result;

/// What the explanations of several images scored, method by method: `explanations/scores.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreTable {
    /// How many images were explained and scored.
    pub images: usize,
    /// The methods and the controls `random` and `sobel`, by name; the third control is the method `input-gradient`.
    pub methods: Vec<String>,
    /// One entry for each score.
    pub scores: Vec<ScoreColumn>,
    /// The curves of deletion and insertion, the mean over the images.
    pub curves: Vec<MeanCurves>,
    /// What a reader of the table must know, a sentence each: budgets, scales, how token maps become pixels.
    pub notes: Vec<String>,
}

/// One score of all methods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreColumn {
    /// Which score.
    pub kind: ScoreKind,
    /// Whether more or less is better.
    pub direction: Direction,
    /// The baseline, the scale and the budget, where the score has them: "black, logits".
    pub variant: String,
    /// Whether the column stands for its kind where only one is shown: the first baseline and scale of the config, the
    /// randomisation of all layers.
    pub headline: bool,
    /// In the order of [`ScoreTable::methods`].
    pub entries: Vec<ScoreEntry>,
}

/// One score of one method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreEntry {
    /// The name of the method or control.
    pub method: String,
    /// The mean over the images with its bootstrap interval; nothing if the score is not defined for the method.
    pub mean: Option<BootstrapInterval>,
    /// The place among the methods, 1 is the best; equal ones share the mean of their places.
    pub rank: Option<f64>,
    /// For how many images the score was not defined.
    pub undefined: usize,
}

/// The class's score while pixels are deleted and inserted, the mean over the images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeanCurves {
    /// The name of the method or control.
    pub method: String,
    /// Baseline and scale.
    pub variant: String,
    /// The score after each step of deletion.
    pub deletion: Vec<f64>,
    /// The score after each step of insertion.
    pub insertion: Vec<f64>,
}

/// What was measured, in the order of the methods.
#[derive(Default)]
pub(super) struct Collected {
    methods: Vec<String>,
    /// The values of each method, one for each image it was measured on.
    values: BTreeMap<Column, BTreeMap<String, Vec<Option<f64>>>>,
    /// The sums of the curves of each method, and of how many.
    curves: BTreeMap<(String, String), CurveSums>,
}

#[derive(Default)]
struct CurveSums {
    count: usize,
    deletion: Vec<f64>,
    insertion: Vec<f64>,
}

impl Collected {
    pub(super) fn add(&mut self, method: &str, scores: Vec<Measured>, curves: Vec<Curves>) {
        if !self.methods.iter().any(|known| known == method) {
            self.methods.push(method.to_owned());
        }
        for (column, value) in scores {
            self.values.entry(column).or_default().entry(method.to_owned()).or_default().push(value);
        }
        for Curves { variant, found } in curves {
            let sums = self.curves.entry((method.to_owned(), variant)).or_default();
            sums.count += 1;
            add(&mut sums.deletion, &found.deletion);
            add(&mut sums.insertion, &found.insertion);
        }
    }

    /// Means, intervals and ranks.
    ///
    /// # Errors
    /// If the settings of the bootstrap are out of range, or it is cancelled.
    pub(super) fn table(
        self,
        images: usize,
        bootstrap: &BootstrapConfig,
        execution: &Execution,
        notes: Vec<String>,
    ) -> Result<ScoreTable> {
        let mut scores = Vec::with_capacity(self.values.len());
        for (column, of_methods) in self.values {
            let mut entries = Vec::with_capacity(self.methods.len());
            for method in &self.methods {
                let values = of_methods.get(method).map_or(&[][..], Vec::as_slice);
                let defined: Vec<f64> = values.iter().filter_map(|value| *value).collect();
                let undefined = values.len() - defined.len();
                let mean = if defined.is_empty() {
                    None
                } else {
                    Some(bootstrap_interval(&defined, bootstrap, execution.seed, &execution.cancellation)?)
                };
                entries.push(ScoreEntry { method: method.clone(), mean, rank: None, undefined });
            }
            scores.push(ranked(column, entries)?);
        }
        let mean = |sums: &[f64], count: usize| sums.iter().map(|sum| sum / count as f64).collect();
        let of_method = |((method, variant), sums): ((String, String), CurveSums)| MeanCurves {
            deletion: mean(&sums.deletion, sums.count),
            insertion: mean(&sums.insertion, sums.count),
            method,
            variant,
        };
        let curves = self.curves.into_iter().map(of_method).collect();
        Ok(ScoreTable { images, methods: self.methods, scores, curves, notes })
    }
}

fn add(sums: &mut Vec<f64>, values: &[f64]) {
    sums.resize(values.len(), 0.0);
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}

fn ranked(column: Column, mut entries: Vec<ScoreEntry>) -> Result<ScoreColumn> {
    let of_entry = |entry: &ScoreEntry| MethodScore {
        method: entry.method.clone(),
        score: entry.mean.as_ref().map(|interval| interval.mean),
    };
    let ranking = rank_methods(column.kind, &entries.iter().map(of_entry).collect::<Vec<_>>())?;
    for entry in &mut entries {
        entry.rank = ranking.methods.iter().find(|place| place.method == entry.method).map(|place| place.rank);
    }
    let Column { kind, variant, headline } = column;
    Ok(ScoreColumn { kind, direction: ranking.direction, variant, headline, entries })
}
