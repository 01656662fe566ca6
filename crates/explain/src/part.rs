//! `part.json` of an image that was explained apart from others: what those who put all of them together need of it.

use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tinylsa_system::{read_at_most, sha256_hex, write_atomically};

use crate::error::{Context, Result};
use crate::files::ATTRIBUTIONS;
use crate::page::DrawnExplanation;
use crate::scores::ImageScores;

/// The name of the file in the folder of the image.
pub(crate) const PART: &str = "part.json";
/// The largest file that is read: all drawings of an image as text.
const LARGEST_PART: u64 = 64 << 20;
/// The largest file of maps that is read.
const LARGEST_MAPS: u64 = 1 << 30;

/// What is known of an image that was explained. It is written last: a folder that has it is complete.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImagePart {
    /// The digest of everything that the explanation depends on, but for the instruction set.
    pub settings: String,
    /// The instruction set that it was made with.
    pub instruction_set: String,
    /// SHA-256 of `attributions.safetensors`.
    pub attributions: String,
    /// What the page of all images shows.
    pub drawn: DrawnExplanation,
    /// The scores, if they were asked for.
    pub scores: Option<ImageScores>,
}

impl ImagePart {
    /// Writes the file into the folder of the image.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(PART);
        let mut bytes = serde_json::to_vec(self)?;
        bytes.push(b'\n');
        write_atomically(&path, &bytes).with_context(|| format!("failed to write {}", path.display()))
    }

    /// The part in the folder of an image, if it was made with these settings and its maps are those that it was written
    /// with.
    ///
    /// # Errors
    /// If a file is there and cannot be read.
    pub fn read(folder: &Path, settings: &str) -> Result<Option<Self>> {
        let read = |name: &str, most: u64| match read_at_most(&folder.join(name), most) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("failed to read {}", folder.join(name).display())),
        };
        let Some(bytes) = read(PART, LARGEST_PART)? else { return Ok(None) };
        // what is damaged is made again
        let Ok(part) = serde_json::from_slice::<Self>(&bytes) else { return Ok(None) };
        if part.settings != settings {
            return Ok(None);
        }
        let maps = read(ATTRIBUTIONS, LARGEST_MAPS)?;
        let is_whole = maps.is_some_and(|bytes| sha256_hex(&bytes) == part.attributions);
        Ok(is_whole.then_some(part))
    }
}
