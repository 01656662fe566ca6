//! What a call of `explain` keeps of the images that are explained, and the page of them.

use std::path::Path;

use anyhow::{Context, Result};
use tinylsa_explain::page::{self, DrawnExplanation, SideBySide};
use tinylsa_explain::scores::{ScoreTable, first_variant};
use tinylsa_explain::{ExplanationsDigest, ImageExplanation, Scaling, ScoresConfig, side_by_side};
use tinylsa_settings::counted;
use tinylsa_system::write_atomically;

use crate::outcome::say;
use crate::score_table::say_scores;

/// The kind of output that `--out` holds.
pub(super) const KIND: &str = "explanations";

/// The page of all explanations.
pub(super) const PAGE: &str = "explanations.html";

/// The scores of all explanations.
pub(super) const SCORES: &str = "scores.json";

/// Images whose classes the page shows side by side.
const MOST_CLASS_SHEETS: usize = 10;

/// What the explanations of the images left behind so far.
#[derive(Default)]
pub(super) struct Finished {
    /// What the page shows of each.
    pub(super) drawn: Vec<DrawnExplanation>,
    /// The few that stand side by side.
    pub(super) beside: Vec<ImageExplanation>,
    /// The scores of the explanations, if they were asked for.
    pub(super) scores: Option<ScoreTable>,
    /// The classes of the images before, if every class is explained.
    classes: Vec<SideBySide>,
}

impl Finished {
    /// What other processes left behind.
    pub(super) fn of(drawn: Vec<DrawnExplanation>, beside: Vec<ImageExplanation>) -> Self {
        Self { drawn, beside, ..Self::default() }
    }

    /// Keeps the classes of one image until the next one begins, and draws them side by side then.
    pub(super) fn add_class(&mut self, explanation: ImageExplanation) -> Result<()> {
        let begins_another = self.beside.first().is_some_and(|first| first.source != explanation.source);
        if begins_another {
            self.classes.extend(self.classes_side_by_side()?);
            self.beside.clear();
        }
        self.beside.push(explanation);
        Ok(())
    }

    /// The classes of the image that was explained last; nothing for images beyond the first few.
    fn classes_side_by_side(&self) -> Result<Option<SideBySide>> {
        match self.beside.first() {
            Some(first) if self.classes.len() < MOST_CLASS_SHEETS => {
                let png = side_by_side(&self.beside, Scaling::EachMethod)?;
                Ok(Some(SideBySide::classes(&first.source.to_string(), png)))
            }
            Some(_) | None => Ok(None),
        }
    }

    fn side_by_side(&self, every_class: bool) -> Result<Vec<SideBySide>> {
        if every_class {
            let last = self.classes_side_by_side()?;
            return Ok(self.classes.iter().cloned().chain(last).collect());
        }
        if self.beside.is_empty() {
            return Ok(Vec::new());
        }
        Ok(vec![SideBySide::images(side_by_side(&self.beside, Scaling::EachMap)?)])
    }

    /// Writes the page of the images that are finished, of which there is at least one.
    pub(super) fn write_page(&self, folder: &Path, every_class: bool, seed: u64) -> Result<()> {
        let subtitle = format!("{}, seed {seed}", counted(self.drawn.len(), "image"));
        let html = page::index(subtitle, None, &self.drawn, self.scores.as_ref(), &self.side_by_side(every_class)?)?;
        let path = folder.join(PAGE);
        write_atomically(&path, html.as_bytes()).with_context(|| format!("failed to write {}", path.display()))?;
        say(format!("page {}", path.display()))
    }

    /// Writes the scores and shows them, if there are any.
    pub(super) fn write_scores(
        &self,
        folder: &Path,
        config: &ScoresConfig,
        digest: &mut ExplanationsDigest,
    ) -> Result<()> {
        let Some(scores) = &self.scores else { return Ok(()) };
        let path = folder.join(SCORES);
        let mut bytes = serde_json::to_vec_pretty(scores).context("failed to write the scores")?;
        bytes.push(b'\n');
        write_atomically(&path, &bytes).with_context(|| format!("failed to write {}", path.display()))?;
        digest.scores(&bytes);
        say_scores(scores, &first_variant(config))
    }
}
