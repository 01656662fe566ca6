//! The cut of the ten classes. What decides a class is marked as such; everything else varies freely or is shared.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::outline::{Outline, Point, arch, band, disc, limb, mirrored, rectangle, symmetric};

/// How the inside of an outline is coloured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Paint {
    /// The textured cloth.
    Cloth,
    /// A plain colour that stands out from the cloth.
    Detail,
    /// Half way between cloth and detail.
    Seam,
    /// What lies behind the garment.
    Background,
    /// Nothing is painted; the outline only marks a region.
    Nothing,
}

/// One piece of a garment.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) outline: Outline,
    pub(super) paint: Paint,
    /// Whether the pixels of this piece decide the class.
    pub(super) is_decisive: bool,
}

fn plain(paint: Paint, outline: Outline) -> Part {
    Part { outline, paint, is_decisive: false }
}

fn decisive(paint: Paint, outline: Outline) -> Part {
    Part { outline, paint, is_decisive: true }
}

/// The pieces of one garment of the class, from the back to the front.
pub(super) fn cut(class: u8, random: &mut Variation) -> Vec<Part> {
    match class {
        0 => t_shirt(random),
        1 => trouser(random),
        2 => pullover(random),
        3 => dress(random),
        4 => coat(random),
        5 => sandal(random),
        6 => shirt(random),
        7 => sneaker(random),
        8 => bag(random),
        _ => ankle_boot(random),
    }
}

/// The freedom of the tailor.
pub(super) struct Variation(pub(super) ChaCha8Rng);

impl Variation {
    /// A number between the two.
    pub(super) fn between(&mut self, least: f32, largest: f32) -> f32 {
        least + (largest - least) * self.0.random::<f32>()
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f32) -> bool {
        self.0.random::<f32>() < probability
    }

    /// A whole number below `count`.
    pub(super) fn below(&mut self, count: usize) -> usize {
        self.0.random_range(0..count)
    }
}

/// What T-shirt, pullover, shirt and coat have in common.
struct Torso {
    shoulder: f32,
    hem: f32,
    hem_half_width: f32,
    neck: f32,
}

impl Torso {
    fn new(random: &mut Variation, [shortest, longest]: [f32; 2]) -> Self {
        let shoulder = random.between(0.38, 0.5);
        let hem = random.between(shortest, longest);
        Self { shoulder, hem, hem_half_width: shoulder + random.between(-0.06, 0.06), neck: random.between(0.14, 0.22) }
    }

    fn body(&self) -> Part {
        plain(
            Paint::Cloth,
            symmetric(&[
                [self.neck, -0.82],
                [self.shoulder, -0.72],
                [self.shoulder - 0.02, -0.2],
                [self.hem_half_width, self.hem],
            ]),
        )
    }

    fn neckline(&self, depth: f32) -> Part {
        plain(
            Paint::Background,
            symmetric(&[[self.neck, -0.9], [self.neck * 0.7, -0.82 + depth * 0.7], [0.0, -0.82 + depth]]),
        )
    }

    /// Both sleeves; where they decide the class, from the elbow on.
    fn sleeves(&self, random: &mut Variation, [shortest, longest]: [f32; 2], from_elbow: Option<f32>) -> Vec<Part> {
        let length = random.between(shortest, longest);
        let angle = random.between(1.08, 1.25);
        let widths = [random.between(0.16, 0.2), random.between(0.11, 0.14)];
        let from = [self.shoulder - 0.08, -0.6];
        let sleeve = limb(from, angle, length, widths);
        let mut parts = vec![plain(Paint::Cloth, mirrored(&sleeve)), plain(Paint::Cloth, sleeve)];
        if let Some(elbow) = from_elbow {
            let lower = [from[0] + elbow * angle.cos(), from[1] + elbow * angle.sin()];
            let lower = limb(lower, angle, length - elbow, [widths[1] + 0.03, widths[1]]);
            parts.extend([decisive(Paint::Nothing, mirrored(&lower)), decisive(Paint::Nothing, lower)]);
        }
        parts
    }
}

const SHORT_SLEEVE: [f32; 2] = [0.36, 0.5];
const LONG_SLEEVE: [f32; 2] = [1.1, 1.35];
const UPPER_HEM: [f32; 2] = [0.55, 0.85];

/// A motif on the chest, a distraction that any closed front may carry.
fn print(random: &mut Variation) -> Option<Part> {
    let at = [random.between(-0.08, 0.08), random.between(-0.3, 0.0)];
    let half = [random.between(0.14, 0.24), random.between(0.08, 0.2)];
    match random.below(4) {
        0 => Some(plain(Paint::Detail, disc(at, half[0]))),
        1 => Some(plain(
            Paint::Detail,
            rectangle([at[0] - half[0], at[1] - half[1]], [at[0] + half[0], at[1] + half[1]]),
        )),
        _ => None,
    }
}

fn t_shirt(random: &mut Variation) -> Vec<Part> {
    let torso = Torso::new(random, UPPER_HEM);
    let mut parts = torso.sleeves(random, SHORT_SLEEVE, Some(0.1));
    parts.push(torso.body());
    parts.push(torso.neckline(random.between(0.12, 0.3)));
    parts.extend(print(random));
    parts
}

fn pullover(random: &mut Variation) -> Vec<Part> {
    let torso = Torso::new(random, UPPER_HEM);
    let mut parts = torso.sleeves(random, LONG_SLEEVE, Some(0.5));
    parts.push(torso.body());
    parts.push(torso.neckline(random.between(0.08, 0.24)));
    if random.chance(0.5) {
        let [half_width, hem] = [torso.hem_half_width, torso.hem];
        parts.push(plain(Paint::Seam, rectangle([-half_width, hem - 0.1], [half_width, hem])));
    }
    parts.extend(print(random));
    parts
}

fn shirt(random: &mut Variation) -> Vec<Part> {
    let torso = Torso::new(random, UPPER_HEM);
    let sleeve = if random.chance(0.5) { SHORT_SLEEVE } else { LONG_SLEEVE };
    let mut parts = torso.sleeves(random, sleeve, None);
    parts.push(torso.body());
    parts.extend(collar(&torso, random.between(0.28, 0.36)));
    let top = random.between(-0.44, -0.36);
    let buttons = 4 + random.below(2);
    let spacing = (torso.hem - 0.06 - top) / buttons as f32;
    parts.push(decisive(Paint::Seam, band(&[[0.0, top], [0.0, torso.hem]], 0.05)));
    for button in 0..buttons {
        parts.push(decisive(Paint::Detail, disc([0.0, top + spacing * (button as f32 + 0.5)], 0.085)));
    }
    parts
}

/// Two pointed flaps beside the neck.
fn collar(torso: &Torso, drop: f32) -> [Part; 2] {
    let flap =
        vec![[torso.neck + 0.1, -0.84], [torso.neck + 0.12, -0.84 + drop], [0.0, -0.84 + drop * 0.8], [0.08, -0.84]];
    [decisive(Paint::Detail, mirrored(&flap)), decisive(Paint::Detail, flap)]
}

fn coat(random: &mut Variation) -> Vec<Part> {
    let torso = Torso::new(random, [0.75, 1.0]);
    let mut parts = torso.sleeves(random, LONG_SLEEVE, None);
    parts.push(torso.body());
    let top = random.between(-0.35, -0.15);
    let [narrow, wide] = [random.between(0.05, 0.07), random.between(0.11, 0.2)];
    let lapel = vec![[torso.neck, -0.82], [torso.neck + 0.1, -0.5], [0.0, top + 0.1], [0.0, -0.6]];
    parts.push(decisive(Paint::Detail, mirrored(&lapel)));
    parts.push(decisive(Paint::Detail, lapel));
    parts.push(decisive(Paint::Background, symmetric(&[[narrow, top], [wide, torso.hem + 0.05]])));
    if random.chance(0.4) {
        let height = random.between(0.15, 0.35);
        let pocket = rectangle([0.22, height], [0.36, height + 0.08]);
        parts.extend([plain(Paint::Seam, mirrored(&pocket)), plain(Paint::Seam, pocket)]);
    }
    parts
}

fn dress(random: &mut Variation) -> Vec<Part> {
    let [bust, waist] = [random.between(0.26, 0.36), random.between(0.18, 0.24)];
    let waist_height = random.between(-0.25, -0.05);
    let [hem, flare] = [random.between(0.8, 1.0), random.between(0.45, 0.68)];
    let mut parts = Vec::new();
    if random.chance(0.4) {
        let torso = Torso { shoulder: bust, hem, hem_half_width: flare, neck: 0.15 };
        parts.extend(torso.sleeves(random, SHORT_SLEEVE, None));
    }
    let strap = band(&[[bust * 0.6, -0.9], [bust * 0.75, -0.6]], random.between(0.05, 0.1));
    parts.extend([plain(Paint::Cloth, mirrored(&strap)), plain(Paint::Cloth, strap)]);
    parts.push(plain(Paint::Cloth, symmetric(&[[bust, -0.68], [waist, waist_height]])));
    parts.push(decisive(Paint::Cloth, symmetric(&[[waist, waist_height], [flare, hem]])));
    if random.chance(0.4) {
        let belt = rectangle([-waist - 0.02, waist_height - 0.06], [waist + 0.02, waist_height + 0.06]);
        parts.push(plain(Paint::Detail, belt));
    }
    parts
}

fn trouser(random: &mut Variation) -> Vec<Part> {
    let [waist, hip] = [random.between(0.28, 0.4), random.between(0.36, 0.48)];
    let [crotch, hem] = [random.between(-0.4, -0.1), random.between(0.75, 1.0)];
    let inner = random.between(0.12, 0.26);
    let outer = inner + random.between(0.2, 0.34);
    let leg = vec![[0.0, -0.9], [waist, -0.9], [hip, -0.5], [outer, hem], [inner, hem], [0.045, crotch], [0.0, crotch]];
    let mut parts = vec![plain(Paint::Cloth, mirrored(&leg)), plain(Paint::Cloth, leg)];
    parts.push(decisive(Paint::Background, symmetric(&[[0.045, crotch], [inner, hem]])));
    if random.chance(0.5) {
        parts.push(plain(Paint::Detail, rectangle([-waist, -0.92], [waist, -0.78])));
    }
    parts
}

fn bag(random: &mut Variation) -> Vec<Part> {
    let [top_half, bottom_half] = [random.between(0.5, 0.8), random.between(0.55, 0.85)];
    let [top, bottom] = [random.between(-0.25, 0.05), random.between(0.6, 0.85)];
    let [reach, height] = [top_half * random.between(0.5, 0.85), random.between(0.5, 0.75)];
    let handle = arch([0.0, top], reach, height);
    let thickness = random.between(0.06, 0.1);
    let mut parts = vec![
        decisive(Paint::Nothing, handle.clone()),
        decisive(Paint::Cloth, band(&handle, thickness)),
        plain(Paint::Cloth, symmetric(&[[top_half, top], [bottom_half, bottom]])),
    ];
    if random.chance(0.6) {
        let flap = top + random.between(0.15, 0.4) * (bottom - top);
        parts.push(plain(Paint::Seam, band(&[[-top_half, flap], [top_half, flap]], 0.05)));
    }
    if random.chance(0.6) {
        let clasp = [random.between(-0.1, 0.1), top + random.between(0.25, 0.6) * (bottom - top)];
        parts.push(plain(Paint::Detail, disc(clasp, random.between(0.08, 0.14))));
    }
    parts
}

/// What the three shoes have in common; the toe points to the right.
struct Foot {
    toe: f32,
    heel: f32,
    sole: f32,
    instep: f32,
}

impl Foot {
    fn new(random: &mut Variation) -> Self {
        Self {
            toe: random.between(0.8, 0.95),
            heel: random.between(-0.85, -0.7),
            sole: random.between(0.4, 0.5),
            instep: random.between(-0.2, -0.05),
        }
    }

    fn upper(&self) -> Outline {
        vec![
            [self.heel, self.sole],
            [self.heel - 0.02, self.instep],
            [self.heel + 0.2, self.instep + 0.1],
            [-0.25, self.instep],
            [0.25, self.instep + 0.22],
            [self.toe - 0.15, self.sole - 0.25],
            [self.toe, self.sole - 0.08],
            [self.toe, self.sole],
        ]
    }

    fn sole(&self, paint: Paint, thickness: f32) -> Part {
        plain(paint, rectangle([self.heel - 0.04, self.sole - 0.02], [self.toe + 0.04, self.sole + thickness]))
    }

    fn block_heel(&self, height: f32) -> Part {
        plain(Paint::Detail, rectangle([self.heel - 0.04, self.sole], [self.heel + 0.4, self.sole + height]))
    }
}

fn sneaker(random: &mut Variation) -> Vec<Part> {
    let foot = Foot::new(random);
    let mut parts = vec![plain(Paint::Cloth, foot.upper()), foot.sole(Paint::Detail, random.between(0.12, 0.22))];
    for lace in 0..3 {
        let along = lace as f32 / 2.0;
        let [x, y] = [-0.24 + 0.44 * along, foot.instep + 0.03 + 0.18 * along];
        parts.push(decisive(Paint::Detail, band(&[[x + 0.04, y - 0.06], [x - 0.08, y + 0.2]], 0.055)));
    }
    let opening = [[foot.heel, foot.instep], [foot.heel + 0.2, foot.instep + 0.1], [-0.3, foot.instep]];
    parts.push(decisive(Paint::Nothing, band(&opening, 0.12)));
    if random.chance(0.5) {
        let stripe = [[-0.45, foot.sole - 0.05], [-0.3, foot.instep + 0.25]];
        parts.push(plain(Paint::Seam, band(&stripe, 0.05)));
    }
    parts
}

fn ankle_boot(random: &mut Variation) -> Vec<Part> {
    let foot = Foot::new(random);
    let [top, front] = [random.between(-0.95, -0.75), random.between(-0.25, -0.1)];
    let ankle = foot.instep + 0.12;
    let shaft = vec![[foot.heel, ankle], [foot.heel - 0.03, top], [front, top], [front + 0.05, ankle]];
    let mut parts = vec![plain(Paint::Cloth, foot.upper()), decisive(Paint::Cloth, shaft)];
    parts.push(foot.sole(Paint::Detail, random.between(0.07, 0.14)));
    if random.chance(0.6) {
        parts.push(foot.block_heel(random.between(0.2, 0.32)));
    }
    if random.chance(0.5) {
        let zip = [[foot.heel + 0.3, top + 0.08], [foot.heel + 0.32, foot.sole - 0.15]];
        parts.push(plain(Paint::Seam, band(&zip, 0.045)));
    }
    parts
}

fn sandal(random: &mut Variation) -> Vec<Part> {
    let foot = Foot::new(random);
    let strap = random.between(0.055, 0.08);
    let sole = foot.sole - 0.02;
    let toe_strap = random.between(0.35, 0.5);
    let straps: [&[Point]; 3] = [
        &[[toe_strap - 0.2, sole], [toe_strap, sole - 0.3], [toe_strap + 0.2, sole]],
        &[[foot.heel + 0.08, sole], [foot.heel + 0.1, foot.instep], [-0.2, foot.instep + 0.02]],
        &[[-0.25, foot.instep], [0.05, sole - 0.25], [0.1, sole]],
    ];
    let mut parts = vec![decisive(Paint::Nothing, foot.upper()), foot.sole(Paint::Cloth, random.between(0.08, 0.14))];
    parts.extend(straps.map(|line| decisive(Paint::Cloth, band(line, strap))));
    if random.chance(0.5) {
        parts.push(foot.block_heel(random.between(0.2, 0.32)));
    }
    if random.chance(0.5) {
        parts.push(plain(Paint::Detail, disc([foot.heel + 0.1, foot.instep + 0.15], 0.1)));
    }
    parts
}
