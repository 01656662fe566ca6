//! What a chart is drawn on: an SVG document or pixels.

use std::io;

use plotters::prelude::SVGBackend;
use plotters_backend::{BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind};

use super::pixels::PixelBackend;

type Drawn = Result<(), DrawingErrorKind<io::Error>>;

/// An SVG document or pixels, in the same units.
pub(super) enum Paper<'a> {
    Svg(SVGBackend<'a>),
    Pixels(&'a mut PixelBackend),
}

/// The same call on whichever it is.
macro_rules! on {
    ($paper:expr, $backend:ident => $call:expr) => {
        match $paper {
            Paper::Svg($backend) => $call,
            Paper::Pixels($backend) => $call,
        }
    };
}

impl DrawingBackend for Paper<'_> {
    type ErrorType = io::Error;

    fn get_size(&self) -> (u32, u32) {
        on!(self, backend => backend.get_size())
    }

    fn ensure_prepared(&mut self) -> Drawn {
        on!(self, backend => backend.ensure_prepared())
    }

    fn present(&mut self) -> Drawn {
        on!(self, backend => backend.present())
    }

    fn draw_pixel(&mut self, point: BackendCoord, colour: BackendColor) -> Drawn {
        on!(self, backend => backend.draw_pixel(point, colour))
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        on!(self, backend => backend.draw_line(from, to, style))
    }

    fn draw_rect<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S, fill: bool) -> Drawn {
        on!(self, backend => backend.draw_rect(from, to, style, fill))
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        on!(self, backend => backend.draw_path(path, style))
    }

    fn draw_circle<S: BackendStyle>(&mut self, centre: BackendCoord, radius: u32, style: &S, fill: bool) -> Drawn {
        on!(self, backend => backend.draw_circle(centre, radius, style, fill))
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, corners: I, style: &S) -> Drawn {
        on!(self, backend => backend.fill_polygon(corners, style))
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, anchor: BackendCoord) -> Drawn {
        on!(self, backend => backend.draw_text(text, style, anchor))
    }
}
