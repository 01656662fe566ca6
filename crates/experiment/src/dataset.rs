//! Which images a command works on.
//!
//! Where they are read from is decided by `tinylsa_data::obtain`. Here is what a program adds: synthetic garments that stand
//! in for Fashion-MNIST if the config allows it, and what is said about it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, anyhow};
use tinylsa_data::{
    Certificates, DataConfig, DataDirectory, Dataset, DatasetName, DownloadPolicy, FetchConfig, FileChecksum,
    ImageCollection, ImageForm, ImageShape, Place, SourceError, SourceName, SplitIndices, Unavailable,
    stratified_split,
};
use tinylsa_settings::{InvalidSetting, UsageError, printable, printable_path, require_within};
use tinylsa_system::sha256_hex;
use tracing::{info, warn};

use crate::error::{ExperimentError, Interruption};

/// The environment variables that name the root certificates to trust, by OpenSSL's convention.
const CERTIFICATE_VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// The images, and where they are from.
#[derive(Clone, Debug)]
pub struct LoadedDataset {
    /// The training images, of which the validation split is a part.
    pub train: Dataset,
    /// The test images.
    pub test: Dataset,
    /// Of the files that were read; empty for images that are drawn.
    pub checksums: Vec<FileChecksum>,
    /// Why these are not the images that were asked for, if they are not.
    pub substitution: Option<String>,
}

impl LoadedDataset {
    /// Images that are in memory. They are known again by their content and the names of their classes.
    pub fn in_memory(train: Dataset, test: Dataset) -> Self {
        let checksum = |dataset: &Dataset| {
            let text = format!("{}\n{}", dataset.digest(), dataset.class_names.join("\n"));
            FileChecksum { file: dataset.split.to_string(), sha256: sha256_hex(text.as_bytes()) }
        };
        let checksums = vec![checksum(&train), checksum(&test)];
        Self { train, test, checksums, substitution: None }
    }

    /// The name of the dataset.
    pub fn name(&self) -> &DatasetName {
        &self.train.name
    }

    /// Shape and number of classes.
    pub fn form(&self) -> ImageForm {
        ImageForm { shape: self.train.shape, classes: self.train.classes() }
    }

    /// What stands under every figure made from these images.
    pub fn caption(&self) -> String {
        match &self.substitution {
            Some(_) => format!("{}, NOT Fashion-MNIST", self.name()),
            None => self.name().to_string(),
        }
    }

    /// Checks that both splits are whole and belong together.
    ///
    /// # Errors
    /// [`UsageError`] says what contradicts what.
    pub(crate) fn check(&self) -> Result<(), UsageError> {
        let Self { train, test, .. } = self;
        for dataset in [train, test] {
            let of = |text: String| UsageError(format!("the {} split of {}: {text}", dataset.split, dataset.name));
            dataset.check().map_err(|error| of(error.to_string()))?;
            if dataset.is_empty() {
                return Err(of("it holds no image".to_owned()));
            }
        }
        let differs = |what: &str, train: &dyn std::fmt::Display, test: &dyn std::fmt::Display| {
            UsageError(format!("{what} {train} in the training split of {}, {test} in the test split", self.name()))
        };
        if train.shape != test.shape {
            return Err(differs("images are", &train.shape, &test.shape));
        }
        if train.class_names != test.class_names {
            let names = |dataset: &Dataset| printable(&dataset.class_names.join(", ")).into_owned();
            return Err(differs("the classes are", &names(train), &names(test)));
        }
        Ok(())
    }
}

/// The images that a config asks for, or their substitute.
///
/// # Errors
/// If a directory was named and does not hold them; if files are damaged or incomplete; if there are none, none can be
/// downloaded, and `strict`, or the config, forbids a substitute; if `stop` was set during a download; [`UsageError`] if
/// the config or `data_dir` is wrong.
pub fn obtain(
    config: &DataConfig,
    data_dir: Option<&Path>,
    strict: bool,
    stop: &Arc<AtomicBool>,
) -> Result<LoadedDataset, ExperimentError> {
    Ok(obtained(config, data_dir, strict, stop)?)
}

fn obtained(
    config: &DataConfig,
    data_dir: Option<&Path>,
    strict: bool,
    stop: &Arc<AtomicBool>,
) -> Result<LoadedDataset> {
    let source = config.source.source();
    if source.place() == Place::Nowhere && data_dir.is_some() {
        let text = format!("--data-dir has no effect on {}; leave it out, or name another source", source.title());
        return Err(UsageError(text).into());
    }
    let unavailable = match read(config, data_dir, &DownloadPolicy::IfMissing(fetch_config(Arc::clone(stop)))) {
        Ok(images) => return Ok(images),
        Err(unavailable) => unavailable,
    };
    if stop.load(Ordering::Relaxed) {
        let interruption = "interrupted while the images were downloaded; nothing was trained";
        return Err(refusal(unavailable).context(Interruption(interruption.to_owned())));
    }
    if strict || !config.may_be_substituted() || !unavailable.may_be_substituted() {
        return Err(refusal(unavailable));
    }
    warn!("{}", banner(&unavailable));
    let drawn = DataConfig { source: SourceName::SYNTHETIC_GARMENTS, ..config.clone() };
    let images = read(&drawn, None, &DownloadPolicy::Never).map_err(refusal)?;
    Ok(LoadedDataset { substitution: Some(unavailable.to_string()), ..images })
}

pub(crate) fn read(
    config: &DataConfig,
    data_dir: Option<&Path>,
    policy: &DownloadPolicy,
) -> Result<LoadedDataset, Unavailable> {
    let ImageCollection { train, test, checksums, warnings } = tinylsa_data::obtain(config, data_dir, policy)?;
    if let Some(directory) = DataDirectory::find(config.source, data_dir, config.dir.as_deref()) {
        info!("read {} from {}", train.name, printable_path(&directory.path));
    } else {
        info!("drew {} + {} {}", train.len(), test.len(), train.name);
    }
    for warning in warnings {
        warn!("{}: {warning}", train.name);
    }
    Ok(LoadedDataset { train, test, checksums, substitution: None })
}

/// A setting that does not hold is a mistake in the config, anything else one of the files.
pub(crate) fn refusal(unavailable: Unavailable) -> anyhow::Error {
    if matches!(*unavailable.error, SourceError::Setting(_)) {
        return UsageError(unavailable.to_string()).into();
    }
    unavailable.into()
}

/// How to download: certificates by the environment, and an end once `stop` is set.
pub fn fetch_config(stop: Arc<AtomicBool>) -> FetchConfig {
    let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let certificates =
        if CERTIFICATE_VARIABLES.iter().any(is_set) { Certificates::System } else { Certificates::Mozilla };
    FetchConfig { certificates, stop, ..FetchConfig::default() }
}

/// Fashion-MNIST from a directory; if nobody named one, what is missing in the default one is downloaded, until `stop` is
/// set.
///
/// # Errors
/// What the directory holds instead.
pub fn fashion_mnist(data_dir: Option<&Path>, stop: &Arc<AtomicBool>) -> Result<LoadedDataset, ExperimentError> {
    obtain(&DataConfig::default(), data_dir, true, stop)
}

fn banner(unavailable: &Unavailable) -> String {
    let line = "=".repeat(100);
    format!(
        "\n{line}\n  FASHION-MNIST IS NOT THERE: GOING ON WITH SYNTHETIC GARMENTS.\n  \
         No figure of this run says anything about Fashion-MNIST.\n  {unavailable}\n  \
         To make this an error instead, pass --strict.\n{line}"
    )
}

/// Sets the images for validation aside.
///
/// # Errors
/// If that leaves none to train on, under the key that says how many are set aside.
pub fn validation_split(images: &LoadedDataset, validation: usize, seed: u64) -> Result<SplitIndices, InvalidSetting> {
    const KEY: &str = "data.validation";
    require_within(KEY, validation, 1..images.train.len())?;
    stratified_split(&images.train.labels, validation, seed).map_err(|error| InvalidSetting {
        key: KEY.to_owned(),
        found: error.requested.to_string(),
        expected: format!("at most {}", error.available),
    })
}

/// The indices of a whole dataset.
pub fn all_indices(dataset: &Dataset) -> Vec<u32> {
    (0..dataset.len() as u32).collect()
}

/// Refuses a model that was trained for images of another size.
///
/// # Errors
/// If the sizes differ.
pub fn require_size(dataset: &Dataset, input: ImageShape) -> Result<(), ExperimentError> {
    if dataset.shape != input {
        return Err(anyhow!("the images are {}, the network expects {input}", dataset.shape).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {

    use tinylsa_data::Offline;

    use super::*;

    fn section(source: SourceName, dir: Option<&Path>) -> DataConfig {
        DataConfig {
            source,
            dir: dir.map(Path::to_owned),
            offline: Offline::Synthetic,
            validation: 20,
            synthetic: tinylsa_data::SyntheticConfig { train: 60, test: 20, seed: 0 },
            ..DataConfig::default()
        }
    }

    /// The flag of something that nobody stops.
    fn running() -> Arc<AtomicBool> {
        Arc::default()
    }

    #[test]
    fn a_named_directory_is_never_replaced_whatever_it_lacks() {
        let parent = tempfile::tempdir().unwrap();
        let path = |name: &str| parent.path().join(name);
        std::fs::create_dir(path("empty")).unwrap();
        std::fs::create_dir(path("notes")).unwrap();
        std::fs::write(path("notes/thesis.tex"), "").unwrap();
        std::fs::write(path("file"), "").unwrap();
        // No variable names a directory of MNIST, so that what the developer's shell sets has no effect on `data.dir`.
        let mnist = SourceName::new("mnist").unwrap();
        let check = |name: &str, expected: &str| {
            let by_argument = section(SourceName::FASHION_MNIST, Some(Path::new("other")));
            let message = obtain(&by_argument, Some(&path(name)), false, &running()).unwrap_err().to_string();
            assert!(message.starts_with("--data-dir: ") && message.contains(expected), "{message}");
            let message = obtain(&section(mnist, Some(&path(name))), None, false, &running()).unwrap_err().to_string();
            let expected = expected.replace("Fashion-MNIST", "MNIST").replace("fetch", "fetch --source mnist");
            assert!(message.starts_with("data.dir: ") && message.contains(&expected), "{message}");
            assert!(!path("missing").exists());
        };
        check("missing", "there is no directory");
        check("missing", "the command `data fetch --data-dir ");
        check("empty", "is empty, expected the four files of Fashion-MNIST");
        check("notes", "holds no file of Fashion-MNIST, but thesis.tex");
        check("file", "is a file, expected a directory");
        check("file/below", "there is no directory");
    }

    #[test]
    fn a_directory_has_no_effect_on_drawn_images_and_is_refused() {
        let drawn = section(SourceName::SYNTHETIC_GARMENTS, None);
        let error = obtain(&drawn, Some(Path::new("anywhere")), false, &running()).unwrap_err();
        assert!(
            matches!(error, ExperimentError::Usage(_)) && error.to_string().contains("--data-dir has no effect"),
            "{error}"
        );
        assert_eq!(obtain(&drawn, None, false, &running()).unwrap().train.len(), 60);
    }

    #[test]
    fn a_source_without_a_directory_is_a_mistake_in_the_config() {
        let error = obtain(&section(SourceName::new("folder").unwrap(), None), None, false, &running()).unwrap_err();
        assert!(matches!(error, ExperimentError::Usage(_)), "{error}");
        assert_eq!(error.to_string(), "data.dir is absent, expected the directory of the image files");
    }

    #[test]
    fn a_validation_split_that_leaves_nothing_to_train_on_is_named_by_its_key() {
        let images = obtain(&section(SourceName::SYNTHETIC_GARMENTS, None), None, false, &running()).unwrap();
        for validation in [60, 61, usize::MAX, 0] {
            let error = validation_split(&images, validation, 0).unwrap_err();
            assert_eq!((error.key.as_str(), error.found), ("data.validation", validation.to_string()));
        }
        assert_eq!(validation_split(&images, 59, 0).unwrap().train.len(), 1);
    }
}
