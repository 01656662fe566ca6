use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Where a sweep's runs go and what they are given.
#[derive(Clone, Debug)]
pub struct SweepPlace {
    /// A directory for all runs of the sweep.
    pub folder: PathBuf,
    /// Where the files of the images are, instead of what the config says.
    pub data_dir: Option<PathBuf>,
    /// Set from elsewhere, it stops the experiments where a later start of the sweep resumes them.
    pub stop: Arc<AtomicBool>,
}
