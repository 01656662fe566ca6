//! The table that ranks methods by their scores.

use serde::{Deserialize, Serialize};

use crate::ReportError;
use crate::estimate::{Estimate, Precision};
use crate::number::tick;
use crate::table::{Cell, Column, Row, Table};

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
}
