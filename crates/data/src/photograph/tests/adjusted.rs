//! Photographs that somebody turns, crops, or knows the polarity of.

use super::{Area, Photograph, PhotographFault, TARGET, grey, prepare};
use crate::photograph::{Polarity, prepare_as};

/// Two columns and three rows, each pixel of a level of its own.
fn small() -> Photograph {
    Photograph::from_rgb(2, 3, (0..6).flat_map(|level| [level; 3]).collect()).unwrap()
}

fn levels(photograph: &Photograph) -> Vec<u8> {
    photograph.pixels.iter().copied().step_by(3).collect()
}

#[test]
fn a_quarter_turn_is_clockwise_and_four_are_none() {
    let turned = small().turned(1);
    assert_eq!((turned.width(), turned.height()), (3, 2));
    assert_eq!(levels(&turned), [4, 2, 0, 5, 3, 1]);
    assert_eq!(levels(&small().turned(2)), [5, 4, 3, 2, 1, 0]);
    assert_eq!(small().turned(3), small().turned(1).turned(2));
    assert_eq!(small().turned(4), small());
}

#[test]
fn a_part_holds_its_pixels_and_lies_within_the_photograph() {
    let part = small().cropped(Area { left: 1, top: 1, width: 1, height: 2 }).unwrap();
    assert_eq!((part.width(), part.height(), levels(&part)), (1, 2, vec![3, 5]));
    for part in [
        Area { left: 1, top: 0, width: 2, height: 1 },
        Area { left: 0, top: 0, width: 0, height: 1 },
        Area { left: usize::MAX, top: 0, width: 1, height: 1 },
    ] {
        assert!(matches!(small().cropped(part), Err(PhotographFault::NoPart { .. })), "{part:?}");
    }
}

#[test]
fn a_known_polarity_counts_before_what_the_photograph_looks_like() {
    let image = grey(60, 230);
    let photograph =
        Photograph::from_rgb(100, 120, image.pixels().flat_map(|pixel| [pixel.0[0]; 3]).collect()).unwrap();
    let seen = prepare(&photograph, TARGET).unwrap();
    assert_eq!(seen.polarity, Polarity::DarkOnLight);
    assert_eq!(prepare_as(&photograph, TARGET, Some(Polarity::DarkOnLight)).unwrap(), seen);
    let other = prepare_as(&photograph, TARGET, Some(Polarity::LightOnDark)).unwrap();
    assert_eq!((other.polarity, other.pixels.iter().max()), (Polarity::LightOnDark, Some(&0)), "nothing is lighter");

    let in_form = Photograph::from_rgb(28, 28, seen.pixels.iter().flat_map(|&level| [level; 3]).collect()).unwrap();
    let negative = prepare_as(&in_form, TARGET, Some(Polarity::DarkOnLight)).unwrap();
    assert!(negative.in_form && negative.pixels.iter().zip(&seen.pixels).all(|(new, old)| *new == 255 - old));
}
