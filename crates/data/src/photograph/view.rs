//! What of a photograph is looked at: without its frame, at working size.

use super::found::Found;
use super::frame::{Frame, frame};
use super::garment::{Segmentation, segment};
use super::ground::noise;
use super::original::Photograph;
use super::raster::{Colour, Grid, Window, scaled};

/// The longer edge of the image in which the garment is looked for; a photograph that is larger is scaled down.
const WORKING_EDGE: usize = 256;
/// The part of the area within a frame that stands out from the frame.
const FRAMED: f32 = 0.95;
/// The part of the border that is ground if there is no frame.
const EVEN_GROUND: f32 = 0.75;

/// The part of a photograph without its frame, at working size, and what was found there.
pub(super) struct View {
    /// Where the part is on the photograph.
    window: Window,
    image: Grid<Colour>,
    pub(super) segmentation: Segmentation,
    pub(super) found: Found,
}

impl View {
    pub(super) fn of(photograph: &Photograph) -> Option<Self> {
        let whole = Window { left: 0.0, top: 0.0, width: photograph.width as f32, height: photograph.height as f32 };
        let image = working_image(photograph, whole);
        let frame = frame(&image, noise(&image));
        let framed = Self::within(image.clone(), whole);
        if frame == Frame::default() {
            return framed;
        }
        if framed.as_ref().is_some_and(|view| !view.is_framed(&frame)) {
            return framed;
        }
        let scale = whole.width / image.width as f32;
        let [left, right, top, bottom] =
            [frame.left, frame.right, frame.top, frame.bottom].map(|lines| scale * lines as f32);
        let inner = Window { left, top, width: whole.width - left - right, height: whole.height - top - bottom };
        // a garment with straight edges from side to side looks like bars, but then nothing is found between them
        match Self::within(working_image(photograph, inner), inner) {
            Some(unframed) if !unframed.found.is_doubtful() => Some(unframed),
            unframed => framed.or(unframed),
        }
    }

    /// Whether there is no even ground around what was found, or it fills this frame.
    fn is_framed(&self, frame: &Frame) -> bool {
        let Segmentation { mask, evidence, .. } = &self.segmentation;
        let Frame { left, right, top, bottom } = *frame;
        let is_inside = |column: usize, row: usize| {
            (left..mask.width - right).contains(&column) && (top..mask.height - bottom).contains(&row)
        };
        let (mut filled, mut beyond) = (0, 0);
        for row in 0..mask.height {
            for column in 0..mask.width {
                let place = usize::from(mask.at(column, row));
                if is_inside(column, row) {
                    filled += place;
                } else {
                    beyond += place;
                }
            }
        }
        let inside = (mask.width - left - right) * (mask.height - top - bottom);
        let outside = mask.width * mask.height - inside;
        // a line on each side may be of either
        let is_filled = filled as f32 >= FRAMED * inside as f32 && 4 * beyond <= outside;
        is_filled || evidence.even_border < EVEN_GROUND
    }

    fn within(image: Grid<Colour>, window: Window) -> Option<Self> {
        let segmentation = segment(&image, noise(&image))?;
        let found = Found::by(&segmentation.evidence);
        Some(Self { window, image, segmentation, found })
    }

    /// A part of the working image as a part of the photograph.
    pub(super) fn in_photograph(&self, window: Window) -> Window {
        let across = self.window.width / self.image.width as f32;
        let down = self.window.height / self.image.height as f32;
        Window {
            left: self.window.left + across * window.left,
            top: self.window.top + down * window.top,
            width: across * window.width,
            height: down * window.height,
        }
    }
}

fn working_image(photograph: &Photograph, window: Window) -> Grid<Colour> {
    let scale = (WORKING_EDGE as f32 / window.width.max(window.height)).min(1.0);
    let edge = |extent: f32| ((scale * extent).round() as usize).max(1);
    scaled(photograph, window, edge(window.width), edge(window.height))
}
