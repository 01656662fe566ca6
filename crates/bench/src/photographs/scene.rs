//! Photographs of garments, drawn: a garment of the data set, enlarged smoothly, somewhere on a page, in some light.

use std::f32::consts::TAU;

use anyhow::{Context, Result};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};
use tinylsa_random::{Draw, Purpose};

use super::garment::Garment;

const PLACE: Purpose = Purpose::new("bench/photographs/place");
const LIGHT: Purpose = Purpose::new("bench/photographs/light");
const SPECKS: Purpose = Purpose::new("bench/photographs/specks");
const NOISE: Purpose = Purpose::new("bench/photographs/noise");

const WHITE: f32 = 255.0;
/// Width and height of the pages in pixels, before they are scaled.
const PAGES: [[f32; 2]; 3] = [[200.0, 260.0], [220.0, 220.0], [270.0, 200.0]];

/// A colour in levels from 0 to 255.
pub(super) type Colour = [f32; 3];

/// How a photograph is taken. Everything that is not said here, such as the place of the garment on the page, is drawn
/// from the seed, and is the same for all kinds of photograph of one garment.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub(super) framing: Framing,
    /// The colour of the ground.
    pub(super) page: Colour,
    /// What the darkest part of the garment looks like, or the lightest one on a dark page.
    pub(super) cloth: Cloth,
    /// By how many degrees the garment is turned.
    pub(super) turned: f32,
    /// By how many levels white becomes darker from one side to the other.
    pub(super) gradient: f32,
    /// The share of the light that is missing in the corners.
    pub(super) vignette: f32,
    /// The share of the light that is missing in a shadow with a soft edge, which falls over one side of the page.
    pub(super) shadow: f32,
    /// The share of the light that is missing in the shadow of the garment itself.
    pub(super) cast_shadow: f32,
    pub(super) border: Border,
    /// The number of dark specks.
    pub(super) specks: usize,
    /// The standard deviation of the noise in levels, of each colour on its own.
    pub(super) noise: f32,
    pub(super) file: FileKind,
}

/// How much of the photograph the garment takes up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Framing {
    /// The image of the data set itself, a pixel for a pixel.
    Original,
    /// The image of the data set, enlarged to a square with this side, with no page around it.
    Enlarged(u32),
    /// Somewhere on a page whose short side has about 200 pixels, times this factor.
    Placed(f32),
}

/// The look of a garment, whose image in the data set says for each pixel how far it is from the ground.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cloth {
    /// Between the page, where the image is 0, and this colour, where it is 255.
    Dyed(Colour),
    /// In the greys of its photograph, of which the image is the negative, whatever the page.
    Laid,
}

/// What surrounds the photograph.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Border {
    None,
    /// On all sides, by its share of the short side.
    Frame {
        share: f32,
        level: f32,
    },
    /// Above and below, or left and right, by its share of that side.
    Bars {
        share: f32,
        level: f32,
    },
}

/// How the photograph is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    Png,
    /// With a quality from 1 to 100.
    Jpeg(u8),
}

/// A photograph before it is stored.
struct Raster {
    width: usize,
    height: usize,
    /// In rows from the top.
    pixels: Vec<Colour>,
}

/// The size of a photograph, and where the garment lies on it.
struct Placement {
    width: usize,
    height: usize,
    /// The middle of the garment.
    centre: [f32; 2],
    /// Pixels for each pixel of the data set.
    scale: f32,
}

impl Scene {
    /// A black garment on a white page, evenly lit.
    pub(super) fn plain() -> Self {
        Self {
            framing: Framing::Placed(1.0),
            page: [WHITE; 3],
            cloth: Cloth::Dyed([0.0; 3]),
            turned: 0.0,
            gradient: 0.0,
            vignette: 0.0,
            shadow: 0.0,
            cast_shadow: 0.0,
            border: Border::None,
            specks: 0,
            noise: 0.0,
            file: FileKind::Png,
        }
    }

    /// The file of a photograph of this garment.
    ///
    /// # Errors
    /// If the encoder fails.
    pub(super) fn photograph(&self, garment: &Garment, seed: u64, index: u64) -> Result<Vec<u8>> {
        let generator = |purpose| Draw { seed, purpose, epoch: 0, index }.generator();
        let placement = self.placement(garment, &mut generator(PLACE));
        let mut photograph = self.lit(garment, &placement, &mut generator(LIGHT));
        self.add_specks(&mut photograph, &mut generator(SPECKS));
        let mut photograph = self.framed(photograph, index);
        self.add_noise(&mut photograph, &mut generator(NOISE));
        self.encode(&photograph)
    }

    fn placement(&self, garment: &Garment, random: &mut impl Rng) -> Placement {
        let side = garment.side() as f32;
        let square = |pixels: f32| Placement {
            width: pixels as usize,
            height: pixels as usize,
            centre: [pixels / 2.0; 2],
            scale: pixels / side,
        };
        match self.framing {
            Framing::Original => square(side),
            Framing::Enlarged(pixels) => square(pixels as f32),
            Framing::Placed(factor) => {
                let page = PAGES[random.random_range(0..PAGES.len())];
                let factor = factor * random.random_range(0.85..1.15);
                let [width, height] = page.map(|edge| (factor * edge).round());
                // the garment takes up half to five sixths of the short side
                let reach = random.random_range(0.5..0.83) * width.min(height) / 2.0;
                let centre = [width, height].map(|edge| {
                    let margin = reach + 0.05 * edge;
                    margin + random.random_range(0.0..1.0) * (edge - 2.0 * margin).max(0.0)
                });
                Placement { width: width as usize, height: height as usize, centre, scale: 2.0 * reach / side }
            }
        }
    }

    /// The page with the garment and all light and shadow on it.
    fn lit(&self, garment: &Garment, placement: &Placement, random: &mut impl Rng) -> Raster {
        let Placement { width, height, centre, scale } = *placement;
        let (middle, diagonal) = ([width as f32 / 2.0, height as f32 / 2.0], (width as f32).hypot(height as f32));
        let (sine, cosine) = self.turned.to_radians().sin_cos();
        let (gradient, shadow) = (random.random_range(0.0..TAU).sin_cos(), random.random_range(0.0..TAU).sin_cos());
        let (shadow_edge, shadow_width) = (random.random_range(-0.05..0.2) * diagonal, 0.04 * diagonal);
        let (cast, cast_distance) = (random.random_range(0.0..TAU).sin_cos(), 0.7);
        let blurred = (self.cast_shadow > 0.0).then(|| garment.blurred_coverage());
        let half = garment.side() as f32 / 2.0;
        let mut photograph = Raster::of(width, height, [0.0; 3]);
        for row in 0..height {
            for column in 0..width {
                let [x, y] = [column as f32 + 0.5, row as f32 + 0.5];
                let [right, down] = [(x - centre[0]) / scale, (y - centre[1]) / scale];
                // a turn of the garment turns the place that is looked up the other way
                let place = [cosine * right + sine * down + half, cosine * down - sine * right + half];
                let [from_left, from_top] = [x - middle[0], y - middle[1]];
                let along = |(sine, cosine): (f32, f32)| cosine * from_left + sine * from_top;
                let mut light = 1.0 - self.gradient / WHITE * (along(gradient) / diagonal + 0.5);
                light *= 1.0 - self.vignette * (2.0 * from_left.hypot(from_top) / diagonal).powi(2);
                light *= 1.0 - self.shadow / (1.0 + (-(along(shadow) - shadow_edge) / shadow_width).exp());
                if let Some(blurred) = &blurred {
                    let place = [place[0] - cast_distance * cast.1, place[1] - cast_distance * cast.0];
                    let coverage = (1.0 - garment.coverage(place)).min(blurred.level(place));
                    light *= 1.0 - self.cast_shadow * coverage.clamp(0.0, 1.0);
                }
                photograph.pixels[row * width + column] = self.colour(garment, place).map(|level| light * level);
            }
        }
        photograph
    }

    /// The colour of the garment or the page in full light.
    fn colour(&self, garment: &Garment, place: [f32; 2]) -> Colour {
        let depth = garment.level(place) / WHITE;
        let mix = |share: f32, cloth: Colour| {
            std::array::from_fn(|channel| self.page[channel] + share * (cloth[channel] - self.page[channel]))
        };
        match self.cloth {
            Cloth::Dyed(cloth) => mix(depth, cloth),
            Cloth::Laid => mix(garment.coverage(place), [WHITE * (1.0 - depth); 3]),
        }
    }

    fn add_specks(&self, photograph: &mut Raster, random: &mut impl Rng) {
        let Raster { width, height, pixels } = photograph;
        for _ in 0..self.specks {
            let [x, y] = [*width, *height].map(|edge| random.random_range(0.0..edge as f32));
            let (radius, left) = (random.random_range(0.4..1.6_f32), random.random_range(0.1..0.7));
            let reach =
                |place: f32, edge: usize| (place - radius).max(0.0) as usize..((place + radius) as usize + 1).min(edge);
            for row in reach(y, *height) {
                for column in reach(x, *width) {
                    if (column as f32 + 0.5 - x).hypot(row as f32 + 0.5 - y) <= radius {
                        let pixel = &mut pixels[row * *width + column];
                        *pixel = pixel.map(|level| left * level);
                    }
                }
            }
        }
    }

    /// The photograph with what surrounds it, which makes it larger.
    fn framed(&self, photograph: Raster, index: u64) -> Raster {
        let Raster { width, height, .. } = photograph;
        let (across, down, level) = match self.border {
            Border::None => return photograph,
            Border::Frame { share, level } => {
                let thickness = (share * width.min(height) as f32).round() as usize;
                (thickness, thickness, level)
            }
            Border::Bars { share, level } if index.is_multiple_of(2) => {
                ((share * width as f32).round() as usize, 0, level)
            }
            Border::Bars { share, level } => (0, (share * height as f32).round() as usize, level),
        };
        let mut framed = Raster::of(width + 2 * across, height + 2 * down, [level; 3]);
        for (row, source) in photograph.pixels.chunks_exact(width).enumerate() {
            let start = (row + down) * framed.width + across;
            framed.pixels[start..start + width].copy_from_slice(source);
        }
        framed
    }

    fn add_noise(&self, photograph: &mut Raster, random: &mut impl Rng) {
        if self.noise == 0.0 {
            return;
        }
        let noise = Distribution::<f32>::sample_iter(StandardNormal, random);
        for (level, noise) in photograph.pixels.as_flattened_mut().iter_mut().zip(noise) {
            *level += self.noise * noise;
        }
    }

    fn encode(&self, photograph: &Raster) -> Result<Vec<u8>> {
        // a cast of a float saturates, as a sensor does
        let levels: Vec<u8> = photograph.pixels.as_flattened().iter().map(|level| level.round() as u8).collect();
        let (width, height) = (photograph.width, photograph.height);
        let mut bytes = Vec::new();
        match self.file {
            FileKind::Png => {
                let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
                encoder.set_color(png::ColorType::Rgb);
                encoder.set_compression(png::Compression::Fast);
                let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&levels));
                written.context("failed to encode a photograph")?;
            }
            FileKind::Jpeg(quality) => jpeg_encoder::Encoder::new(&mut bytes, quality)
                .encode(&levels, width as u16, height as u16, jpeg_encoder::ColorType::Rgb)
                .context("failed to encode a photograph")?,
        }
        Ok(bytes)
    }
}

impl Raster {
    fn of(width: usize, height: usize, colour: Colour) -> Self {
        Self { width, height, pixels: vec![colour; width * height] }
    }
}
