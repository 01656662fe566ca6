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

/// A score of a method with its rank among the methods.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RankedEstimate {
    /// The score.
    pub estimate: Estimate,
    /// Its rank, 1 is the best; none where the method is not compared with the others.
    pub rank: Option<f64>,
}

/// The scores of one method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MethodScores {
    /// The method's name.
    pub method: String,
    /// Whether it is a control, such as a random map. Controls are ranked with the rest and set in a fainter colour.
    pub control: bool,
    /// What puts the method in order over all scores, less is better; none where it is not compared with the others.
    pub overall: Option<f64>,
    /// One value for each score, in the order of the scores; none where the score was not taken.
    pub values: Vec<Option<RankedEstimate>>,
}

/// Methods ranked by each of several scores, and by all of them. How ranks are made is the caller's business.
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
    /// The table, the best over all scores first: value, interval and rank in each cell, the best of each column standing
    /// out.
    pub fn to_table(&self) -> Result<Table, ReportError> {
        self.check()?;
        let column = |score: usize| {
            self.methods.iter().filter_map(move |method| method.values[score].as_ref()).map(|ranked| &ranked.estimate)
        };
        let precisions: Vec<Precision> = (0..self.scores.len()).map(|score| Precision::of(column(score))).collect();
        Ok(self.table(|score, RankedEstimate { estimate, rank }| {
            let rank = rank.map(|rank| format!(" #{}", tick(rank))).unwrap_or_default();
            Some(format!("{}{rank}", precisions[score].estimate(&estimate)))
        }))
    }

    /// As [`to_table`](Self::to_table), with nothing but the rank in each cell: narrow enough for many scores.
    pub fn to_rank_table(&self) -> Result<Table, ReportError> {
        self.check()?;
        Ok(self.table(|_, ranked| ranked.rank.map(tick)))
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
                if let Some(RankedEstimate { estimate, .. }) = estimate {
                    estimate.check(figure, &format!("{} of {}", score.name, method.method))?;
                }
            }
        }
        Ok(())
    }

    /// A row for each method, the best over all scores first; `text` says what stands in the cell of a score.
    fn table(&self, text: impl Fn(usize, RankedEstimate) -> Option<String>) -> Table {
        let rank = |method: usize, score: usize| self.methods[method].values[score].and_then(|ranked| ranked.rank);
        let best = |score: usize| {
            (0..self.methods.len()).filter_map(|method| rank(method, score)).fold(f64::INFINITY, f64::min)
        };
        let overall = |method: usize| self.methods[method].overall;
        let mut order: Vec<usize> = (0..self.methods.len()).collect();
        let place = |method: usize| overall(method).unwrap_or(f64::INFINITY);
        order.sort_by(|&a, &b| place(a).total_cmp(&place(b)).then(a.cmp(&b)));

        let mut columns = vec![Column::words("method"), Column::numbers("mean rank")];
        columns.extend(self.scores.iter().map(Score::column));
        let none = || Cell::from("\u{2013}");
        let mut table = Table::new(self.caption.clone(), columns);
        for &index in &order {
            let method = &self.methods[index];
            let mean = overall(index).map_or_else(none, |mean| Cell::from(format!("{mean:.1}")));
            let mut cells = vec![Cell::from(row_name(&method.method, method.control)), mean];
            cells.extend((0..self.scores.len()).map(|score| {
                let strong = rank(index, score).is_some_and(|rank| rank <= best(score));
                let text = method.values[score].and_then(|ranked| text(score, ranked));
                text.map_or_else(none, |text| Cell { text, strong })
            }));
            table.rows.push(Row { cells, faint: method.control });
        }
        table
    }
}

impl Score {
    fn column(&self) -> Column {
        let arrow = match self.better {
            Better::Higher => "\u{2191} higher is better",
            Better::Lower => "\u{2193} lower is better",
        };
        Column::numbers(format!("{} ({arrow})", self.name))
    }
}

fn row_name(method: &str, control: bool) -> String {
    if control { format!("{method} (control)") } else { method.to_owned() }
}

/// How much the score of a method differs from that of a control.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The difference with the interval that it lies in.
    pub estimate: Estimate,
    /// Whether the difference is more than chance.
    pub decided: bool,
}

/// The differences of one method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MethodDifferences {
    /// The method's name.
    pub method: String,
    /// Whether it is itself a control, set in a fainter colour.
    pub control: bool,
    /// One value for each score, in the order of the scores; none where the two have no score in common.
    pub values: Vec<Option<Difference>>,
}

/// How much the scores of methods differ from those of one control.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DifferenceTable {
    /// What the table shows.
    pub caption: String,
    /// The scores, a column each.
    pub scores: Vec<Score>,
    /// The methods, a row each in this order.
    pub methods: Vec<MethodDifferences>,
}

impl DifferenceTable {
    /// The table: difference and interval in each cell, those that are more than chance standing out.
    pub fn to_table(&self) -> Result<Table, ReportError> {
        let figure = "table of differences";
        let mut columns = vec![Column::words("method")];
        columns.extend(self.scores.iter().map(Score::column));
        for MethodDifferences { method, values, .. } in &self.methods {
            if values.len() != self.scores.len() {
                let (found, expected) = (values.len(), self.scores.len());
                return Err(ReportError::Size { figure, item: "values of a method", found, expected });
            }
            for (score, value) in self.scores.iter().zip(values) {
                if let Some(Difference { estimate, .. }) = value {
                    estimate.check(figure, &format!("{} of {method}", score.name))?;
                }
            }
        }
        let estimates = |score: usize| {
            self.methods.iter().filter_map(move |method| method.values[score].as_ref()).map(|found| &found.estimate)
        };
        let precisions: Vec<Precision> = (0..self.scores.len()).map(|score| Precision::of(estimates(score))).collect();
        let mut table = Table::new(self.caption.clone(), columns);
        for method in &self.methods {
            let cell = |(precision, value): (&Precision, &Option<Difference>)| match value {
                Some(Difference { estimate, decided }) => Cell { text: precision.estimate(estimate), strong: *decided },
                None => Cell::from("\u{2013}"),
            };
            let mut cells = vec![Cell::from(row_name(&method.method, method.control))];
            cells.extend(precisions.iter().zip(&method.values).map(cell));
            table.rows.push(Row { cells, faint: method.control });
        }
        Ok(table)
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

    fn ranked(value: f64, rank: f64) -> RankedEstimate {
        RankedEstimate { estimate: estimate(value), rank: Some(rank) }
    }

    fn method(name: &str, overall: Option<f64>, values: [Option<RankedEstimate>; 2]) -> MethodScores {
        MethodScores { method: name.to_owned(), control: name == "random", overall, values: values.to_vec() }
    }

    fn scores() -> RankedTable {
        RankedTable {
            caption: "scores".to_owned(),
            scores: vec![
                Score { name: "deletion".to_owned(), better: Better::Lower },
                Score { name: "insertion".to_owned(), better: Better::Higher },
            ],
            methods: vec![
                method("random", Some(3.5), [Some(ranked(0.9, 4.0)), Some(ranked(0.2, 3.0))]),
                method("lime", None, [Some(ranked(0.4, 1.5)), None]),
                method("gradient", Some(1.75), [Some(ranked(0.4, 1.5)), Some(ranked(0.6, 2.0))]),
                method("shap", Some(2.0), [Some(ranked(0.5, 3.0)), Some(ranked(0.8, 1.0))]),
            ],
        }
    }

    #[test]
    fn the_table_puts_the_best_over_all_first_and_marks_the_best_of_each_score() {
        let table = scores().to_table().unwrap();
        table.check().unwrap();
        let names: Vec<&str> = table.rows.iter().map(|row| row.cells[0].text.as_str()).collect();
        assert_eq!(names, ["gradient", "shap", "random (control)", "lime"], "lime is not compared with the others");
        let ranks = scores().to_rank_table().unwrap();
        let texts = |row: usize| ranks.rows[row].cells[1..].iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>();
        assert_eq!(texts(0), ["1.8", "1.5", "2"]);
        assert_eq!(texts(3), ["\u{2013}", "1.5", "\u{2013}"]);
        // the largest end of an interval in the column is 1.0, so three digits are two decimals
        assert_eq!(table.rows[0].cells[2], Cell { text: "0.40 [0.30, 0.50] #1.5".to_owned(), strong: true });
        assert_eq!(table.rows[1].cells[3].text, "0.800 [0.700, 0.900] #1");
        assert_eq!(table.rows[3].cells[3].text, "\u{2013}");
        assert!(table.rows[2].faint && !table.rows[0].faint);
        let mut alone = scores();
        alone.methods[1].values[1] = Some(RankedEstimate { estimate: estimate(0.3), rank: None });
        let cell = alone.to_table().unwrap().rows[3].cells[3].clone();
        assert_eq!(cell, Cell { text: "0.300 [0.200, 0.400]".to_owned(), strong: false });
    }

    #[test]
    fn differences_that_are_more_than_chance_stand_out() {
        let difference = |value: f64, decided| Some(Difference { estimate: estimate(value), decided });
        let row = |name: &str, values: [Option<Difference>; 2]| MethodDifferences {
            method: name.to_owned(),
            control: name == "sobel",
            values: values.to_vec(),
        };
        let mut differences = DifferenceTable {
            caption: "against the random map".to_owned(),
            scores: scores().scores,
            methods: vec![
                row("lime", [difference(-0.2, true), None]),
                row("sobel", [difference(0.05, false), difference(0.3, true)]),
            ],
        };
        let table = differences.to_table().unwrap();
        table.check().unwrap();
        let cell = |row: usize, column: usize| {
            (table.rows[row].cells[column].text.as_str(), table.rows[row].cells[column].strong)
        };
        assert_eq!(cell(0, 1), ("-0.200 [-0.300, -0.100]", true));
        assert_eq!((cell(0, 2), cell(1, 1)), (("\u{2013}", false), ("0.050 [-0.050, 0.150]", false)));
        assert_eq!(cell(1, 0).0, "sobel (control)");
        differences.methods[0].values.pop();
        assert!(matches!(differences.to_table(), Err(ReportError::Size { found: 1, expected: 2, .. })));
    }

    #[test]
    fn a_score_that_is_no_number_is_refused() {
        let mut scores = scores();
        scores.methods[1].values[0] = Some(ranked(f64::NAN, 1.0));
        assert_eq!(
            scores.to_table().unwrap_err().to_string(),
            "ranked table: found NaN at deletion of lime, expected a finite number"
        );
        scores.methods[1].values.pop();
        assert!(matches!(scores.to_table(), Err(ReportError::Size { found: 1, expected: 2, .. })));
    }
}
