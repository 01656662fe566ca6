//! What was measured on each image, and the table that is made of it.

use std::collections::BTreeMap;

use tinylsa_xai::{
    ExplainError, MethodScore, Ranking, mean_interval, overall_ranking, paired_difference, rank_methods,
};

use super::measure::{Column, Curves, Measured};
use super::table::{ControlDifference, ImageSample, MeanCurves, ScoreColumn, ScoreEntry, ScoreTable, Verdict};
use crate::error::Result;

/// What was measured, in the order of the methods.
#[derive(Default)]
pub(super) struct Collected {
    methods: Vec<String>,
    columns: Vec<Measurements>,
    /// The sums of the curves of each method, and of how many.
    curves: BTreeMap<(String, String), CurveSums>,
}

/// One score of every method on every image that it was measured on, by the number of the image.
struct Measurements {
    column: Column,
    of_methods: BTreeMap<String, BTreeMap<usize, Option<f64>>>,
}

#[derive(Default)]
struct CurveSums {
    count: usize,
    deletion: Vec<f64>,
    insertion: Vec<f64>,
}

/// What a table of scores is made with.
pub(super) struct Making<'a> {
    pub(super) sample: ImageSample,
    /// How many images were scored.
    pub(super) images: usize,
    /// The level of the intervals.
    pub(super) level: f64,
    /// The names of the controls.
    pub(super) controls: &'a [&'a str],
    pub(super) notes: Vec<String>,
}

impl Collected {
    /// Takes in what a method scored on the image of this number.
    pub(super) fn add(&mut self, method: &str, image: usize, scores: Vec<Measured>, curves: Vec<Curves>) {
        if !self.methods.iter().any(|known| known == method) {
            self.methods.push(method.to_owned());
        }
        for (column, value) in scores {
            self.column(column).of_methods.entry(method.to_owned()).or_default().insert(image, value);
        }
        for Curves { variant, found } in curves {
            let sums = self.curves.entry((method.to_owned(), variant)).or_default();
            sums.count += 1;
            add(&mut sums.deletion, &found.deletion);
            add(&mut sums.insertion, &found.insertion);
        }
    }

    /// What is known of a column, the kinds in order and the variants of a kind in the order in which they came.
    fn column(&mut self, column: Column) -> &mut Measurements {
        let known = self.columns.iter().position(|known| known.column == column);
        let place = known.unwrap_or_else(|| {
            let place = self.columns.partition_point(|known| known.column.kind <= column.kind);
            self.columns.insert(place, Measurements { column, of_methods: BTreeMap::new() });
            place
        });
        &mut self.columns[place]
    }

    /// Means, intervals, ranks and differences to the controls.
    ///
    /// # Errors
    /// If the level is out of range, or a score is not finite.
    pub(super) fn table(self, making: Making<'_>) -> Result<ScoreTable> {
        let Making { sample, images, level, controls, notes } = making;
        let (mut scores, mut rankings) = (Vec::with_capacity(self.columns.len()), Vec::new());
        for measurements in self.columns {
            let Made { column, ranking } = measurements.made(&self.methods, controls, level)?;
            scores.push(column);
            rankings.push(ranking);
        }
        let mean = |sums: &[f64], count: usize| sums.iter().map(|sum| sum / count as f64).collect();
        let of_method = |((method, variant), sums): ((String, String), CurveSums)| MeanCurves {
            deletion: mean(&sums.deletion, sums.count),
            insertion: mean(&sums.insertion, sums.count),
            method,
            variant,
        };
        Ok(ScoreTable {
            sample,
            images,
            methods: self.methods,
            controls: controls.iter().map(|&control| control.to_owned()).collect(),
            overall: overall_ranking(&rankings, controls)?,
            scores,
            curves: self.curves.into_iter().map(of_method).collect(),
            notes,
        })
    }
}

fn add(sums: &mut Vec<f64>, values: &[f64]) {
    sums.resize(values.len(), 0.0);
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}

/// A column of the table, and the ranking that it rests on.
struct Made {
    column: ScoreColumn,
    ranking: Ranking,
}

/// The scores of a method on the images of a column.
struct MethodValues {
    method: String,
    /// Nothing where the score is not defined, or was not measured.
    values: Vec<Option<f64>>,
    undefined: usize,
    is_compared: bool,
}

impl Measurements {
    fn made(self, methods: &[String], controls: &[&str], level: f64) -> Result<Made> {
        let mut images: Vec<usize> = self.of_methods.values().flat_map(|of_images| of_images.keys().copied()).collect();
        images.sort_unstable();
        images.dedup();
        let of_method = |method: &String| {
            let measured = self.of_methods.get(method);
            let value = |image: &usize| measured.and_then(|values| values.get(image).copied().flatten());
            let values: Vec<Option<f64>> = images.iter().map(value).collect();
            let defined = values.iter().flatten().count();
            MethodValues {
                method: method.clone(),
                undefined: measured.map_or(0, BTreeMap::len) - defined,
                is_compared: 2 * defined > images.len(),
                values,
            }
        };
        let rows: Vec<MethodValues> = methods.iter().map(of_method).collect();
        let compared: Vec<usize> = (0..images.len())
            .filter(|&image| rows.iter().filter(|row| row.is_compared).all(|row| row.values[image].is_some()))
            .collect();
        let is_ranked = |row: &MethodValues| row.is_compared && !compared.is_empty();

        let kind = self.column.kind;
        let mut entries = Vec::with_capacity(rows.len());
        for row in &rows {
            let values: Vec<f64> = if is_ranked(row) {
                compared.iter().filter_map(|&image| row.values[image]).collect()
            } else {
                row.values.iter().flatten().copied().collect()
            };
            let interval = || Ok::<_, ExplainError>(mean_interval(&values, level)?.within(kind.bounds()));
            let mean = if values.is_empty() { None } else { Some(interval()?) };
            let mut against = Vec::new();
            for control in rows.iter().filter(|other| other.method != row.method) {
                if !controls.contains(&control.method.as_str()) {
                    continue;
                }
                if let Some(difference) = paired_difference(&row.values, &control.values, level)? {
                    let verdict = Verdict::of(&difference, kind.direction());
                    against.push(ControlDifference { control: control.method.clone(), difference, verdict });
                }
            }
            let method = row.method.clone();
            entries.push(ScoreEntry { method, mean, rank: None, undefined: row.undefined, against });
        }
        let score = |(row, entry): (&MethodValues, &ScoreEntry)| MethodScore {
            method: entry.method.clone(),
            score: entry.mean.as_ref().filter(|_| is_ranked(row)).map(|interval| interval.mean),
        };
        let ranking = rank_methods(kind, &rows.iter().zip(&entries).map(score).collect::<Vec<_>>())?;
        for entry in &mut entries {
            entry.rank = ranking.rank(&entry.method);
        }
        let Column { kind, variant, headline } = self.column;
        let (images, compared) = (images.len(), compared.len());
        let direction = ranking.direction;
        Ok(Made { column: ScoreColumn { kind, direction, variant, headline, images, compared, entries }, ranking })
    }
}

#[cfg(test)]
mod tests {
    use tinylsa_xai::ScoreKind;

    use super::*;

    const CONTROLS: [&str; 2] = ["random", "sobel"];

    fn table(kind: ScoreKind, rows: &[(&str, &[Option<f64>])]) -> ScoreTable {
        let mut collected = Collected::default();
        for (method, values) in rows {
            for (image, value) in values.iter().enumerate() {
                collected.add(method, image, vec![(Column::only(kind, ""), *value)], Vec::new());
            }
        }
        let sample = ImageSample::Random;
        let making = Making { sample, images: 6, level: 0.95, controls: &CONTROLS, notes: Vec::new() };
        collected.table(making).unwrap()
    }

    #[test]
    fn a_difference_on_the_same_images_tells_what_two_intervals_do_not() {
        // images differ by far more than methods do
        let hard = [0.1, 0.9, 0.3, 0.8, 0.2, 0.6];
        let shifted = |shift: f64| hard.map(|score| Some(score + shift + 0.01 * (score * 40.0).sin()));
        let lime = hard.map(|score| Some(score + 0.1));
        let table =
            table(ScoreKind::MuFidelity, &[("random", &shifted(0.0)), ("sobel", &shifted(0.1)), ("lime", &lime)]);
        let column = &table.scores[0];
        let [random, sobel, lime] = [0, 1, 2].map(|row| &column.entries[row]);
        let [of_random, of_lime] = [random, lime].map(|entry| entry.mean.as_ref().unwrap());
        assert!(of_lime.low < of_random.high, "the intervals overlap");
        let found = lime.against("random").unwrap();
        assert!((found.difference.mean - 0.1).abs() < 0.02 && found.verdict == Verdict::Better, "{found:?}");
        assert_eq!(lime.against("sobel").unwrap().verdict, Verdict::Undecided);
        assert_eq!(random.against("sobel").unwrap().verdict, Verdict::Worse);
        assert!(random.against("random").is_none() && sobel.against("lime").is_none());
        let counts = |method, control| {
            let found = table.comparison(method, control);
            (found.better, found.worse, found.undecided)
        };
        assert_eq!(
            (counts("lime", "random"), counts("lime", "sobel"), counts("lime", "lime")),
            ((1, 0, 0), (0, 0, 1), (0, 0, 0))
        );
    }

    #[test]
    fn less_is_better_where_the_score_says_so() {
        let row = |start: f64| [0.0, 0.1, 0.05, 0.02, 0.07, 0.03].map(|score| Some(start + score));
        let lower = [0.01, 0.0, 0.02, 0.01, 0.0, 0.03].map(Some);
        let found = table(ScoreKind::DeletionArea, &[("random", &row(1.0)), ("lime", &lower)]);
        assert_eq!(found.scores[0].entries[1].against[0].verdict, Verdict::Better);
        assert_eq!(found.scores[0].entries[1].rank, Some(1.0));
        assert!(found.scores[0].entries[1].against[0].difference.high < 0.0);
    }

    #[test]
    fn methods_are_compared_on_the_images_that_all_of_them_have() {
        let found = table(
            ScoreKind::FaithfulnessCorrelation,
            &[
                ("random", &[0.0, 0.0, 0.1, 0.0, 0.1, 0.0].map(Some)),
                // better where it is defined, and worse on the images that it shares with the others
                ("lime", &[Some(0.9), Some(0.1), Some(0.1), Some(0.1), Some(0.1), Some(0.1)]),
                ("shap", &[None, Some(0.2), Some(0.2), Some(0.2), Some(0.2), Some(0.2)]),
                ("rollout", &[None, None, None, None, Some(1.0), Some(1.0)]),
            ],
        );
        let column = &found.scores[0];
        assert_eq!((column.images, column.compared), (6, 5));
        let of = |row: usize| (column.entries[row].rank, column.entries[row].undefined);
        assert_eq!([of(0), of(1), of(2), of(3)], [(Some(3.0), 0), (Some(2.0), 0), (Some(1.0), 1), (None, 4)]);
        let mean = |row: usize| column.entries[row].mean.as_ref().map(|interval| (interval.count, interval.mean));
        let [(5, lime), (2, rollout)] = [mean(1).unwrap(), mean(3).unwrap()] else { panic!("{column:?}") };
        assert!((lime - 0.1).abs() < 1e-12 && (rollout - 1.0).abs() < 1e-12);
        // a kind that a control lacks has no vote
        assert!(found.overall.kinds.is_empty());
    }
}
