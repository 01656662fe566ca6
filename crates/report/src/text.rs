//! Labels inside pixel pictures: one monospaced font that is part of the program.

use image::{Rgb, RgbImage};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

/// Size and weight of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextStyle {
    /// 16 pixels, for labels and numbers.
    Label,
    /// 16 pixels, bold, for the titles of panels.
    Strong,
    /// 20 pixels, bold, for the title of a picture.
    Title,
}

impl TextStyle {
    fn font(self) -> (FontWeight, RasterHeight) {
        match self {
            Self::Label => (FontWeight::Regular, RasterHeight::Size16),
            Self::Strong => (FontWeight::Bold, RasterHeight::Size16),
            Self::Title => (FontWeight::Bold, RasterHeight::Size20),
        }
    }

    /// Pixels from one line to the next.
    pub(crate) fn line_height(self) -> u32 {
        self.font().1.val() as u32 + 2
    }

    /// Pixels that a character takes.
    pub(crate) fn character_width(self) -> u32 {
        let (weight, height) = self.font();
        get_raster_width(weight, height) as u32
    }

    /// Pixels that `text` takes on one line.
    pub(crate) fn width(self, text: &str) -> u32 {
        printable(text).chars().count() as u32 * self.character_width()
    }

    /// `text` on lines of at most `width` pixels, broken between words; a word that is too long is cut.
    pub(crate) fn wrap(self, text: &str, width: u32) -> Vec<String> {
        let limit = (width / self.character_width()).max(1) as usize;
        let mut lines: Vec<String> = Vec::new();
        let mut line = String::new();
        for word in printable(text).split_whitespace() {
            let mut rest: Vec<char> = word.chars().collect();
            if !line.is_empty() && line.chars().count() + 1 + rest.len() > limit {
                lines.push(std::mem::take(&mut line));
            }
            while rest.len() > limit {
                lines.push(rest.drain(..limit).collect());
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.extend(rest);
        }
        if !line.is_empty() {
            lines.push(line);
        }
        lines
    }
}

/// Draws `text` with its upper left corner at (`x`, `y`); what falls outside the picture is left out.
pub(crate) fn draw_text(picture: &mut RgbImage, x: u32, y: u32, text: &str, style: TextStyle, colour: Rgb<u8>) {
    let (weight, height) = style.font();
    let mut left = x;
    for character in printable(text).chars() {
        if let Some(glyph) = get_raster(character, weight, height) {
            for (row, line) in glyph.rows().enumerate() {
                for (column, &coverage) in line.iter().enumerate() {
                    if let Some(pixel) = picture.get_pixel_mut_checked(left + column as u32, y + row as u32) {
                        *pixel = mix(*pixel, colour, f64::from(coverage) / 255.0);
                    }
                }
            }
        }
        left += style.character_width();
    }
}

/// The colour at `share` of the way from `from` (0) to `to` (1).
pub(crate) fn mix(from: Rgb<u8>, to: Rgb<u8>, share: f64) -> Rgb<u8> {
    let channel = |i: usize| {
        let (a, b) = (f64::from(from.0[i]), f64::from(to.0[i]));
        (a + (b - a) * share).round().clamp(0.0, 255.0) as u8
    };
    Rgb([channel(0), channel(1), channel(2)])
}

/// `text` in the characters that the font has: the nearest ASCII spelling, or a question mark.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\u{2013}' | '\u{2014}' | '\u{2212}' => printable.push('-'),
            '\u{2018}' | '\u{2019}' => printable.push('\''),
            '\u{201c}' | '\u{201d}' => printable.push('"'),
            '\u{2026}' => printable.push_str("..."),
            '\u{2264}' => printable.push_str("<="),
            '\u{2265}' => printable.push_str(">="),
            '\u{2192}' => printable.push_str("->"),
            '\u{03bc}' => printable.push('\u{b5}'),
            '\u{03c3}' => printable.push_str("sigma"),
            '\u{03a3}' => printable.push_str("sum"),
            '\u{0394}' | '\u{03b4}' => printable.push_str("delta"),
            '\u{a0}' | '\u{202f}' | '\n' | '\t' => printable.push(' '),
            ' '..='~' | '\u{a1}'..='\u{ff}' => printable.push(character),
            _ => printable.push('?'),
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_lines_fit_and_keep_every_word() {
        let text = "tokens see more than their patch: the receptive field of the network covers 13x13 pixels";
        let lines = TextStyle::Label.wrap(text, 160);
        assert!(lines.len() > 1);
        assert!(lines.iter().all(|line| TextStyle::Label.width(line) <= 160));
        assert_eq!(lines.join(" "), text);
    }

    #[test]
    fn a_long_word_is_cut_instead_of_lost() {
        let limit = 4 * TextStyle::Label.character_width();
        assert_eq!(TextStyle::Label.wrap("ab abcdefghij k", limit), ["ab", "abcd", "efgh", "ij k"]);
    }

    #[test]
    fn text_is_drawn_inside_the_width_it_reports() {
        let text = "Gg|\u{2265}\u{b5}";
        let width = TextStyle::Title.width(text);
        let mut picture = RgbImage::from_pixel(width + 20, 30, Rgb([255; 3]));
        draw_text(&mut picture, 0, 0, text, TextStyle::Title, Rgb([0; 3]));
        let dark: Vec<u32> = picture.enumerate_pixels().filter(|(_, _, p)| p.0[0] < 128).map(|(x, ..)| x).collect();
        assert!(dark.len() > 50);
        assert!(dark.iter().all(|&x| x < width));
    }

    #[test]
    fn text_beyond_the_edge_is_left_out() {
        let mut picture = RgbImage::from_pixel(10, 5, Rgb([255; 3]));
        draw_text(&mut picture, 4, 2, "WWWW", TextStyle::Label, Rgb([0; 3]));
        assert_eq!(picture.dimensions(), (10, 5));
    }
}
