//! What a panel draws, pixel by pixel.

use super::*;

fn black() -> ByteImage {
    ByteImage::from_bytes([1, 28, 28], &[0; 784]).unwrap()
}

fn hot(side: usize, token: usize) -> ValueMap {
    let mut values = vec![0.0; side * side];
    values[token] = 1.0;
    ValueMap::new([side, side], &values).unwrap()
}

/// The rectangle of all pixels of `colour`: left, top, right and bottom, the last two exclusive.
fn rectangle(drawn: &RgbImage, colour: Rgb) -> (u32, u32, u32, u32) {
    let pixels: Vec<(u32, u32)> =
        drawn.enumerate_pixels().filter(|(_, _, p)| *p == colour).map(|(x, y, _)| (x, y)).collect();
    let (left, right) = (pixels.iter().map(|p| p.0).min().unwrap(), pixels.iter().map(|p| p.0).max().unwrap());
    let (top, bottom) = (pixels.iter().map(|p| p.1).min().unwrap(), pixels.iter().map(|p| p.1).max().unwrap());
    assert_eq!(pixels.len() as u32, (right - left + 1) * (bottom - top + 1), "not a filled rectangle");
    (left, top, right + 1, bottom + 1)
}

#[test]
fn a_hot_token_colours_exactly_its_block() {
    let hot_colour = sequential_colour(1.0);
    for (side, row, column) in [(7, 0, 0), (7, 6, 6), (7, 2, 5), (14, 3, 10), (14, 13, 0)] {
        let grid = hot(side, row * side + column);
        let scale = AttentionScale::from_zero([&grid]).unwrap();
        let drawn = Panel::attention("hot", &black(), &grid, &scale).draw(224).unwrap();
        assert_eq!((drawn.width(), drawn.height()), (224, 224));
        let block = 224 / side as u32;
        let (left, top) = (column as u32 * block, row as u32 * block);
        assert_eq!(rectangle(&drawn, hot_colour), (left, top, left + block, top + block));
    }
}

#[test]
fn the_outline_of_the_light_part_lies_on_pure_colours() {
    let values: Vec<u8> = (0..784).map(|place| if place % 28 < 10 { 200 } else { 20 }).collect();
    let image = ByteImage::from_bytes([1, 28, 28], &values).unwrap();
    let grid = ValueMap::new([7, 7], &[0.0; 49]).unwrap();
    let attention = Panel::attention("a", &image, &grid, &AttentionScale::from_zero([&hot(7, 0)]).unwrap());
    let deviation = Panel::deviation("d", &image, &grid, &SharedScale::largest([&hot(7, 0)]).unwrap());
    for (panel, line, ground) in
        [(attention, CONTOUR_ON_DARK, sequential_colour(0.0)), (deviation, CONTOUR_ON_LIGHT, signed_colour(0.0))]
    {
        let drawn = panel.draw(224).unwrap();
        assert_eq!(rectangle(&drawn, line), (79, 0, 80, 224));
        assert!(drawn.pixels().iter().all(|pixel| [line, ground].contains(pixel)));
        assert!(panel.marks()[0].ends_with("outline of the light part of the image"));
    }
}

#[test]
fn a_map_that_does_not_divide_the_image_covers_it_whole() {
    // a 3 × 5 map over a colour image of 14 × 16 pixels, drawn at fourteen times its size
    let image = ByteImage::from_bytes([3, 14, 16], &[0; 3 * 14 * 16]).unwrap();
    let grid = ValueMap::new([3, 5], &(0..15).map(|i| i as f32).collect::<Vec<_>>()).unwrap();
    let scale = AttentionScale::spanning([&grid]).unwrap();
    let drawn = Panel::attention("map", &image, &grid, &scale).query(7).draw(224).unwrap();
    assert_eq!((drawn.height(), drawn.width()), (196, 224));
    let corners = [(0, 0, 0.0), (223, 0, 4.0), (0, 195, 10.0), (223, 195, 14.0)];
    for (x, y, value) in corners {
        assert_eq!(drawn.pixel(x, y), Some(sequential_colour(value / 14.0)));
    }
    // the frame of the token in row 1, column 2 lies on that token's pixels alone
    let framed = drawn.enumerate_pixels().filter(|(_, _, pixel)| *pixel == QUERY_FRAME);
    for (x, y, _) in framed {
        assert_eq!((x as usize * 5 / 224, y as usize * 3 / 196), (2, 1), "{x} {y}");
    }
}

#[test]
fn a_colour_image_is_shown_in_colour() {
    let red = ByteImage::from_unit([3, 1, 1], &[1.0, 0.0, 0.0]).unwrap();
    assert_eq!(Panel::image("red", &red).draw(8).unwrap().pixel(3, 3), Some(Rgb([255, 0, 0])));
}

#[test]
fn the_query_frame_runs_along_the_edge_of_its_block() {
    let grid = hot(7, 0);
    let scale = SharedScale::largest([&grid]).unwrap();
    let drawn = Panel::deviation("query", &black(), &grid, &scale).query(17).draw(224).unwrap();
    let red: Vec<(u32, u32)> =
        drawn.enumerate_pixels().filter(|(_, _, p)| *p == QUERY_FRAME).map(|(x, y, _)| (x, y)).collect();
    // token 17 stands in row 2, column 3; two rings of frame on a block of 32 pixels
    assert_eq!(red.len(), 4 * 31 + 4 * 29);
    assert!(red.iter().all(|&(x, y)| (96..128).contains(&x) && (64..96).contains(&y)));
    assert!(red.contains(&(96, 64)) && red.contains(&(127, 95)));
}

#[test]
fn attributions_have_the_colours_of_the_scale_at_eight_times_the_size() {
    let mut values = [0.0; 784];
    (values[28], values[29]) = (2.0, -2.0);
    let map = ValueMap::new([28, 28], &values).unwrap();
    let scale = SharedScale::largest([&map]).unwrap();
    let drawn = Panel::attribution("map", &map, &scale).draw(224).unwrap();
    assert_eq!(rectangle(&drawn, signed_colour(1.0)), (0, 8, 8, 16));
    assert_eq!(rectangle(&drawn, signed_colour(-1.0)), (8, 8, 16, 16));
    assert_eq!(drawn.pixels().iter().filter(|p| p.0 == [255; 3]).count(), 782 * 64);
}

#[test]
fn a_matrix_of_magnitudes_is_drawn_in_whole_pixels_without_an_image() {
    let map = hot(49, 50);
    let panel = Panel::magnitude("A", &map, &AttentionScale::from_zero([&map]).unwrap());
    let drawn = panel.draw(224).unwrap();
    assert_eq!((drawn.width(), drawn.height()), (196, 196));
    assert_eq!(rectangle(&drawn, sequential_colour(1.0)), (4, 4, 8, 8));
    assert_eq!(((panel.bar().unwrap().colour)(0.3), panel.marks()), (sequential_colour(0.3), Vec::new()));
}

#[test]
fn outlines_run_between_the_segments_and_nowhere_else() {
    let labels: Vec<usize> = (0..784).map(|i| usize::from(i % 28 >= 10)).collect();
    let drawn = Panel::image("two halves", &black()).outlined(&labels).draw(224).unwrap();
    assert_eq!(rectangle(&drawn, OUTLINE), (79, 0, 81, 224));
    let undivided = Panel::image("one", &black()).outlined(&[4; 784]).draw(224).unwrap();
    assert!(undivided.pixels().iter().all(|p| p.0 == [0; 3]));
}

#[test]
fn what_does_not_fit_is_named() {
    let grid = hot(225, 0);
    let scale = SharedScale::largest([&grid]).unwrap();
    assert_eq!(
        Panel::deviation("fine", &black(), &grid, &scale).draw(224).unwrap_err().to_string(),
        "map over an image: found 225x225, expected at most 224x224, as many as the drawn image has pixels"
    );
    let grid = hot(56, 0);
    assert_eq!(
        Panel::deviation("small", &black(), &grid, &scale).query(0).draw(224).unwrap_err().to_string(),
        "query token: found 56x56, expected a grid whose tokens are 8 pixels or larger when drawn"
    );
    assert_eq!(
        Panel::image("labels", &black()).outlined(&[0; 3]).draw(224).unwrap_err().to_string(),
        "segment outlines: found 3 labels, expected 784"
    );
    let grid = hot(7, 0);
    assert_eq!(
        Panel::deviation("far", &black(), &grid, &scale).query(49).draw(224).unwrap_err().to_string(),
        "query token: found 49 at panel \"far\", expected a number from 0 to 48"
    );
    assert!(matches!(Panel::image("none", &black()).query(0).draw(224), Err(ReportError::Empty { .. })));
}

#[test]
fn a_map_refuses_what_is_no_number() {
    let error = ValueMap::new([2, 2], &[0.0, 1.0, 2.0, f32::NAN]).unwrap_err().to_string();
    assert_eq!(error, "map: found NaN at row 1, column 1, expected a finite number");
    assert!(matches!(ValueMap::new([1, 1], &[f32::INFINITY]), Err(ReportError::NotFinite { .. })));
    assert!(matches!(ValueMap::new([1, 2], &[0.0]), Err(ReportError::Size { .. })));
}
