//! The photograph: pose, light, cloth, background and noise.

use super::garments::{Paint, Part, Variation};
use super::outline::{Outline, Point, disc, signed_distance};
use super::size::SIDE;

/// The longest side of a garment in pixels, so that all of it stays in the image.
const LARGEST_EXTENT: f32 = 26.0;
/// A pixel is decisive when this share of it is covered by a decisive piece.
const DECISIVE_COVERAGE: f32 = 0.4;

/// A finished image and its decisive pixels.
pub(super) struct Photograph {
    /// Brightness 0 to 255, row by row.
    pub(super) image: Vec<u8>,
    /// 1 where a pixel decides the class, row by row.
    pub(super) mask: Vec<u8>,
}

/// Photographs a garment.
pub(super) fn photograph(parts: &[Part], random: &mut Variation) -> Photograph {
    let pose = Pose::new(parts, random);
    let scene = Scene::new(random);
    let cloth = Texture::new(random);
    let mut canvas = vec![0.0; SIDE * SIDE];
    for (pixel, brightness) in canvas.iter_mut().enumerate() {
        *brightness = scene.background(pixel);
    }
    for _ in 0..random.below(4) {
        clutter(&mut canvas, &scene, random);
    }

    let mut mask = vec![0; canvas.len()];
    for part in parts {
        let outline: Outline = part.outline.iter().map(|&point| pose.to_image(point)).collect();
        for_each_covered(&outline, |pixel, coverage| {
            let paint = match part.paint {
                Paint::Cloth => Some(scene.cloth + cloth.at(pose.to_garment(centre(pixel)))),
                Paint::Detail => Some(scene.detail),
                Paint::Seam => Some(f32::midpoint(scene.cloth, scene.detail)),
                Paint::Background => Some(scene.background(pixel)),
                Paint::Nothing => None,
            };
            let is_hidden_behind = paint.is_some() && coverage >= 0.5;
            if let Some(paint) = paint {
                canvas[pixel] += coverage * (paint - canvas[pixel]);
            }
            if part.is_decisive && coverage >= DECISIVE_COVERAGE {
                mask[pixel] = 1;
            } else if is_hidden_behind {
                mask[pixel] = 0;
            }
        });
    }

    let grain = random.between(0.01, 0.07);
    let image = canvas.iter().map(|&brightness| develop(brightness + grain * bell(random))).collect();
    Photograph { image, mask }
}

/// The place of a garment in the image: `image = matrix * garment + shift`, in pixels.
struct Pose {
    matrix: [[f32; 2]; 2],
    shift: Point,
}

impl Pose {
    fn new(parts: &[Part], random: &mut Variation) -> Self {
        let (sine, cosine) = random.between(-0.2, 0.2).sin_cos();
        let [stretch, shear] = [random.between(0.88, 1.12), random.between(-0.14, 0.14)];
        let side = if random.chance(0.5) { 1.0 } else { -1.0 };
        let [xx, xy, yx, yy] = [side * stretch, shear, 0.0, 1.0 / stretch];
        let turned =
            [[cosine * xx - sine * yx, cosine * xy - sine * yy], [sine * xx + cosine * yx, sine * xy + cosine * yy]];
        let size = random.between(10.0, 12.5);
        let mut pose = Self { matrix: turned.map(|row| row.map(|entry| entry * size)), shift: [0.0, 0.0] };

        let extent = |[least, largest]: [f32; 2]| largest - least;
        let bounds = pose.bounds(parts);
        let shrink = (LARGEST_EXTENT / extent(bounds[0]).max(extent(bounds[1]))).min(1.0);
        pose.matrix = pose.matrix.map(|row| row.map(|entry| entry * shrink));
        pose.shift = bounds.map(|bounds| {
            let [least, largest] = bounds.map(|bound| bound * shrink);
            let room = SIDE as f32 - (largest - least);
            random.between(0.25, 0.75) * room - least
        });
        pose
    }

    fn bounds(&self, parts: &[Part]) -> [[f32; 2]; 2] {
        let mut bounds = [[f32::INFINITY, f32::NEG_INFINITY]; 2];
        for point in parts.iter().flat_map(|part| &part.outline) {
            for (bound, coordinate) in bounds.iter_mut().zip(self.to_image(*point)) {
                *bound = [bound[0].min(coordinate), bound[1].max(coordinate)];
            }
        }
        bounds
    }

    fn to_image(&self, [x, y]: Point) -> Point {
        let [[xx, xy], [yx, yy]] = self.matrix;
        [xx * x + xy * y + self.shift[0], yx * x + yy * y + self.shift[1]]
    }

    fn to_garment(&self, [x, y]: Point) -> Point {
        let [[xx, xy], [yx, yy]] = self.matrix;
        let [x, y] = [x - self.shift[0], y - self.shift[1]];
        let determinant = xx * yy - xy * yx;
        [(yy * x - xy * y) / determinant, (xx * y - yx * x) / determinant]
    }
}

/// The light: brightness of background, cloth and details.
struct Scene {
    backdrop: f32,
    /// Change of the background's brightness from one side of the image to the other.
    slope: Point,
    cloth: f32,
    detail: f32,
}

impl Scene {
    fn new(random: &mut Variation) -> Self {
        let is_dark_on_bright = random.chance(0.1);
        let mut scene = Self {
            backdrop: random.between(0.0, 0.15),
            slope: [random.between(-0.12, 0.12), random.between(-0.12, 0.12)],
            cloth: random.between(0.45, 0.9),
            detail: 0.0,
        };
        let contrast = random.between(0.35, 0.5);
        // a detail is never mistaken for a hole: it goes to the side that is further from the background
        scene.detail = if scene.cloth < 0.6 { scene.cloth + contrast } else { scene.cloth - contrast };
        if is_dark_on_bright {
            scene.backdrop = 1.0 - scene.backdrop;
            scene.cloth = 1.0 - scene.cloth;
            scene.detail = 1.0 - scene.detail;
        }
        scene
    }

    fn background(&self, pixel: usize) -> f32 {
        let [x, y] = centre(pixel).map(|coordinate| coordinate / SIDE as f32 - 0.5);
        self.backdrop + self.slope[0] * x + self.slope[1] * y
    }
}

/// The pattern of the cloth: a periodic change of brightness across the garment, with a gradient over all of it.
struct Texture {
    pattern: Pattern,
    strength: f32,
    /// Radians per unit of garment coordinates.
    frequency: f32,
    phase: f32,
    gradient: Point,
}

#[derive(Clone, Copy)]
enum Pattern {
    Plain,
    AcrossStripes,
    UprightStripes,
    Check,
    Diagonal,
}

impl Texture {
    fn new(random: &mut Variation) -> Self {
        const PATTERNS: [Pattern; 5] =
            [Pattern::Plain, Pattern::AcrossStripes, Pattern::UprightStripes, Pattern::Check, Pattern::Diagonal];
        Self {
            pattern: PATTERNS[random.below(PATTERNS.len())],
            strength: random.between(0.05, 0.14),
            frequency: random.between(8.0, 20.0),
            phase: random.between(0.0, 6.0),
            gradient: [random.between(-0.08, 0.08), random.between(-0.08, 0.08)],
        }
    }

    fn at(&self, [x, y]: Point) -> f32 {
        let wave = |along: f32| (self.frequency * along + self.phase).sin();
        let pattern = match self.pattern {
            Pattern::Plain => 0.0,
            Pattern::AcrossStripes => wave(y),
            Pattern::UprightStripes => wave(x),
            Pattern::Check => wave(x) * wave(y),
            Pattern::Diagonal => wave(0.7 * (x + y)),
        };
        self.strength * pattern + self.gradient[0] * x + self.gradient[1] * y
    }
}

/// A faint spot somewhere in the background.
fn clutter(canvas: &mut [f32], scene: &Scene, random: &mut Variation) {
    let side = SIDE as f32;
    let spot = disc([random.between(0.0, side), random.between(0.0, side)], random.between(0.7, 2.0));
    let strength = random.between(0.15, 0.45);
    for_each_covered(&spot, |pixel, coverage| {
        canvas[pixel] += coverage * strength * (scene.cloth - canvas[pixel]);
    });
}

/// Calls `paint` with every pixel that the outline covers, and how much of it: the signed distance from the pixel's
/// centre to the border, cut off at half a pixel on either side.
fn for_each_covered(outline: &[Point], mut paint: impl FnMut(usize, f32)) {
    let range = |axis: usize| {
        let least = outline.iter().map(|point| point[axis]).fold(f32::INFINITY, f32::min);
        let largest = outline.iter().map(|point| point[axis]).fold(f32::NEG_INFINITY, f32::max);
        let end = (largest + 1.0).clamp(0.0, SIDE as f32) as usize;
        (least - 1.0).clamp(0.0, end as f32) as usize..end
    };
    for row in range(1) {
        for column in range(0) {
            let pixel = row * SIDE + column;
            let coverage = (0.5 - signed_distance(outline, centre(pixel))).clamp(0.0, 1.0);
            if coverage > 0.0 {
                paint(pixel, coverage);
            }
        }
    }
}

fn centre(pixel: usize) -> Point {
    [(pixel % SIDE) as f32 + 0.5, (pixel / SIDE) as f32 + 0.5]
}

/// Nearly normal noise with variance 1: the sum of twelve uniform numbers less their mean.
fn bell(random: &mut Variation) -> f32 {
    (0..12).map(|_| random.between(-0.5, 0.5)).sum()
}

fn develop(brightness: f32) -> u8 {
    (brightness.clamp(0.0, 1.0) * 255.0).round() as u8
}
