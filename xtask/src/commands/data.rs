use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use tinylsa_data::{
    AugmentationConfig, AugmentationKey, CLASS_NAMES, CLASSES, Dataset, FetchConfig, FileState, SyntheticConfig,
    augment, fetch, synthetic_garments, verify,
};
use tinylsa_report::{ContactRow, ContactSheet, GreyPicture, encode_png};
use tinylsa_system::write_atomically;

use crate::dataset::{DEFAULT_DIRECTORY, fashion_mnist, find_directory};
use crate::outcome::say;

/// Pictures of each class on the contact sheet, plain and augmented.
const SHOWN: usize = 8;

/// What stands behind `data`.
#[derive(Subcommand, Debug)]
pub(crate) enum DataCommand {
    /// Download the files of Fashion-MNIST that are missing or damaged.
    Fetch(Place),
    /// Check the files of Fashion-MNIST against their published SHA-256.
    Verify(Place),
    /// Write a contact sheet of every class, plain and augmented.
    Show(ShowArguments),
}

/// Where the files are.
#[derive(Args, Debug)]
pub(crate) struct Place {
    /// Where the files of Fashion-MNIST are, or go.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// What stands behind `data show`.
#[derive(Args, Debug)]
pub(crate) struct ShowArguments {
    #[command(flatten)]
    place: Place,
    /// Show the synthetic garments instead of Fashion-MNIST.
    #[arg(long)]
    synthetic: bool,
    /// Seed of the augmentation, and of the synthetic garments.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The PNG to write.
    #[arg(long, value_name = "FILE", default_value = "contact-sheet.png")]
    out: PathBuf,
}

impl Place {
    fn directory(&self) -> PathBuf {
        find_directory(self.data_dir.as_deref(), Path::new(DEFAULT_DIRECTORY))
    }
}

/// Gets, checks or shows the pictures.
pub(crate) fn run(command: &DataCommand) -> Result<()> {
    match command {
        DataCommand::Fetch(place) => fetch_files(&place.directory()),
        DataCommand::Verify(place) => verify_files(&place.directory()),
        DataCommand::Show(arguments) => show(arguments),
    }
}

fn fetch_files(directory: &Path) -> Result<()> {
    fetch(directory, &FetchConfig::default())?;
    say(format!("{} holds Fashion-MNIST", directory.display()))
}

fn verify_files(directory: &Path) -> Result<()> {
    let report = verify(directory);
    for verified in &report.files {
        let state = match &verified.state {
            FileState::Missing => "missing".to_owned(),
            FileState::Intact => "intact".to_owned(),
            FileState::Altered { found } => format!("SHA-256 {found}, expected {}", verified.file.sha256),
            FileState::Unpacked { found } => format!("unpacked, SHA-256 {found} (none is published)"),
            FileState::Unreadable(error) => format!("unreadable: {error}"),
            other => format!("{other:?}"),
        };
        say(format!("{}: {state}", verified.file.name))?;
    }
    if !report.is_intact() {
        bail!("{} does not hold the published files; `cargo xtask data fetch` gets them", directory.display());
    }
    Ok(())
}

fn show(arguments: &ShowArguments) -> Result<()> {
    let dataset = if arguments.synthetic {
        synthetic_garments(&SyntheticConfig { seed: arguments.seed, ..SyntheticConfig::default() })?.train
    } else {
        fashion_mnist(&arguments.place.directory())?.train
    };
    let config = AugmentationConfig::default();
    let rows = (0..CLASSES).map(|class| row(&dataset, class, &config, arguments.seed)).collect::<Result<Vec<_>>>()?;
    let sheet = ContactSheet {
        title: format!("{}, training pictures", dataset.name.title()),
        subtitle: format!("left plain, right augmented (seed {}, epochs 0 to {})", arguments.seed, SHOWN - 1),
        rows,
    };
    let drawn = sheet.draw().context("failed to draw the contact sheet")?;
    let png = encode_png(&drawn).context("failed to encode the contact sheet")?;
    write_atomically(&arguments.out, &png).with_context(|| format!("failed to write {}", arguments.out.display()))?;
    say(arguments.out.display())
}

/// The first pictures of a class, each plain and as another epoch sees it.
fn row(dataset: &Dataset, class: usize, config: &AugmentationConfig, seed: u64) -> Result<ContactRow> {
    let size = [dataset.height, dataset.width];
    let first = (0..dataset.len()).filter(|&index| usize::from(dataset.label(index)) == class).take(SHOWN);
    let (mut plain, mut augmented) = (Vec::new(), Vec::new());
    for (epoch, index) in first.enumerate() {
        let image = dataset.image(index);
        let key = AugmentationKey { seed, epoch: epoch as u64, index: index as u64 };
        plain.push(GreyPicture::from_bytes(dataset.width, dataset.height, image)?);
        augmented.push(GreyPicture::from_unit(dataset.width, dataset.height, &augment(image, size, config, key))?);
    }
    Ok(ContactRow { label: CLASS_NAMES[class].to_owned(), plain, augmented })
}
