use std::path::Path;

use crate::checkpoint::EpochRecord;

/// Who wants to know how a training run goes. Nothing that a listener does changes the result; what it does not care
/// about it leaves out.
pub trait Progress {
    /// An epoch begins, with `images` still to come.
    fn epoch_started(&mut self, _epoch: usize, _epochs: usize, _images: usize) {}

    /// A step is done: its images, its mean loss, and the share of them that was predicted correctly.
    fn step_done(&mut self, _images: usize, _loss: f64, _accuracy: f64) {}

    /// An epoch is measured; `best` says whether it is the best so far.
    fn epoch_finished(&mut self, _record: &EpochRecord, _best: bool) {}

    /// A checkpoint was written.
    fn checkpoint_written(&mut self, _path: &Path) {}
}

/// A listener that does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {}
