//! Tables of the page, among them the one that ranks methods by their scores.

use serde::{Deserialize, Serialize};

use crate::ReportError;

/// On which side the cells of a column stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Align {
    /// Words.
    #[default]
    Left,
    /// Numbers.
    Right,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The heading.
    pub heading: String,
    /// On which side its cells stand.
    pub align: Align,
}

impl Column {
    /// A column of words.
    pub fn words(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), align: Align::Left }
    }

    /// A column of numbers.
    pub fn numbers(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), align: Align::Right }
    }
}

/// A cell of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// What it says.
    pub text: String,
    /// Whether it stands out, as for the best of a column.
    pub strong: bool,
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), strong: false }
    }
}

/// A row of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// One cell for each column; the first names the row.
    pub cells: Vec<Cell>,
    /// Whether the row stands back, as for a control.
    pub faint: bool,
}

/// A table of the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// What the table shows, above it; empty for none.
    pub caption: String,
    /// Columns from left to right.
    pub columns: Vec<Column>,
    /// Rows from top to bottom.
    pub rows: Vec<Row>,
}

impl Table {
    /// A table without rows.
    pub fn new(caption: impl Into<String>, columns: Vec<Column>) -> Self {
        Self { caption: caption.into(), columns, rows: Vec::new() }
    }

    /// Adds a row.
    #[must_use]
    pub fn row<C: Into<Cell>>(mut self, cells: impl IntoIterator<Item = C>) -> Self {
        self.rows.push(Row { cells: cells.into_iter().map(Into::into).collect(), faint: false });
        self
    }

    /// Fails unless every row has a cell for each column.
    pub(crate) fn check(&self) -> Result<(), ReportError> {
        if self.columns.is_empty() {
            return Err(ReportError::Empty { figure: "table", item: "column" });
        }
        let wrong = self.rows.iter().find(|row| row.cells.len() != self.columns.len());
        wrong.map_or(Ok(()), |row| {
            Err(ReportError::Size {
                figure: "table",
                item: "cells in a row",
                found: row.cells.len(),
                expected: self.columns.len(),
            })
        })
    }
}

/// A score with the interval that it lies in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The score.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Estimate {
    /// Fails on a NaN, an infinite number or ends in the wrong order.
    pub(crate) fn check(&self, figure: &'static str, position: &str) -> Result<(), ReportError> {
        for value in [self.value, self.low, self.high] {
            if !value.is_finite() {
                return Err(ReportError::NotFinite { figure, position: position.to_owned(), value });
            }
        }
        if self.low > self.high {
            return Err(ReportError::OutOfRange {
                figure,
                position: format!("lower end of {position}"),
                value: self.low,
                low: f64::NEG_INFINITY,
                high: self.high,
            });
        }
        Ok(())
    }
}

/// Which end of a score is the good one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Better {
    /// More is better, as for insertion.
    Higher,
    /// Less is better, as for deletion.
    Lower,
}

/// A score by which methods are ranked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// Its name, as in "deletion AUC, probability, black baseline".
    pub name: String,
    /// Which end is the good one.
    pub better: Better,
}

/// The scores of one method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MethodScores {
    /// The method's name.
    pub method: String,
    /// Whether it is a control, such as a random map. Controls are ranked with the rest and set in a fainter colour.
    pub control: bool,
    /// One value for each score, in the order of the scores; none where the score was not taken.
    pub values: Vec<Option<Estimate>>,
}

/// Methods ranked by each of several scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RankedTable {
    /// What the table shows.
    pub caption: String,
    /// The scores, a column each.
    pub scores: Vec<Score>,
    /// The methods, in any order.
    pub methods: Vec<MethodScores>,
}

impl RankedTable {
    /// The rank of every method by one score: 1 is the best, equal values share the mean of their places.
    ///
    /// None where the method has no value. `score` counts from 0.
    pub fn ranks(&self, score: usize) -> Vec<Option<f64>> {
        let Some(better) = self.scores.get(score).map(|score| score.better) else {
            return vec![None; self.methods.len()];
        };
        let value = |method: &MethodScores| method.values.get(score).copied().flatten().map(|e| e.value);
        let beats = |a: f64, b: f64| match better {
            Better::Higher => a > b,
            Better::Lower => a < b,
        };
        let count = |wanted: &dyn Fn(f64) -> bool| self.methods.iter().filter_map(value).filter(|&v| wanted(v)).count();
        let rank = |own: f64| {
            let (better, equal) =
                (count(&|other| beats(other, own)), count(&|other| !beats(other, own) && !beats(own, other)));
            better as f64 + f64::midpoint(1.0, equal as f64)
        };
        self.methods.iter().map(|method| value(method).map(rank)).collect()
    }

    /// The table, best mean rank first: value, interval and rank in each cell, the best of each column standing out.
    ///
    /// The mean rank of a method is taken over the scores that it has.
    pub fn to_table(&self) -> Result<Table, ReportError> {
        self.check()?;
        let column = |score: usize| self.methods.iter().filter_map(move |method| method.values[score].as_ref());
        let precisions: Vec<Precision> = (0..self.scores.len()).map(|score| Precision::of(column(score))).collect();
        Ok(self.table(|method, score, rank| {
            let estimate = self.methods[method].values[score]?;
            Some(format!("{} #{}", precisions[score].estimate(&estimate), tick(rank)))
        }))
    }

    /// As [`to_table`](Self::to_table), with nothing but the rank in each cell: narrow enough for many scores.
    pub fn to_rank_table(&self) -> Result<Table, ReportError> {
        self.check()?;
        Ok(self.table(|_, _, rank| Some(tick(rank))))
    }

    fn check(&self) -> Result<(), ReportError> {
        let figure = "ranked table";
        for method in &self.methods {
            if method.values.len() != self.scores.len() {
                return Err(ReportError::Size {
                    figure,
                    item: "values of a method",
                    found: method.values.len(),
                    expected: self.scores.len(),
                });
            }
            for (score, estimate) in self.scores.iter().zip(&method.values) {
                if let Some(estimate) = estimate {
                    estimate.check(figure, &format!("{} of {}", score.name, method.method))?;
                }
            }
        }
        Ok(())
    }

    /// A row for each method, best mean rank first; `text` says what stands in the cell of a method, a score and a rank.
    fn table(&self, text: impl Fn(usize, usize, f64) -> Option<String>) -> Table {
        let ranks: Vec<Vec<Option<f64>>> = (0..self.scores.len()).map(|score| self.ranks(score)).collect();
        let best = |score: usize| ranks[score].iter().flatten().copied().fold(f64::INFINITY, f64::min);
        let mean_rank = |method: usize| {
            let known: Vec<f64> = ranks.iter().filter_map(|by_score| by_score[method]).collect();
            if known.is_empty() { f64::INFINITY } else { known.iter().sum::<f64>() / known.len() as f64 }
        };
        let mut order: Vec<usize> = (0..self.methods.len()).collect();
        order.sort_by(|&a, &b| mean_rank(a).total_cmp(&mean_rank(b)).then(a.cmp(&b)));

        let mut columns = vec![Column::words("method"), Column::numbers("mean rank")];
        columns.extend(self.scores.iter().map(|score| {
            let arrow = match score.better {
                Better::Higher => "\u{2191} higher is better",
                Better::Lower => "\u{2193} lower is better",
            };
            Column::numbers(format!("{} ({arrow})", score.name))
        }));
        let none = || Cell::from("\u{2013}");
        let mut table = Table::new(self.caption.clone(), columns);
        for &index in &order {
            let method = &self.methods[index];
            let name = if method.control { format!("{} (control)", method.method) } else { method.method.clone() };
            let mean = mean_rank(index);
            let mean = if mean.is_finite() { Cell::from(format!("{mean:.1}")) } else { none() };
            let mut cells = vec![Cell::from(name), mean];
            cells.extend((0..self.scores.len()).map(|score| {
                let Some(rank) = ranks[score][index] else { return none() };
                let strong = rank <= best(score);
                text(index, score, rank).map_or_else(none, |text| Cell { text, strong })
            }));
            table.rows.push(Row { cells, faint: method.control });
        }
        table
    }
}

/// How many digits all numbers of a column or chart have, so that they can be compared at a glance.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Precision {
    Decimals(usize),
    Scientific,
}

impl Precision {
    /// About three digits for the largest of the estimates.
    pub(crate) fn of<'a>(estimates: impl IntoIterator<Item = &'a Estimate>) -> Self {
        let ends = estimates.into_iter().flat_map(|estimate| [estimate.value, estimate.low, estimate.high]);
        let largest = ends.map(f64::abs).fold(0.0, f64::max);
        if largest == 0.0 {
            return Self::Decimals(0);
        }
        let power = largest.log10().floor();
        if (-3.0..5.0).contains(&power) {
            Self::Decimals((2.0 - power).clamp(0.0, 5.0) as usize)
        } else {
            Self::Scientific
        }
    }

    /// Value and interval.
    pub(crate) fn estimate(self, estimate: &Estimate) -> String {
        let text = |value: f64| match self {
            Self::Decimals(decimals) => format!("{value:.decimals$}"),
            Self::Scientific => format!("{value:.1e}"),
        };
        format!("{} [{}, {}]", text(estimate.value), text(estimate.low), text(estimate.high))
    }
}

/// A number with about three significant digits, short enough for a label.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        "0".to_owned()
    } else if !(1e-3..1e5).contains(&size) {
        format!("{value:.1e}")
    } else if size < 0.01 {
        format!("{value:.5}")
    } else if size < 0.1 {
        format!("{value:.4}")
    } else if size < 10.0 {
        format!("{value:.3}")
    } else if size < 100.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

/// A round number without zeros at the end of its fraction: for the ticks of an axis.
pub(crate) fn tick(value: f64) -> String {
    if value != 0.0 && !(1e-5..1e5).contains(&value.abs()) {
        return format!("{value:.1e}");
    }
    let text = format!("{value:.7}");
    match text.trim_end_matches('0').trim_end_matches('.') {
        "-0" => "0".to_owned(),
        trimmed => trimmed.to_owned(),
    }
}

// ranks are halves, exact in binary
#[cfg(test)]
#[allow(clippy::float_cmp)]
mod tests {
    use super::*;

    fn estimate(value: f64) -> Estimate {
        Estimate { value, low: value - 0.1, high: value + 0.1 }
    }

    fn method(name: &str, control: bool, values: Vec<Option<Estimate>>) -> MethodScores {
        MethodScores { method: name.to_owned(), control, values }
    }

    fn scores() -> RankedTable {
        RankedTable {
            caption: "scores".to_owned(),
            scores: vec![
                Score { name: "deletion".to_owned(), better: Better::Lower },
                Score { name: "insertion".to_owned(), better: Better::Higher },
            ],
            methods: vec![
                method("random", true, vec![Some(estimate(0.9)), Some(estimate(0.2))]),
                method("lime", false, vec![Some(estimate(0.4)), None]),
                method("gradient", false, vec![Some(estimate(0.4)), Some(estimate(0.6))]),
                method("shap", false, vec![Some(estimate(0.5)), Some(estimate(0.8))]),
            ],
        }
    }

    #[test]
    fn ranks_follow_the_good_end_and_share_ties() {
        assert_eq!(scores().ranks(0), [Some(4.0), Some(1.5), Some(1.5), Some(3.0)]);
        assert_eq!(scores().ranks(1), [Some(3.0), None, Some(2.0), Some(1.0)]);
        assert_eq!(scores().ranks(7), [None; 4]);
    }

    #[test]
    fn the_table_puts_the_best_mean_rank_first_and_marks_the_best_of_each_score() {
        let table = scores().to_table().unwrap();
        table.check().unwrap();
        let names: Vec<&str> = table.rows.iter().map(|row| row.cells[0].text.as_str()).collect();
        assert_eq!(names, ["lime", "gradient", "shap", "random (control)"]);
        let ranks = scores().to_rank_table().unwrap();
        assert_eq!(
            ranks.rows[1].cells[1..].iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>(),
            ["1.8", "1.5", "2"]
        );
        // the largest end of an interval in the column is 1.0, so three digits are two decimals
        assert_eq!(table.rows[1].cells[2], Cell { text: "0.40 [0.30, 0.50] #1.5".to_owned(), strong: true });
        assert_eq!(table.rows[2].cells[3].text, "0.800 [0.700, 0.900] #1");
        assert_eq!(table.rows[0].cells[3].text, "\u{2013}");
        assert!(table.rows[3].faint && !table.rows[0].faint);
    }

    #[test]
    fn a_score_that_is_no_number_is_refused() {
        let mut scores = scores();
        scores.methods[1].values[0] = Some(estimate(f64::NAN));
        assert_eq!(
            scores.to_table().unwrap_err().to_string(),
            "ranked table: found NaN at deletion of lime, expected a finite number"
        );
        scores.methods[1].values.pop();
        assert!(matches!(scores.to_table(), Err(ReportError::Size { found: 1, expected: 2, .. })));
    }

    #[test]
    fn numbers_stay_short() {
        let cases = [
            (0.0, "0"),
            (0.5, "0.500"),
            (-12.34, "-12.3"),
            (1234.5, "1234"),
            (2.5e-4, "2.5e-4"),
            (0.0042, "0.00420"),
            (0.0204, "0.0204"),
        ];
        for (value, expected) in cases {
            assert_eq!(number(value), expected);
        }
        assert_eq!([0.1 + 0.2, 300.0, 5e-4, 4e-7, -0.0].map(tick), ["0.3", "300", "0.0005", "4.0e-7", "0"]);
    }
}
