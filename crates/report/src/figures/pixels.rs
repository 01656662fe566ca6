//! Charts as pixels, for readers of images that know no SVG.

use std::io;

use plotters_backend::rasterizer::{draw_circle, draw_line, draw_rect, fill_polygon, polygonize};
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind, FontStyle,
};

use crate::raster::{Rgb, RgbImage};
use crate::text::{TextStyle, draw_text, mix};

type Drawn = Result<(), DrawingErrorKind<io::Error>>;

/// Pixels for each unit of a chart, as a fraction: so many that the letters of the bitmap font are as large beside the
/// lines as those of an SVG document.
const SCALE: (i32, i32) = (5, 4);
/// Units above which text is a title.
const LARGE_TEXT: f64 = 15.0;
/// plotters states 1.24 of the size of a text in units.
const STATED_SIZE: f64 = 1.24;

/// An image that a chart is drawn on in its own units.
#[derive(Debug)]
pub(super) struct PixelBackend {
    image: RgbImage,
    size: (u32, u32),
}

impl PixelBackend {
    /// White, for a chart of `size` units.
    pub(super) fn new(size: (u32, u32)) -> Self {
        let (width, height) = (scaled(size.0 as i32), scaled(size.1 as i32));
        Self { image: RgbImage::from_pixel(width as u32, height as u32, Rgb([255; 3])), size }
    }

    pub(super) fn into_image(self) -> RgbImage {
        self.image
    }

    fn raw(&mut self) -> Raw<'_> {
        Raw(&mut self.image)
    }
}

impl DrawingBackend for PixelBackend {
    type ErrorType = io::Error;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, point: BackendCoord, colour: BackendColor) -> Drawn {
        self.draw_rect(point, (point.0 + 1, point.1 + 1), &colour, true)
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        draw_line(&mut self.raw(), place(from), place(to), style)
    }

    fn draw_rect<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S, fill: bool) -> Drawn {
        draw_rect(&mut self.raw(), place(from), place(to), style, fill)
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        let path: Vec<BackendCoord> = path.into_iter().map(place).collect();
        if style.stroke_width() == 1 {
            return path.windows(2).try_for_each(|ends| draw_line(&mut self.raw(), ends[0], ends[1], style));
        }
        let outline = polygonize(&path, style.stroke_width());
        fill_polygon(&mut self.raw(), &outline, &style.color())
    }

    fn draw_circle<S: BackendStyle>(&mut self, centre: BackendCoord, radius: u32, style: &S, fill: bool) -> Drawn {
        draw_circle(&mut self.raw(), place(centre), scaled(radius as i32) as u32, style, fill)
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, corners: I, style: &S) -> Drawn {
        let corners: Vec<BackendCoord> = corners.into_iter().map(place).collect();
        fill_polygon(&mut self.raw(), &corners, style)
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, anchor: BackendCoord) -> Drawn {
        let font = font(style.size() / STATED_SIZE, style.style());
        // black on white first: what is dark there gets the colour here
        let mut letters = RgbImage::from_pixel(font.width(text), font.line_height(), Rgb([255; 3]));
        draw_text(&mut letters, 0, 0, text, font, Rgb([0; 3]));
        let (width, height) = (letters.width() as i32, letters.height() as i32);
        let left = match style.anchor().h_pos {
            HPos::Left => 0,
            HPos::Center => -width / 2,
            HPos::Right => -width,
        };
        let top = match style.anchor().v_pos {
            VPos::Top => 0,
            VPos::Center => -height / 2,
            VPos::Bottom => -height,
        };
        let (turn, colour, anchor) = (style.transform(), style.color(), place(anchor));
        let mut raw = self.raw();
        for (x, y, pixel) in letters.enumerate_pixels() {
            let (x, y) = turn.transform(left + x as i32, top + y as i32);
            let alpha = colour.alpha * (1.0 - f64::from(pixel.0[0]) / 255.0);
            raw.draw_pixel((anchor.0 + x, anchor.1 + y), BackendColor { alpha, ..colour })?;
        }
        Ok(())
    }
}

/// The pixels themselves.
struct Raw<'a>(&'a mut RgbImage);

impl DrawingBackend for Raw<'_> {
    type ErrorType = io::Error;

    fn get_size(&self) -> (u32, u32) {
        (self.0.width(), self.0.height())
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, point: BackendCoord, colour: BackendColor) -> Drawn {
        if let (Ok(x), Ok(y)) = (u32::try_from(point.0), u32::try_from(point.1)) {
            let (red, green, blue) = colour.rgb;
            self.0.change(x, y, |pixel| mix(pixel, Rgb([red, green, blue]), colour.alpha));
        }
        Ok(())
    }
}

fn scaled(units: i32) -> i32 {
    units * SCALE.0 / SCALE.1
}

fn place(point: BackendCoord) -> BackendCoord {
    (scaled(point.0), scaled(point.1))
}

fn font(size: f64, weight: FontStyle) -> TextStyle {
    match weight {
        _ if size > LARGE_TEXT => TextStyle::Title,
        FontStyle::Bold => TextStyle::Strong,
        FontStyle::Normal | FontStyle::Oblique | FontStyle::Italic => TextStyle::Label,
    }
}
