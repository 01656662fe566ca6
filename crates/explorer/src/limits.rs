//! How much a request may ask for.

use std::time::Duration;

use serde::Serialize;
use tinylsa_data::ImageShape;

/// The longest file of a photograph, in bytes.
pub(crate) const PHOTO_BYTES: usize = 32 << 20;
/// How long a body may take to arrive.
pub(crate) const BODY_TIME: Duration = Duration::from_secs(10);
/// How long a connection may be silent, without a request that is being answered.
pub(crate) const IDLE_TIME: Duration = Duration::from_secs(30);
/// How long a client may leave an answer unread.
pub(crate) const STALL_TIME: Duration = Duration::from_mins(1);
/// Connections at a time. More wait until one ends.
pub(crate) const CONNECTIONS: usize = 256;
/// Photographs that are received at a time.
pub(crate) const PHOTOS_RECEIVED: usize = 8;
/// Photographs that are prepared at a time; a large one takes a few hundred megabytes meanwhile.
pub(crate) const PHOTOS_PREPARED: usize = 1;
/// Jobs of one lane that wait for their turn.
pub(crate) const WAITING: usize = 64;
/// Jobs of one client that wait or run.
pub(crate) const JOBS_OF_CLIENT: usize = 8;
/// Clients that are remembered.
pub(crate) const CLIENTS: usize = 256;
/// How long one job may run.
pub(crate) const JOB_TIME: Duration = Duration::from_mins(5);
/// Segments of an image.
pub(crate) const SEGMENTS: usize = 1024;
/// Images that one answer names.
pub(crate) const IMAGES: usize = 1024;
/// Bytes of pixels in one answer.
pub(crate) const PIXEL_BYTES: usize = 8 << 20;
/// Settings of one request.
pub(crate) const SETTINGS: usize = 64;
/// The longest name of an image.
pub(crate) const NAME: usize = 60;
/// Bytes of explanations that are remembered.
pub(crate) const MEMORY: usize = 128 << 20;
/// What the settings of one explanation may take, in bytes.
pub(crate) const EXPLANATION_BYTES: u64 = 512 << 20;
/// Images of a forward pass: small enough that a job which is cancelled ends soon. It changes no bit of a result.
pub(crate) const BATCH: usize = 32;
/// The largest photograph, in pixels: what `tinylsa_data` reads.
const PHOTO_PIXELS: usize = 1 << 26;

/// The limits that the page is told.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Limits {
    /// The longest body of a request in JSON: two images and two masks in base64, with room for settings.
    pub(crate) json_bytes: usize,
    photo_bytes: usize,
    photo_pixels: usize,
    segments: usize,
    indices: usize,
    pixel_bytes: usize,
    jobs: usize,
    job_seconds: u64,
}

impl Limits {
    /// For images of this shape.
    pub(crate) fn of(input: ImageShape) -> Self {
        Self {
            json_bytes: (64 << 10) + 6 * input.values(),
            photo_bytes: PHOTO_BYTES,
            photo_pixels: PHOTO_PIXELS,
            segments: SEGMENTS,
            indices: IMAGES,
            pixel_bytes: PIXEL_BYTES,
            jobs: JOBS_OF_CLIENT,
            job_seconds: JOB_TIME.as_secs(),
        }
    }
}
