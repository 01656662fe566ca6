//! The numbers of an image in few bytes: each row and each map as levels of a byte, deflated, in base64.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use serde::{Deserialize, Serialize};

use super::contents::{LiveContents, LiveMap};
use crate::ReportError;

/// Levels of the weights of attention, the finest first: coarser ones take fewer bits.
const LEVELS: [u8; 5] = [255, 127, 63, 47, 31];
/// Levels of a map without sign, and on one side of 0 of a map with one.
const MAP_LEVELS: f64 = 255.0;
const SIGNED_LEVELS: f64 = 127.0;
const FIGURE: &str = "live image";

/// An image that a page shows alive where scripts run, as [`LiveContents::pack`] makes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveImage {
    /// What a screen reader calls it.
    pub label: String,
    /// The packed numbers, in base64.
    pub packed: String,
}

/// What stands in front of the numbers and says which they are.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Header<'a> {
    shape: [usize; 3],
    grid: [usize; 2],
    /// Levels of a row of attention, above 0.
    levels: u8,
    /// For each layer the number of heads, and whether the fused matrix follows them.
    layers: Vec<(usize, bool)>,
    through: Vec<[&'a str; 2]>,
    maps: Vec<MapHeader<'a>>,
    /// What would have made the page too large.
    left_out: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MapHeader<'a> {
    name: &'a str,
    title: &'a str,
    shows: &'a str,
    does_not_show: &'a str,
    unit: &'a str,
    signed: bool,
}

impl LiveContents {
    /// Packs the numbers into at most `budget` letters, with fewer levels of the weights of attention where that is
    /// needed. What does not fit with the fewest is left out, and the page says so: the heads of one layer after the other,
    /// then the matrices through all layers, then maps from the end of the list.
    ///
    /// # Errors
    /// If sizes do not fit each other, or if not even the image fits.
    pub fn pack(&self, budget: usize) -> Result<LiveImage, ReportError> {
        self.check()?;
        let mut contents = self.clone();
        let mut left_out = Vec::new();
        let mut finer = LEVELS.into_iter();
        let mut levels = LEVELS[0];
        loop {
            levels = finer.next().unwrap_or(levels);
            let packed = contents.packed(levels, &left_out)?;
            if packed.len() <= budget {
                return Ok(LiveImage { label: self.label.clone(), packed });
            }
            if finer.len() > 0 {
                continue;
            }
            let Some(dropped) = contents.drop_something() else {
                return Err(ReportError::Size {
                    figure: FIGURE,
                    item: "letters of the image alone",
                    found: packed.len(),
                    expected: budget,
                });
            };
            left_out.push(dropped);
        }
    }

    /// Drops what is missed least, and says what that was.
    fn drop_something(&mut self) -> Option<String> {
        if let Some((number, layer)) = self.layers.iter_mut().enumerate().find(|(_, layer)| layer.heads.len() > 1) {
            let heads = std::mem::take(&mut layer.heads);
            if layer.fused.is_empty() {
                layer.fused = mean(&heads);
            }
            return Some(format!("the heads of layer {number}"));
        }
        if let Some(matrix) = self.through.pop() {
            return Some(matrix.title);
        }
        if let Some(map) = self.maps.pop() {
            return Some(map.title);
        }
        let layer = self.layers.pop()?;
        if self.layers.is_empty() {
            self.grid = [0, 0];
        }
        Some(format!("layer {}", self.layers.len())).filter(|_| !layer.fused.is_empty() || !layer.heads.is_empty())
    }

    fn check(&self) -> Result<(), ReportError> {
        let [channels, height, width] = self.shape;
        let tokens = self.grid[0] * self.grid[1];
        let require = |item, found: usize, expected: usize| {
            if found == expected { Ok(()) } else { Err(ReportError::Size { figure: FIGURE, item, found, expected }) }
        };
        require("pixels", self.pixels.len(), channels * height * width)?;
        for layer in &self.layers {
            let fused = Some(&layer.fused).filter(|fused| !fused.is_empty() || layer.heads.is_empty());
            for matrix in layer.heads.iter().chain(fused) {
                require("weights of attention", matrix.len(), tokens * tokens)?;
            }
        }
        self.through.iter().try_for_each(|one| require("weights", one.matrix.len(), tokens * tokens))?;
        self.maps.iter().try_for_each(|map| require("values of a map", map.values.len(), height * width))
    }

    fn packed(&self, levels: u8, left_out: &[String]) -> Result<String, ReportError> {
        let header = Header {
            shape: self.shape,
            grid: self.grid,
            levels,
            layers: self.layers.iter().map(|layer| (layer.heads.len(), !layer.fused.is_empty())).collect(),
            through: self.through.iter().map(|one| [one.name.as_str(), one.title.as_str()]).collect(),
            maps: self.maps.iter().map(MapHeader::from).collect(),
            left_out,
        };
        let header = serde_json::to_vec(&header).map_err(std::io::Error::from)?;
        let mut bytes = u32::try_from(header.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
        bytes.extend(header);
        bytes.extend(&self.pixels);
        let tokens = (self.grid[0] * self.grid[1]).max(1);
        let of_layers = self.layers.iter().flat_map(|layer| layer.heads.iter().chain(Some(&layer.fused)));
        for matrix in of_layers.chain(self.through.iter().map(|one| &one.matrix)) {
            matrix.chunks(tokens).for_each(|row| append_row(&mut bytes, row, f64::from(levels)));
        }
        self.maps.iter().for_each(|map| append_map(&mut bytes, map));
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&bytes)?;
        Ok(STANDARD.encode(encoder.finish()?))
    }
}

impl<'a> From<&'a LiveMap> for MapHeader<'a> {
    fn from(map: &'a LiveMap) -> Self {
        let LiveMap { name, title, shows, does_not_show, unit, signed, .. } = map;
        Self { name, title, shows, does_not_show, unit, signed: *signed }
    }
}

/// The largest number of a row as 32 bits, then each number as a share of it.
fn append_row(bytes: &mut Vec<u8>, row: &[f64], levels: f64) {
    let largest = row.iter().copied().filter(|value| value.is_finite()).fold(0.0, f64::max);
    bytes.extend((largest as f32).to_le_bytes());
    let level =
        |value: &f64| if largest > 0.0 { (value / largest * levels).round().clamp(0.0, levels) as u8 } else { 0 };
    bytes.extend(row.iter().map(level));
}

/// The largest absolute value of a map as 32 bits, then each value as a share of it, signed or not.
fn append_map(bytes: &mut Vec<u8>, map: &LiveMap) {
    let largest =
        map.values.iter().map(|value| f64::from(value.abs())).filter(|value| value.is_finite()).fold(0.0, f64::max);
    bytes.extend((largest as f32).to_le_bytes());
    let share = |value: &f32| if largest > 0.0 && value.is_finite() { f64::from(*value) / largest } else { 0.0 };
    if map.signed {
        bytes.extend(map.values.iter().map(|value| ((share(value) * SIGNED_LEVELS).round() as i8).to_le_bytes()[0]));
    } else {
        bytes.extend(map.values.iter().map(|value| (share(value) * MAP_LEVELS).round().clamp(0.0, MAP_LEVELS) as u8));
    }
}

/// The mean of matrices of one size.
fn mean(matrices: &[Vec<f64>]) -> Vec<f64> {
    let count = matrices.len() as f64;
    let entries = matrices.first().map_or(0, Vec::len);
    (0..entries).map(|entry| matrices.iter().map(|matrix| matrix[entry]).sum::<f64>() / count).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::DeflateDecoder;

    use super::*;
    use crate::page::live::{LiveLayer, LiveMatrix};

    /// Attention as noisy as a byte can be, so that nothing is saved by compression.
    fn noise(length: usize, seed: u64) -> Vec<f64> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / f64::from(1_u32 << 31)
        };
        (0..length).map(|_| next()).collect()
    }

    fn contents(heads: usize, tokens: [usize; 2]) -> LiveContents {
        let count = tokens[0] * tokens[1];
        let matrix = |seed| noise(count * count, seed);
        let map = |seed: u64| LiveMap {
            name: format!("method-{seed}"),
            title: format!("Method {seed}"),
            unit: "logits".to_owned(),
            signed: seed.is_multiple_of(2),
            values: noise(784, seed).iter().map(|value| (value - 0.5) as f32).collect(),
            ..LiveMap::default()
        };
        LiveContents {
            label: "test-17".to_owned(),
            shape: [1, 28, 28],
            pixels: (0..784).map(|pixel| (pixel % 251) as u8).collect(),
            grid: tokens,
            layers: (0..2)
                .map(|layer| LiveLayer {
                    heads: (0..heads as u64).map(|head| matrix(7 * layer + head)).collect(),
                    fused: Vec::new(),
                })
                .collect(),
            through: vec![LiveMatrix { name: "rollout".to_owned(), title: "Rollout".to_owned(), matrix: matrix(99) }],
            maps: (0..3).map(map).collect(),
        }
    }

    fn unpacked(image: &LiveImage) -> (serde_json::Value, Vec<u8>) {
        let mut bytes = Vec::new();
        DeflateDecoder::new(&STANDARD.decode(&image.packed).unwrap()[..]).read_to_end(&mut bytes).unwrap();
        let length = u32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize;
        (serde_json::from_slice(&bytes[4..4 + length]).unwrap(), bytes[4 + length..].to_vec())
    }

    #[test]
    fn numbers_come_back_to_a_level_of_their_row() {
        let contents = contents(2, [7, 7]);
        let (header, bytes) = unpacked(&contents.pack(1 << 20).unwrap());
        assert_eq!(header["layers"], serde_json::json!([[2, false], [2, false]]));
        assert_eq!(bytes[..784], contents.pixels);
        let row = &bytes[784 + 3 * 53..784 + 4 * 53];
        let largest = f64::from(f32::from_le_bytes(row[..4].try_into().unwrap()));
        for (level, expected) in row[4..].iter().zip(&contents.layers[0].heads[0][3 * 49..4 * 49]) {
            assert!((f64::from(*level) / 255.0 * largest - expected).abs() <= largest / 500.0);
        }
        let map = &bytes[bytes.len() - 3 * 788..][..788];
        let largest = f32::from_le_bytes(map[..4].try_into().unwrap());
        for (level, expected) in map[4..].iter().zip(&contents.maps[0].values) {
            assert!((f32::from(level.cast_signed()) / 127.0 * largest - expected).abs() <= largest / 200.0);
        }
        let expected = 784 + 5 * 49 * 53 + 3 * 788;
        assert_eq!(bytes.len(), expected, "nothing but the image, five matrices and three maps");
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_named() {
        let large = contents(12, [14, 14]);
        let image = large.pack(60_000).unwrap();
        assert!(image.packed.len() <= 60_000);
        let (header, _) = unpacked(&image);
        assert_eq!(header["leftOut"][0], "the heads of layer 0");
        assert_eq!(header["levels"], 31);
        assert_eq!(header["maps"].as_array().unwrap().len(), 0, "{header}");
        assert!(matches!(large.pack(100), Err(ReportError::Size { .. })));
        let small = contents(2, [7, 7]);
        let fine = small.pack(1 << 20).unwrap().packed.len();
        assert_eq!(
            unpacked(&small.pack(fine - 1).unwrap()).0["levels"],
            127,
            "fewer levels before anything is left out"
        );
        let whole = small.pack(60_000).unwrap();
        assert_eq!(unpacked(&whole).0["leftOut"], serde_json::json!([]));
        assert_eq!(whole, contents(2, [7, 7]).pack(60_000).unwrap(), "the same numbers give the same letters");
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let mut short = contents(2, [7, 7]);
        short.layers[1].heads[0].pop();
        assert_eq!(
            short.pack(60_000).unwrap_err().to_string(),
            "live image: found 2400 weights of attention, expected 2401"
        );
    }
}
