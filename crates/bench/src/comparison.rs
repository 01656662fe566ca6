//! The comparison of networks as a table, a chart and a page.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use tinylsa_experiment::ExperimentError;
use tinylsa_experiment::compare::ComparedNetwork;
use tinylsa_experiment::machine::Machine;
use tinylsa_experiment::race::RaceResult;
use tinylsa_report::{
    BarPanel, BarScale, Block, Cell, Column, Figure, ReportPage, Section, SummaryEntry, Table, bar_panels,
};

use tinylsa_settings::{counted, printable_path};
use tinylsa_system::write_atomically;

use crate::networks::MeasuredNetwork;

/// The page among the files of a comparison.
pub const PAGE: &str = "comparison.html";

/// Networks side by side.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// Where everything was measured.
    pub machine: Machine,
    /// The minutes that a race gave each network, on the machine that the steps were counted on.
    pub race_minutes: Option<f64>,
    /// In the order of the table.
    pub rows: Vec<ComparedRow>,
}

/// What is known of a network.
#[derive(Debug, Serialize)]
pub struct ComparedRow {
    /// What is counted from its layers, and what a run of it measured.
    #[serde(flatten)]
    pub counted: ComparedNetwork,
    /// What it costs here.
    pub measured: Option<MeasuredNetwork>,
    /// What it came to in a race.
    pub raced: Option<RaceResult>,
}

/// A figure of a network and how it is written; nothing where there is none.
type Figures = fn(&ComparedRow) -> Option<String>;

/// The columns of the table behind the name, each with its heading.
const COLUMNS: [(&str, Figures); 15] = [
    ("images", |row| Some(format!("{} × {}", row.counted.image_size[0], row.counted.image_size[1]))),
    ("parameters", |row| Some(row.counted.parameters.to_string())),
    ("MACs, M", |row| Some(format!("{:.1}", row.counted.macs as f64 / 1e6))),
    ("file, MB", |row| Some(format!("{:.1}", file_bytes(row) / 1e6))),
    ("1 image, ms", |row| row.measured.as_ref().map(|measured| format!("{:.2}", measured.latency_1_ms.median))),
    ("32 images, ms", |row| row.measured.as_ref().map(|measured| format!("{:.1}", measured.latency_32_ms.median))),
    ("inference, MB", |row| megabytes(row.measured.as_ref()?.inference_memory)),
    ("training, images/s", |row| {
        row.measured.as_ref().map(|measured| format!("{:.0}", measured.training_images_per_s))
    }),
    ("epoch, min", |row| Some(format!("{:.1}", row.measured.as_ref()?.epoch_seconds? / 60.0))),
    ("training, MB", |row| megabytes(row.measured.as_ref()?.training_memory)),
    ("× PyTorch", |row| Some(format!("{:.2}", row.measured.as_ref()?.peer.as_ref()?.ratio))),
    ("raced, epochs", |row| row.raced.as_ref().map(|raced| format!("{:.2}", raced.epochs))),
    ("validation, %", |row| row.raced.as_ref().map(|raced| format!("{:.2}", 100.0 * raced.validation_accuracy))),
    ("accuracy, %", accuracy),
    ("trained for", budget),
];

/// Bytes of the file, or of the weights where there is no file.
fn file_bytes(row: &ComparedRow) -> f64 {
    row.measured.as_ref().map_or(row.counted.bytes as f64, |measured| measured.file_bytes as f64)
}

fn megabytes(bytes: Option<u64>) -> Option<String> {
    bytes.map(|bytes| format!("{:.0}", bytes as f64 / 1e6))
}

/// Of the race or else of its own run.
fn accuracy(row: &ComparedRow) -> Option<String> {
    let raced = row.raced.as_ref().map(|raced| (raced.accuracy, raced.split));
    let (accuracy, split) = raced.or(row.counted.accuracy.zip(row.counted.split))?;
    Some(format!("{:.2} ({split})", 100.0 * accuracy))
}

fn budget(row: &ComparedRow) -> Option<String> {
    match &row.raced {
        Some(raced) => Some(format!("{} steps, {:.1} min", raced.steps, raced.minutes)),
        None => row.counted.accuracy.map(|_| "its own run".to_owned()),
    }
}

impl Comparison {
    /// The table as text: its headings, then a row for each network, with a dash where nothing is known. Columns of which
    /// nothing is known are left out.
    pub fn table(&self) -> Vec<Vec<String>> {
        let known: Vec<_> =
            COLUMNS.into_iter().filter(|(_, figure)| self.rows.iter().any(|row| figure(row).is_some())).collect();
        let header = std::iter::once("network").chain(known.iter().map(|(heading, _)| *heading));
        let row = |row: &ComparedRow| {
            let figures = known.iter().map(|(_, figure)| figure(row).unwrap_or_else(|| "–".to_owned()));
            std::iter::once(row.counted.network.clone()).chain(figures).collect()
        };
        std::iter::once(header.map(str::to_owned).collect()).chain(self.rows.iter().map(row)).collect()
    }

    /// The table in Markdown, with what stands below it.
    pub fn markdown(&self) -> String {
        let mut rows = self.table().into_iter();
        let header = rows.next().unwrap_or_default();
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rule: Vec<String> =
            (0..header.len()).map(|place| if place == 0 { "---" } else { "---:" }.to_owned()).collect();
        let body: String = rows.map(|row| line(&row)).collect();
        format!("{}{}{body}\n{}\n", line(&header), line(&rule), self.note())
    }

    /// The table as comma-separated values.
    pub fn csv(&self) -> String {
        let quoted = |cell: &String| format!("\"{}\"", cell.replace('"', "\"\""));
        self.table().iter().map(|row| row.iter().map(quoted).collect::<Vec<_>>().join(",") + "\n").collect()
    }

    /// What the figures are of.
    fn note(&self) -> String {
        let Machine { cpu, cores, system } = &self.machine;
        let cpu = cpu.as_deref().unwrap_or("unknown processor");
        let race = self.race_minutes.map_or_else(String::new, |minutes| {
            let time = if minutes.fract() == 0.0 {
                counted(minutes as usize, "minute")
            } else {
                counted((60.0 * minutes).round() as usize, "second")
            };
            format!(
                " In the race each network was trained for as many steps as {time} hold on the machine that the steps were \
                 counted on; a share of an epoch is a share of the training images."
            )
        });
        let has_peer = |row: &ComparedRow| row.measured.as_ref().is_some_and(|measured| measured.peer.is_some());
        let peers = if self.rows.iter().any(has_peer) {
            " The speed of training is that beside PyTorch: with AdamW, without mixed images and teachers, whatever the \
             config of a network says."
        } else {
            ""
        };
        format!(
            "Measured on {cpu}, {cores} cores, {system}. What has no figure for time and memory is counted from its layers and \
             was not run; no figure is from a paper.{race}{peers}"
        )
    }

    /// Writes the table as Markdown, CSV and JSON, the chart as SVG, and the page into a directory.
    ///
    /// # Errors
    /// If a figure is none that can be drawn, or a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), ExperimentError> {
        Ok(self.written(folder)?)
    }

    fn written(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).with_context(|| format!("failed to make {}", printable_path(folder)))?;
        let mut files = vec![
            ("comparison.md", self.markdown()),
            ("comparison.csv", self.csv()),
            ("comparison.json", serde_json::to_string_pretty(self)?),
            (PAGE, self.page()?),
        ];
        files.extend(self.chart()?.map(|svg| ("comparison.svg", svg)));
        for (name, text) in files {
            let path = folder.join(name);
            write_atomically(&path, text.as_bytes()).with_context(|| format!("failed to write {}", path.display()))?;
        }
        Ok(())
    }

    /// Parameters, speed and accuracy of the networks that were measured, as SVG; nothing if none was.
    ///
    /// # Errors
    /// If a figure is none that can be drawn.
    pub fn chart(&self) -> Result<Option<String>, ExperimentError> {
        Ok(self.drawn()?)
    }

    fn drawn(&self) -> Result<Option<String>> {
        let rows: Vec<&ComparedRow> =
            self.rows.iter().filter(|row| row.measured.is_some() || row.raced.is_some()).collect();
        if rows.is_empty() {
            return Ok(None);
        }
        let panel = |heading: &str, scale: BarScale, bar: &dyn Fn(&ComparedRow) -> Option<(f64, String)>| BarPanel {
            heading: heading.to_owned(),
            bars: rows.iter().map(|row| bar(row)).collect(),
            scale,
        };
        let mut panels = vec![panel("parameters (log)", BarScale::Logarithmic, &|row| {
            let parameters = row.counted.parameters as f64;
            Some((parameters, format!("{:.2} M", parameters / 1e6)))
        })];
        if rows.iter().any(|row| row.measured.is_some()) {
            panels.push(panel("training, images/s (log)", BarScale::Logarithmic, &|row| {
                let speed = row.measured.as_ref()?.training_images_per_s;
                Some((speed, format!("{speed:.0}")))
            }));
        }
        if rows.iter().any(|row| row.raced.is_some()) {
            panels.push(panel("accuracy after the race, %", BarScale::From(0.0), &|row| {
                let accuracy = 100.0 * row.raced.as_ref()?.accuracy;
                Some((accuracy, format!("{accuracy:.2}")))
            }));
        }
        let labels: Vec<String> = rows.iter().map(|row| row.counted.network.clone()).collect();
        let cpu = self.machine.cpu.as_deref().unwrap_or("unknown processor");
        let subtitle = format!("{cpu}, {} cores", self.machine.cores);
        Ok(Some(bar_panels("Networks on one machine", &labels, &panels, &subtitle)?))
    }

    /// All of it as one HTML file.
    ///
    /// # Errors
    /// If a figure is none that can be drawn.
    pub fn page(&self) -> Result<String, ExperimentError> {
        Ok(self.html()?)
    }

    fn html(&self) -> Result<String> {
        let mut rows = self.table().into_iter();
        let header = rows.next().unwrap_or_default();
        let column = |(place, heading): (usize, String)| {
            if place == 0 { Column::words(heading) } else { Column::numbers(heading) }
        };
        let columns = header.into_iter().enumerate().map(column).collect();
        let table =
            rows.fold(Table::new(self.note(), columns), |table, row| table.row(row.into_iter().map(Cell::from)));
        let mut blocks = Vec::new();
        if let Some(svg) = self.drawn()? {
            let caption =
                "Parameters, speed and accuracy. Bars on a logarithmic scale: equal factors are equal distances.";
            blocks.push(Block::Figure(Figure::svg(svg, caption, caption)));
        }
        blocks.push(Block::Table(table));
        let Machine { cpu, cores, system } = &self.machine;
        let entries = [
            ("Processor", cpu.clone().unwrap_or_else(|| "unknown".to_owned())),
            ("Cores", cores.to_string()),
            ("System", system.clone()),
        ];
        let page = ReportPage {
            title: "Networks on one machine".to_owned(),
            summary: entries.map(|(name, value)| SummaryEntry { name: name.to_owned(), value }).to_vec(),
            sections: vec![Section { heading: "Cost and accuracy".to_owned(), blocks }],
            ..ReportPage::default()
        };
        Ok(page.to_html()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tinylsa_experiment::evaluation::SplitName;

    fn row(network: &str, raced: Option<f64>) -> ComparedRow {
        let counted = ComparedNetwork {
            network: network.to_owned(),
            image_size: [28, 28],
            parameters: 1000,
            macs: 2_000_000,
            parameters_ratio: 1.0,
            macs_ratio: 1.0,
            bytes: 4000,
            accuracy: None,
            split: None,
        };
        let raced = raced.map(|accuracy| RaceResult {
            name: network.to_owned(),
            steps: 7,
            epochs: 0.5,
            minutes: 2.0,
            images_per_s: 100.0,
            validation_accuracy: 0.5,
            accuracy,
            accuracy_interval: [0.4, 0.6],
            split: SplitName::Test,
            peak_memory: None,
            digest: String::new(),
            model: "model.safetensors".into(),
        });
        ComparedRow { counted, measured: None, raced }
    }

    fn comparison() -> Comparison {
        let machine = Machine { cpu: Some("a \"quick\" one".to_owned()), cores: 2, system: "here".to_owned() };
        Comparison {
            machine,
            race_minutes: Some(2.0),
            rows: vec![row("ours", Some(0.75)), row("large, counted", None)],
        }
    }

    #[test]
    fn a_table_has_the_columns_of_which_something_is_known() {
        let table = comparison().table();
        assert_eq!(table[0][0], "network");
        assert!(!table[0].iter().any(|heading| heading.contains("PyTorch")), "{table:?}");
        let place = table[0].iter().position(|heading| heading == "accuracy, %").unwrap();
        assert_eq!((table[1][place].as_str(), table[2][place].as_str()), ("75.00 (test)", "–"));
    }

    #[test]
    fn every_form_holds_every_network() {
        let comparison = comparison();
        let chart = comparison.chart().unwrap().unwrap();
        assert!(chart.contains("ours") && !chart.contains("large"), "what was not run is not drawn");
        for text in [comparison.markdown(), comparison.csv(), comparison.page().unwrap()] {
            assert!(text.contains("ours") && text.contains("large, counted"), "{text}");
        }
        assert!(comparison.csv().contains("\"large, counted\""));
        let counted = Comparison { rows: vec![row("ours", None)], ..comparison };
        assert_eq!(counted.chart().unwrap(), None);
    }
}
