//! What the settings of explanations must fit: the images, the classes and the network. Everything that can be wrong with
//! them is said before anything is computed.

use tinylsa_settings::{InvalidSetting, require};
use tinylsa_xai::{BaselineKind, Fill, ScoreScale};

use super::ExplainConfig;
use crate::circumstances::{Circumstances, within_image};
use crate::registry::MethodId;

impl ExplainConfig {
    /// Checks what a run explains and scores against its images, classes and network.
    ///
    /// # Errors
    /// The first key of `[explain]` that does not fit, and why.
    pub fn validate_against(&self, at: &Circumstances) -> Result<(), InvalidSetting> {
        if !self.enabled {
            return Ok(());
        }
        self.validate_methods(&self.methods, at)?;
        self.validate_images(at).map_err(|error| error.within("images"))?;
        if !self.scores.enabled {
            return Ok(());
        }
        let explained = if at.test > 0 { self.methods.as_slice() } else { &[] };
        self.validate_scoring(explained, at)
    }

    /// Checks the settings of the scores, and of the methods that are run again for them, against the images, the classes and
    /// the network.
    ///
    /// # Errors
    /// The first key of `[explain]` that does not fit, and why.
    pub fn validate_scoring(&self, methods: &[MethodId], at: &Circumstances) -> Result<(), InvalidSetting> {
        let budget = self.scores.rerun.budget();
        for method in methods.iter().filter(|method| !self.scores.rerun.skip.contains(method)) {
            self.method(*method).validate_budget(&budget, &self.shared, at)?;
        }
        self.validate_scores(at).map_err(|error| error.within("scores"))
    }

    /// Checks the settings of some methods against the images, the classes and the network.
    ///
    /// # Errors
    /// The first key of `[explain]` that does not fit, and why.
    pub fn validate_methods(&self, methods: &[MethodId], at: &Circumstances) -> Result<(), InvalidSetting> {
        for (place, method) in methods.iter().enumerate() {
            let needs = method.facts().needs;
            let expected = format!("a method that does without {}, which the network does not give", needs.describe());
            require(&format!("methods.{place}"), at.given.serves(needs), || method.to_string(), &expected)?;
        }
        self.validate_values(at)?;
        methods.iter().try_for_each(|&method| self.method(method).validate_against(&self.shared, at))
    }

    /// The lists that hold a number for all channels or one for each.
    fn validate_values(&self, at: &Circumstances) -> Result<(), InvalidSetting> {
        let (baseline, fill, channels) = (&self.shared.baseline, &self.shared.fill, at.image[0]);
        let lists = [
            ("baseline.black", Some(&baseline.black), baseline.kinds.contains(&BaselineKind::Black)),
            ("baseline.white", Some(&baseline.white), baseline.kinds.contains(&BaselineKind::White)),
            ("baseline.mean", baseline.mean.as_ref(), true),
            ("baseline.deviation", baseline.deviation.as_ref(), true),
            ("fill.black", Some(&fill.black), true),
            ("fill.mean", fill.mean.as_ref(), true),
            ("fill.deviation", fill.deviation.as_ref(), fill.kind == Fill::Noise),
        ];
        for (key, list, is_used) in lists {
            let Some(list) = list else { continue };
            let fits = !is_used || list.len() == 1 || list.len() == channels;
            let expected = match channels {
                1 => "1 number, as the images have 1 channel".to_owned(),
                _ => format!("1 number, or {channels}, as many as the images have channels"),
            };
            require(key, fits, || format!("{} numbers", list.len()), &expected)?;
        }
        Ok(())
    }

    fn validate_images(&self, at: &Circumstances) -> Result<(), InvalidSetting> {
        let choice = &self.images;
        let counts = [
            ("right_highest", choice.right_highest),
            ("right_lowest", choice.right_lowest),
            ("wrong_highest", choice.wrong_highest),
            ("random", choice.random),
        ];
        for (key, count) in counts {
            let expected = format!("at most the {} test images", at.test);
            require(key, count <= at.test, || count.to_string(), &expected)?;
        }
        for (place, &index) in choice.indices.iter().enumerate() {
            require(
                &format!("indices.{place}"),
                (index as usize) < at.test,
                || index.to_string(),
                &format!("the number of one of the {} test images, 0 to {}", at.test, at.test.saturating_sub(1)),
            )?;
        }
        let chooses = counts.iter().any(|(_, count)| *count > 0) || !choice.indices.is_empty();
        require("right_highest", chooses, || "0, as are the others".to_owned(), "an image, or explain.enabled = false")
    }

    fn validate_scores(&self, at: &Circumstances) -> Result<(), InvalidSetting> {
        let (scores, pixels) = (&self.scores, at.pixels());
        let has_rival = at.classes > 1 || !scores.scales.contains(&ScoreScale::Probabilities);
        require(
            "scales",
            has_rival,
            || "\"probabilities\"".to_owned(),
            "\"logits\" alone: one class is always certain",
        )?;
        within_image("deletion.steps", scores.deletion.steps, 2..=pixels, "pixels")?;
        let subset = scores.faithfulness.pixels;
        let expected = format!("fewer than the {pixels} pixels of an image, so that subsets differ");
        require("faithfulness.pixels", subset < pixels, || subset.to_string(), &expected)?;
        let cells = &scores.mu_fidelity;
        within_image("mu_fidelity.grid", cells.grid, 2..=at.shorter_side(), "height and width")?;
        let all = cells.grid * cells.grid;
        let chosen = (all as f64 * cells.fraction).round() as usize;
        let expected = format!("a share that leaves some of the {all} cells out of a subset");
        require("mu_fidelity.fraction", chosen < all, || cells.fraction.to_string(), &expected)?;
        within_image(
            "infidelity.largest_side",
            scores.infidelity.largest_side,
            1..=at.shorter_side(),
            "height and width",
        )?;
        let radius = scores.max_sensitivity.radius;
        let expected = "at most 1, the difference of black and white";
        require("max_sensitivity.radius", radius <= 1.0, || radius.to_string(), expected)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::needs::Given;
    use serde::Deserialize;
    use tinylsa_settings::config::{ConfigSource, load};

    /// The config that continuous integration runs.
    fn ci() -> ConfigSource {
        ConfigSource::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/ci.toml")).unwrap()
    }

    #[derive(Deserialize)]
    struct Document {
        explain: ExplainConfig,
    }

    fn circumstances() -> Circumstances {
        Circumstances {
            image: [1, 28, 28],
            classes: 10,
            tokens: 49,
            given: Given { attention: true, feature_maps: true, token_evidence: true },
            training: Some(500),
            test: 200,
        }
    }

    /// What is wrong with configs/ci.toml changed in some keys of `[explain]`, with the line of the mistake.
    fn error_of(changes: &[&str], at: &Circumstances) -> Option<String> {
        let overrides: Vec<String> = changes.iter().map(|change| format!("explain.{change}")).collect();
        let validate = |config: &Document| {
            config.explain.validate()?;
            config.explain.validate_against(at)
        };
        let within = |config: &Document| validate(config).map_err(|error| error.within("explain"));
        load(&ci(), &overrides, within).err().map(|error| error.to_string())
    }

    #[track_caller]
    fn check(changes: &[&str], expected: &str) {
        let error = error_of(changes, &circumstances()).unwrap_or_else(|| panic!("{changes:?} passes"));
        assert!(error.contains(expected), "{changes:?}: {error}");
    }

    #[test]
    fn what_fits_passes() {
        assert_eq!(error_of(&[], &circumstances()), None);
        let fine: [&[&str]; 7] = [
            // the shared segments are none of exact Shapley's
            &["methods=[\"exact-shapley\"]", "segmentation.grid.rows=28", "segmentation.grid.columns=28"],
            &["segmentation.grid.rows=28", "segmentation.grid.columns=28", "methods=[\"kernel-shap\"]"],
            &["images.indices=[199]"],
            &["scores.mu_fidelity.grid=28", "scores.infidelity.largest_side=28", "scores.max_sensitivity.radius=1.0"],
            &["fixed-query.tokens=[48]"],
            &["methods=[\"expected-gradients\"]", "background.images=500"],
            // settings of what is not asked for
            &["enabled=false", "segmentation.grid.rows=29", "images.indices=[200]"],
        ];
        for changes in fine {
            assert_eq!(error_of(changes, &circumstances()), None, "{changes:?}");
        }
    }

    #[test]
    fn segments_fit_the_image() {
        check(&["segmentation.grid.rows=29"], "`explain.segmentation.grid.rows` is 29, expected 1 to 28, the height");
        check(&["segmentation.grid.columns=29"], "expected 1 to 28, the width of an image");
        check(&["segmentation.kind=slic", "segmentation.slic.segments=785"], "expected 1 to 784, the pixels");
        check(&["methods=[\"exact-shapley\"]", "exact-shapley.limit=5"], "at least the 6 segments");
        check(&["methods=[\"exact-shapley\"]", "exact-shapley.grid.rows=4"], "take 256 evaluations");
        check(
            &["methods=[\"exact-shapley\"]", "exact-shapley.grid.rows=28"],
            "a grid of at most 20 segments instead of 56",
        );
        check(
            &["methods=[\"exact-shapley\"]", "exact-shapley.grid.rows=29"],
            "`explain.exact-shapley.grid.rows` is 29, expected 1 to 28, the height of an image",
        );
        check(&["lime.samples=6"], "`explain.lime.samples` is 6, expected more than the 6 segments");
        check(&["lime.kernel_width=0.01"], "`explain.lime.kernel_width` is 0.01");
        check(&["scores.rerun.coalitions=6"], "`explain.scores.rerun.coalitions` is 6");
        assert_eq!(error_of(&["scores.rerun.coalitions=6", "scores.rerun.skip=[\"lime\"]"], &circumstances()), None);
    }

    /// Whether enough segments of an image are inert is known when the image is; a run chooses its images after training.
    #[test]
    fn an_image_that_is_named_may_have_more_segments_than_are_enumerated() {
        let fine = ["methods=[\"exact-shapley\"]", "exact-shapley.grid.rows=28"];
        let of_command = Circumstances { test: 0, ..circumstances() };
        let explain = |at: &Circumstances| {
            let overrides: Vec<String> = fine.iter().map(|change| format!("explain.{change}")).collect();
            let methods = [MethodId::named("exact-shapley").unwrap()];
            let validate = |config: &Document| config.explain.validate_methods(&methods, at);
            load(&ci(), &overrides, validate).map(drop).map_err(|error| error.to_string())
        };
        assert_eq!(explain(&of_command), Ok(()));
        assert!(explain(&circumstances()).is_err());
    }

    #[test]
    fn images_tokens_and_channels_are_there() {
        check(&["images.indices=[3, 10000]"], "`explain.images.indices.1` is 10000, expected the number of one of");
        check(&["images.right_lowest=201"], "at most the 200 test images");
        check(&["images.random=201"], "`explain.images.random` is 201, expected at most the 200 test images");
        assert_eq!(error_of(&["images.indices=[]", "images.random=200"], &circumstances()), None);
        check(&["images.indices=[]"], "an image, or explain.enabled = false");
        check(&["fixed-query.tokens=[0, 49]"], "`explain.fixed-query.tokens.1` is 49");
        check(&["methods=[\"expected-gradients\"]", "background.images=501"], "at most the 500 training images");
        check(&["methods=[\"expected-gradients\"]", "scores.rerun.background=5"], "at most the 4 images");
        check(
            &["baseline.black=[0.0, 0.0]"],
            "`explain.baseline.black` is 2 numbers, expected 1 number, as the images",
        );
        check(&["fill.mean=[0.1, 0.2, 0.3]"], "`explain.fill.mean` is 3 numbers");
        let colour = Circumstances { image: [3, 28, 28], ..circumstances() };
        assert_eq!(error_of(&["fill.mean=[0.1, 0.2, 0.3]"], &colour), None);
        let error = error_of(&["fill.mean=[0.1, 0.2]"], &colour).unwrap();
        assert!(error.contains("1 number, or 3, as many as the images have channels"), "{error}");
    }

    #[test]
    fn scores_fit_the_image_and_the_classes() {
        check(&["scores.mu_fidelity.grid=29"], "`explain.scores.mu_fidelity.grid` is 29, expected 2 to 28");
        check(&["scores.mu_fidelity.fraction=0.999"], "leaves some of the 81 cells out");
        check(&["scores.max_sensitivity.radius=3e38"], "`explain.scores.max_sensitivity.radius`");
        check(&["scores.max_sensitivity.radius=1.5"], "at most 1, the difference of black and white");
        check(&["scores.infidelity.largest_side=29"], "`explain.scores.infidelity.largest_side` is 29");
        check(&["scores.infidelity.samples=1"], "`explain.scores.infidelity.samples` is 1");
        check(&["scores.faithfulness.pixels=784"], "fewer than the 784 pixels");
        check(&["scores.deletion.steps=1"], "`explain.scores.deletion.steps` is 1");
        check(&["scores.deletion.steps=785"], "expected 2 to 784, the pixels of an image");
        check(&["scores.level=1.0"], "`explain.scores.level` is 1");
        check(&["scores.scales=[\"logits\", \"logits\"]"], "`explain.scores.scales`");
        check(&["scores.baselines=[\"black\", \"black\"]"], "`explain.scores.baselines`");
        check(&["methods=[\"lime\", \"lime\"]"], "`explain.methods`");
        let alone = Circumstances { classes: 1, ..circumstances() };
        let error = error_of(&[], &alone).unwrap();
        assert!(error.contains("`explain.scores.scales`") && error.contains("one class"), "{error}");
        assert_eq!(error_of(&["scores.enabled=false"], &alone), None);
    }
}
