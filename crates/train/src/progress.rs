use std::path::Path;

use crate::checkpoint::EpochRecord;

/// Who wants to know how a training goes. Nothing that a listener does changes the result.
pub trait Progress {
    /// An epoch begins, with `images` still to come.
    fn epoch_started(&mut self, epoch: usize, epochs: usize, images: usize);
    /// A step is done: its images, its mean loss, and the share of them that was right.
    fn step_done(&mut self, images: usize, loss: f64, accuracy: f64);
    /// An epoch is measured; `best` says whether it is the best so far.
    fn epoch_finished(&mut self, record: &EpochRecord, best: bool);
    /// A checkpoint was written.
    fn checkpoint_written(&mut self, path: &Path);
}

/// A listener that does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn epoch_started(&mut self, _epoch: usize, _epochs: usize, _images: usize) {}
    fn step_done(&mut self, _images: usize, _loss: f64, _accuracy: f64) {}
    fn epoch_finished(&mut self, _record: &EpochRecord, _best: bool) {}
    fn checkpoint_written(&mut self, _path: &Path) {}
}
