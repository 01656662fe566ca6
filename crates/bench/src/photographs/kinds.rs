//! The kinds of photograph, and how strong each of them is.

use serde::Serialize;

use super::scene::{Border, Cloth, Colour, FileKind, Framing, Scene};

/// A kind of photograph.
#[derive(Clone, Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) strength: String,
    pub(super) scene: Scene,
}

/// How strong the kinds of photograph are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strengths {
    /// Those that the preparation was tuned on.
    Tuned,
    /// Others, which nothing was tuned on.
    HeldOut,
}

/// The angles of the two kinds of photograph with a garment that is turned, in degrees.
pub(super) fn angles(strengths: Strengths) -> [f32; 2] {
    strengths.choose([-10.0, 10.0], [-7.0, 13.0])
}

impl Strengths {
    fn choose<T>(self, tuned: T, held_out: T) -> T {
        match self {
            Self::Tuned => tuned,
            Self::HeldOut => held_out,
        }
    }
}

/// All kinds. The first is the image of the data set itself, which the others are compared with.
pub(super) fn kinds(strengths: Strengths) -> Vec<Kind> {
    let mut kinds = vec![
        kind("plain", "28×28".to_owned(), on_black(Framing::Original)),
        kind("negative", "28×28".to_owned(), Scene { framing: Framing::Original, ..Scene::plain() }),
    ];
    kinds.extend(pages(strengths));
    kinds.extend(lights(strengths));
    kinds.extend(borders(strengths));
    kinds.extend(defects(strengths));
    kinds
}

fn kind(name: &'static str, strength: String, scene: Scene) -> Kind {
    Kind { name, strength, scene }
}

/// A white garment on black, as in the data set.
fn on_black(framing: Framing) -> Scene {
    Scene { framing, page: [0.0; 3], cloth: Cloth::Dyed([255.0; 3]), ..Scene::plain() }
}

fn on_page(level: f32) -> Scene {
    Scene { page: [level; 3], ..Scene::plain() }
}

/// Different grounds in even light.
fn pages(strengths: Strengths) -> Vec<Kind> {
    let side = strengths.choose(280, 170);
    let grey = strengths.choose(170.0, 120.0);
    let dark = strengths.choose(30.0, 60.0);
    let cloth = strengths.choose(128.0, 165.0);
    let [page, dyed]: [Colour; 2] =
        strengths.choose([[225.0, 205.0, 160.0], [15.0, 10.0, 40.0]], [[120.0, 190.0, 215.0], [45.0, 5.0, 10.0]]);
    let [ground, garment] = equal_luma(strengths);
    vec![
        kind("enlarged", format!("{side}×{side}"), on_black(Framing::Enlarged(side))),
        kind(
            "enlarged negative",
            format!("{side}×{side}"),
            Scene { framing: Framing::Enlarged(side), ..Scene::plain() },
        ),
        kind("white page", "255".to_owned(), on_page(255.0)),
        kind("grey page", grey.to_string(), on_page(grey)),
        kind(
            "dark page",
            dark.to_string(),
            Scene { page: [dark; 3], cloth: Cloth::Dyed([255.0; 3]), ..Scene::plain() },
        ),
        kind("coloured page", colours(page, dyed), Scene { page, cloth: Cloth::Dyed(dyed), ..Scene::plain() }),
        kind(
            "equal luma",
            colours(ground, garment),
            Scene { page: ground, cloth: Cloth::Dyed(garment), ..Scene::plain() },
        ),
        kind("laid on grey cloth", cloth.to_string(), Scene { page: [cloth; 3], cloth: Cloth::Laid, ..Scene::plain() }),
    ]
}

/// A ground and a garment of nearly the same luma.
fn equal_luma(strengths: Strengths) -> [Colour; 2] {
    strengths.choose([[90.0, 150.0, 70.0], [215.0, 110.0, 120.0]], [[205.0, 140.0, 60.0], [110.0, 152.0, 225.0]])
}

fn colours(page: Colour, garment: Colour) -> String {
    format!("{} on {}", hexadecimal(garment), hexadecimal(page))
}

fn hexadecimal(colour: Colour) -> String {
    let [red, green, blue] = colour.map(|level| level as u8);
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// Light that is uneven.
fn lights(strengths: Strengths) -> Vec<Kind> {
    let gradient = strengths.choose(40.0, 70.0);
    let vignette = strengths.choose(0.4, 0.55);
    let shadow = strengths.choose(0.35, 0.25);
    let cast_shadow = strengths.choose(0.25, 0.35);
    vec![
        kind("falling light", format!("{gradient} levels"), Scene { gradient, ..Scene::plain() }),
        kind("vignette", per_cent(vignette), Scene { vignette, ..Scene::plain() }),
        kind("shadow over the page", per_cent(shadow), Scene { shadow, ..on_page(235.0) }),
        kind("shadow of the garment", per_cent(cast_shadow), Scene { cast_shadow, ..on_page(235.0) }),
    ]
}

/// Frames and bars.
fn borders(strengths: Strengths) -> Vec<Kind> {
    let (frame, page) = strengths.choose((0.06, 215.0), (0.03, 235.0));
    let bars = strengths.choose(0.12, 0.2);
    vec![
        kind(
            "white frame",
            per_cent(frame),
            Scene { border: Border::Frame { share: frame, level: 255.0 }, ..on_page(page) },
        ),
        kind(
            "dark frame",
            per_cent(frame),
            Scene { border: Border::Frame { share: frame, level: 40.0 }, ..on_page(page) },
        ),
        kind("black bars", per_cent(bars), Scene { border: Border::Bars { share: bars, level: 0.0 }, ..on_page(page) }),
    ]
}

/// What a camera, a file or dust does.
fn defects(strengths: Strengths) -> Vec<Kind> {
    let noise = strengths.choose([2.0, 4.0, 8.0, 12.0], [3.0, 6.0, 10.0, 15.0]);
    let qualities = strengths.choose([10, 30, 90], [15, 50, 75]);
    let specks = strengths.choose(40, 100);
    let mut kinds: Vec<Kind> =
        noise.map(|noise| kind("noise", format!("σ = {noise}"), Scene { noise, ..on_page(235.0) })).into();
    kinds.extend(qualities.map(|quality| {
        kind("JPEG", format!("quality {quality}"), Scene { file: FileKind::Jpeg(quality), ..on_page(235.0) })
    }));
    kinds.push(kind("specks", specks.to_string(), Scene { specks, ..on_page(235.0) }));
    kinds.extend(
        angles(strengths).map(|turned| kind("turned", format!("{turned}°"), Scene { turned, ..on_page(235.0) })),
    );
    let small = strengths.choose(0.3, 0.25);
    kinds.push(kind(
        "small",
        format!("about {:.0} pixels", 200.0 * small),
        Scene { framing: Framing::Placed(small), noise: 2.0, ..on_page(235.0) },
    ));
    let telephone = Scene {
        page: [236.0, 228.0, 214.0],
        cloth: Cloth::Dyed([12.0, 10.0, 14.0]),
        turned: strengths.choose(3.0, -4.0),
        gradient: strengths.choose(30.0, 20.0),
        vignette: strengths.choose(0.15, 0.25),
        cast_shadow: strengths.choose(0.1, 0.15),
        noise: strengths.choose(5.0, 4.0),
        file: FileKind::Jpeg(80),
        framing: Framing::Placed(2.0),
        ..Scene::plain()
    };
    kinds.push(kind("all of it, as from a telephone", "mild".to_owned(), telephone));
    kinds
}

fn per_cent(share: f32) -> String {
    format!("{:.1} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_colours_of_equal_luma_have_equal_luma() {
        for strengths in [Strengths::Tuned, Strengths::HeldOut] {
            let [ground, garment] =
                equal_luma(strengths).map(|[red, green, blue]| 0.2126 * red + 0.7152 * green + 0.0722 * blue);
            assert!((ground - garment).abs() < 3.0, "{ground} and {garment}");
        }
    }

    #[test]
    fn every_strength_that_is_held_out_differs_from_the_tuned_one() {
        let (tuned, held_out) = (kinds(Strengths::Tuned), kinds(Strengths::HeldOut));
        assert_eq!(tuned.len(), held_out.len());
        assert!(tuned.len() >= 12);
        for (tuned, held_out) in tuned.iter().zip(&held_out) {
            let has_no_strength = ["plain", "negative", "white page"].contains(&tuned.name);
            assert_eq!(tuned.name, held_out.name);
            assert_eq!(
                format!("{:?}", tuned.scene) == format!("{:?}", held_out.scene),
                has_no_strength,
                "{}",
                tuned.name
            );
        }
    }
}
