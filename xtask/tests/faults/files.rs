//! Mutated files of every kind that the program reads.

use std::fs;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use burn::tensor::Device;
use flate2::write::GzEncoder;
use image::{ImageFormat, Rgb, RgbImage};
use rand::RngExt;
use tinylsa_data::photograph::{Photograph, PreparedImage, prepare};
use tinylsa_data::{IdxLimits, ImageShape, decode_idx};
use tinylsa_model::{ModelFile, State, TinyCnnLsa, state_of};

use crate::bench::{Bench, broken};
use crate::mutate::mutate;
use crate::program::{run, xtask};
use crate::verdict::Verdict;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/ci.toml");
/// Of the images that [`images`] draws.
const LIMITS: IdxLimits = IdxLimits { rank: 3, elements: 20 * 20 * 20 };

/// A config is read or refused; what it says after a change of its numbers is for nobody to know.
pub(crate) fn config(bench: &Bench, case: u64) -> Verdict {
    let dir = bench.directory();
    let mut bytes = fs::read(CONFIG).expect("the config ships");
    mutate(&mut bytes, &mut bench.generator("faults/config", case));
    fs::write(dir.path().join("mutated.toml"), bytes).expect("the file can be written");
    let ended = run(xtask(dir.path(), &["compare", "mutated.toml", "--counted", "--json"].map(str::to_owned)));
    match broken(&ended) {
        Some(verdict) => verdict,
        None if ended.succeeded() => Verdict::Right,
        None if ended.stderr.contains("mutated.toml") => Verdict::Refused,
        None => Verdict::Stuck(format!("the error does not name the file: {}", ended.last_words())),
    }
}

/// A model file has the weights and the description that were written, or it is refused.
pub(crate) fn model(bench: &Bench, case: u64) -> Verdict {
    let read = |bytes: &[u8]| -> Option<(State, String)> {
        let loaded = TinyCnnLsa::from_safetensors(bytes, &Device::flex()).ok()?;
        Some((state_of(&loaded.model), format!("{:?}", loaded.metadata)))
    };
    let original = fs::read(bench.template("finished").join("run/model.safetensors")).expect("a run has a model");
    mutated(&original, bench, "faults/model", case, read)
}

/// A PNG has the pixels that were written, or it is refused.
pub(crate) fn png(bench: &Bench, case: u64) -> Verdict {
    mutated(&encoded(bench, case, ImageFormat::Png), bench, "faults/png", case, |bytes| Some(prepared(bytes)?.pixels))
}

/// A JPEG has no checksum: one that is still whole is another image. Nothing may panic.
pub(crate) fn jpeg(bench: &Bench, case: u64) -> Verdict {
    mutated(&encoded(bench, case, ImageFormat::Jpeg), bench, "faults/jpeg", case, |bytes| prepared(bytes).map(drop))
}

fn prepared(bytes: &[u8]) -> Option<PreparedImage> {
    let photograph = Photograph::decode(bytes).ok()?;
    prepare(&photograph, ImageShape::grey(28, 28)).ok()
}

/// A light garment on a dark ground with some noise, as a file.
fn encoded(bench: &Bench, case: u64, format: ImageFormat) -> Vec<u8> {
    let mut generator = bench.generator("faults/garment", case);
    let image = RgbImage::from_fn(60, 60, |x, y| {
        let garment = (15..45).contains(&x) && (10..50).contains(&y);
        Rgb([0, 20, 40].map(|tint| generator.random_range(0..8) + if garment { 200 } else { tint }))
    });
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).expect("the image can be encoded");
    bytes.into_inner()
}

/// A packed data file has the content that was written, or it is refused.
pub(crate) fn gzip(bench: &Bench, case: u64) -> Verdict {
    use std::io::Write;
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(&images(bench, case)).expect("a vector can be written");
    let packed = encoder.finish().expect("a vector can be written");
    mutated(&packed, bench, "faults/gzip", case, |bytes| decode_idx(Path::new("mutated"), bytes, LIMITS).ok())
}

/// An unpacked data file has no checksum of its own. Its dimensions must be those that were written, or it is refused;
/// the published files are known by their SHA-256.
pub(crate) fn idx(bench: &Bench, case: u64) -> Verdict {
    mutated(&images(bench, case), bench, "faults/idx", case, |bytes| {
        let array = decode_idx(Path::new("mutated"), bytes, LIMITS).ok()?;
        (array.elements.len() == array.dimensions.iter().product::<usize>()).then_some(())
    })
}

/// A well-formed IDX file of a few small images.
fn images(bench: &Bench, case: u64) -> Vec<u8> {
    let mut generator = bench.generator("faults/images", case);
    let [count, height, width]: [u8; 3] = std::array::from_fn(|_| generator.random_range(1..20));
    let header = [0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, height, 0, 0, 0, width];
    let pixels = usize::from(count) * usize::from(height) * usize::from(width);
    header.into_iter().chain((0..pixels).map(|_| generator.random())).collect()
}

/// What a reader makes of a mutated file, against what it made of the original.
fn mutated<T: PartialEq>(
    original: &[u8],
    bench: &Bench,
    purpose: &'static str,
    case: u64,
    read: impl Fn(&[u8]) -> Option<T>,
) -> Verdict {
    let mut bytes = original.to_vec();
    mutate(&mut bytes, &mut bench.generator(purpose, case));
    match catch_unwind(AssertUnwindSafe(|| (read(original), read(&bytes)))) {
        Err(_) => Verdict::Panicked(format!("{purpose}: the reader panicked")),
        Ok((None, _)) => Verdict::Stuck("the original is refused".to_owned()),
        Ok((Some(_), None)) => Verdict::Refused,
        Ok((expected, found)) if found == expected => Verdict::Right,
        Ok(_) => Verdict::SilentlyWrong(format!("{purpose}: the content differs")),
    }
}
