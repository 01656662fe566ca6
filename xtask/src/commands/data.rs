use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use tinylsa_data::{
    AugmentationConfig, AugmentationKey, Certificates, DataConfig, DataDirectory, Dataset, FetchConfig, FileForm,
    FoundFile, ImageCollection, Publication, SOURCES, SourceFile, SourceName, SyntheticConfig, augment, export_folder,
    fetch, synthetic_garments, verify,
};
use tinylsa_experiment::Experiment;
use tinylsa_report::{ByteImage, ContactRow, ContactSheet, encode_png};
use tinylsa_settings::{counted, printable_path};
use tinylsa_system::write_atomically;

use super::images::source;
use crate::outcome::{UsageError, say, stop_on_interrupt};
use tinylsa_experiment::dataset::{LoadedDataset, fetch_config, obtain};

/// Images of each class on the contact sheet, plain and augmented.
const SHOWN: usize = 8;

/// Arguments of the `data` command.
#[derive(Subcommand, Debug)]
pub(crate) enum DataCommand {
    /// Download the files of a published collection that are missing.
    Fetch(FetchArguments),
    /// Check the files of a published collection against what was published.
    Verify(Place),
    /// Write a contact sheet of every class, plain and augmented.
    Show(ShowArguments),
    /// Write the images as PNG files in directories of classes, which the source folder reads.
    Export(ExportArguments),
}

/// Where the files are.
#[derive(Args, Debug)]
pub(crate) struct Place {
    /// Where the images come from, as `data.source` of a config names it.
    #[arg(long, value_name = "NAME", default_value = "fashion-mnist", value_parser = source)]
    source: SourceName,
    /// Where the files are, or go.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Arguments of `data fetch`.
#[derive(Args, Debug)]
pub(crate) struct FetchArguments {
    #[command(flatten)]
    place: Place,
    /// Trust the root certificates of the operating system instead of Mozilla's, as every download does where the
    /// environment variable `SSL_CERT_FILE` or `SSL_CERT_DIR` is set.
    #[arg(long)]
    system_certificates: bool,
}

/// Arguments of `data show`.
#[derive(Args, Debug)]
pub(crate) struct ShowArguments {
    #[command(flatten)]
    place: Place,
    /// Take the `[data]` section of this config, with the settings of the source.
    #[arg(long, value_name = "CONFIG", conflicts_with = "source")]
    config: Option<PathBuf>,
    /// Show the synthetic garments.
    #[arg(long, conflicts_with_all = ["data_dir", "source", "config"])]
    synthetic: bool,
    /// Seed of the augmentation, and of the synthetic garments.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The PNG to write.
    #[arg(long, value_name = "FILE", default_value = "contact-sheet.png")]
    out: PathBuf,
}

/// Arguments of `data export`.
#[derive(Args, Debug)]
pub(crate) struct ExportArguments {
    #[command(flatten)]
    place: Place,
    /// Take the `[data]` section of this config, with the settings of the source.
    #[arg(long, value_name = "CONFIG", conflicts_with = "source")]
    config: Option<PathBuf>,
    /// A new or empty directory for `train/<class>/*.png`, `test/<class>/*.png` and `classes.txt`.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// A collection with published files, and the directory for them.
struct Published {
    collection: &'static Publication,
    directory: PathBuf,
}

impl Place {
    fn published(&self) -> Result<Published, UsageError> {
        let directory = DataDirectory::find(self.source, self.data_dir.as_deref(), None);
        if let (Some(collection), Some(directory)) = (self.source.source().publication(), directory) {
            return Ok(Published { collection, directory: directory.path });
        }
        let published = SOURCES.iter().filter(|source| source.publication().is_some());
        let known: Vec<&str> = published.map(|source| source.name()).collect();
        Err(UsageError(format!("--source {} has no published checksums, expected {}", self.source, known.join(", "))))
    }
}

/// Gets, checks or shows the images.
pub(crate) fn run(command: &DataCommand) -> Result<()> {
    match command {
        DataCommand::Fetch(arguments) => fetch_files(arguments),
        DataCommand::Verify(place) => verify_files(&place.published()?),
        DataCommand::Show(arguments) => show(arguments),
        DataCommand::Export(arguments) => export(arguments),
    }
}

fn fetch_files(arguments: &FetchArguments) -> Result<()> {
    let stop = stop_on_interrupt("stopping the download")?;
    let config = fetch_config(stop);
    let certificates = if arguments.system_certificates { Certificates::System } else { config.certificates };
    let Published { collection, directory } = arguments.place.published()?;
    fetch(collection, &directory, &FetchConfig { certificates, ..config })?;
    say(format!("{} holds {}", printable_path(&directory), collection.title))
}

fn verify_files(Published { collection, directory }: &Published) -> Result<()> {
    let report = verify(collection, directory)?;
    for verified in &report.files {
        if verified.found.is_empty() {
            say(format!("{}: missing", verified.file.name))?;
        }
        for found in &verified.found {
            say(state_in_words(&verified.file, found, directory))?;
        }
    }
    if !report.is_intact() {
        let directory = printable_path(directory);
        let of_source =
            if collection.id == "fashion-mnist" { String::new() } else { format!("--source {} ", collection.id) };
        let remedy = format!("the command `data fetch {of_source}--data-dir {directory}` downloads the missing files");
        if report.files.iter().any(|file| !file.is_intact() && !file.found.is_empty()) {
            bail!("{directory} does not hold the published files; move the others away, then {remedy}");
        }
        bail!("{directory} does not hold the published files; {remedy}");
    }
    Ok(())
}

fn state_in_words(file: &SourceFile, found: &FoundFile, directory: &Path) -> String {
    let path = printable_path(found.path.strip_prefix(directory).unwrap_or(&found.path));
    match &found.state {
        Ok(FileForm::Published) => format!("{path}: intact"),
        Ok(FileForm::Repacked) => format!("{path}: intact, packed again"),
        Ok(FileForm::Unpacked) => format!("{path}: intact, the content of {}", file.name),
        Err(fault) => format!("{path} {fault}"),
    }
}

/// The images of a source, with the settings of a config if one is given.
fn collection(place: &Place, config: Option<&Path>) -> Result<LoadedDataset> {
    let section = match config {
        Some(path) => Experiment::from_file(path, &[])?.config().data.clone(),
        None => DataConfig { source: place.source, ..DataConfig::default() },
    };
    Ok(obtain(&section, place.data_dir.as_deref(), true, &Arc::default())?)
}

fn export(arguments: &ExportArguments) -> Result<()> {
    let LoadedDataset { train, test, checksums, .. } = collection(&arguments.place, arguments.config.as_deref())?;
    let (name, images) = (train.name.clone(), train.len() + test.len());
    export_folder(&ImageCollection { train, test, checksums, warnings: Vec::new() }, &arguments.out)?;
    say(format!("{} holds {} of {name}", printable_path(&arguments.out), counted(images, "image")))
}

fn show(arguments: &ShowArguments) -> Result<()> {
    let dataset = if arguments.synthetic {
        synthetic_garments(&SyntheticConfig { seed: arguments.seed, ..SyntheticConfig::default() })?.train
    } else {
        collection(&arguments.place, arguments.config.as_deref())?.train
    };
    let config = AugmentationConfig::default();
    let rows = (0..dataset.classes())
        .map(|class| row(&dataset, class, &config, arguments.seed))
        .collect::<Result<Vec<_>>>()?;
    let sheet = ContactSheet {
        title: format!("{}, training images", dataset.name),
        subtitle: format!("left plain, right augmented (seed {}, epochs 0 to {})", arguments.seed, SHOWN - 1),
        rows,
    };
    let drawn = sheet.draw().context("failed to draw the contact sheet")?;
    let png = encode_png(&drawn).context("failed to encode the contact sheet")?;
    write_atomically(&arguments.out, &png).with_context(|| format!("failed to write {}", arguments.out.display()))?;
    say(arguments.out.display())
}

/// The first images of a class, each plain and as another epoch sees it.
fn row(dataset: &Dataset, class: usize, config: &AugmentationConfig, seed: u64) -> Result<ContactRow> {
    let first = (0..dataset.len()).filter(|&index| dataset.label(index) as usize == class).take(SHOWN);
    let (mut plain, mut augmented) = (Vec::new(), Vec::new());
    for (epoch, index) in first.enumerate() {
        let image = dataset.image(index);
        let key = AugmentationKey { seed, epoch: epoch as u64, index: index as u64 };
        plain.push(ByteImage::from_bytes(dataset.shape, image)?);
        augmented.push(ByteImage::from_unit(dataset.shape, &augment(image, dataset.shape, config, key))?);
    }
    Ok(ContactRow { label: dataset.class_names[class].clone(), plain, augmented })
}
