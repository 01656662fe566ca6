//! Labels inside figures of pixels, from two fonts that are part of the program: Noto Sans Mono for Latin letters and GNU
//! Unifont for every other character.

use crate::raster::{Rgb, RgbImage};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};
use unifont::{Glyph, get_glyph};

/// Size and weight of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextStyle {
    /// 16 pixels, for labels and numbers.
    Label,
    /// 16 pixels, bold, for the titles of panels.
    Strong,
    /// 20 pixels, bold, for the title of an image.
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

    /// Pixels that a Latin letter takes.
    fn character_width(self) -> u32 {
        let (weight, height) = self.font();
        get_raster_width(weight, height) as u32
    }

    /// Pixels that `text` takes on one line.
    pub(crate) fn width(self, text: &str) -> u32 {
        printable(text).chars().map(|character| self.advance(character)).sum()
    }

    /// Pixels that a character takes.
    fn advance(self, character: char) -> u32 {
        let (weight, height) = self.font();
        if get_raster(character, weight, height).is_some() {
            return self.character_width();
        }
        self.character_width().max(wide_glyph(character).map_or(0, |glyph| glyph.get_width() as u32))
    }

    /// `text` on lines of at most `width` pixels, broken between words; a word that is too long is broken behind a hyphen, or
    /// cut.
    pub(crate) fn wrap(self, text: &str, width: u32) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let (mut line, mut used) = (String::new(), 0);
        for word in printable(text).split_whitespace() {
            let is_long = self.width(word) > width;
            let parts = if is_long { word.split_inclusive('-').collect() } else { vec![word] };
            for (index, part) in parts.into_iter().enumerate() {
                let space = if index == 0 { self.character_width() } else { 0 };
                if !line.is_empty() && used + space + self.width(part) > width {
                    lines.push(std::mem::take(&mut line));
                    used = 0;
                }
                if !line.is_empty() && index == 0 {
                    line.push(' ');
                    used += space;
                }
                for character in part.chars() {
                    let advance = self.advance(character);
                    // a part that is longer than a line goes on in the next one; a line has one character at least
                    if !line.is_empty() && used + advance > width {
                        lines.push(std::mem::take(&mut line));
                        used = 0;
                    }
                    line.push(character);
                    used += advance;
                }
            }
        }
        if !line.is_empty() {
            lines.push(line);
        }
        lines
    }
}

/// Draws `text` with its upper left corner at (`x`, `y`); what falls outside the image is left out.
pub(crate) fn draw_text(image: &mut RgbImage, x: u32, y: u32, text: &str, style: TextStyle, colour: Rgb) {
    let (weight, height) = style.font();
    let mut left = x;
    for character in printable(text).chars() {
        if let Some(glyph) = get_raster(character, weight, height) {
            for (row, line) in glyph.rows().enumerate() {
                for (column, &coverage) in line.iter().enumerate() {
                    let share = f64::from(coverage) / 255.0;
                    image.change(left + column as u32, y + row as u32, |pixel| mix(pixel, colour, share));
                }
            }
        } else if let Some(glyph) = wide_glyph(character) {
            // on the line on which the smaller glyphs of the other font stand
            let top = y + (height.val() as u32).saturating_sub(WIDE_ROWS);
            let places = (0..WIDE_ROWS).flat_map(|row| (0..glyph.get_width() as u32).map(move |column| (row, column)));
            for (row, column) in places.filter(|&(row, column)| glyph.get_pixel(column as usize, row as usize)) {
                image.change(left + column, top + row, |_| colour);
            }
        }
        left += style.advance(character);
    }
}

/// Rows of a glyph of Unifont.
const WIDE_ROWS: u32 = 16;

/// The glyph of Unifont, which has one for nearly every character; one without gets the replacement character.
fn wide_glyph(character: char) -> Option<&'static Glyph> {
    get_glyph(character).or_else(|| get_glyph(char::REPLACEMENT_CHARACTER))
}

/// The colour at `share` of the way from `from` (0) to `to` (1).
pub(crate) fn mix(from: Rgb, to: Rgb, share: f64) -> Rgb {
    let channel = |i: usize| {
        let (a, b) = (f64::from(from.0[i]), f64::from(to.0[i]));
        (a + (b - a) * share).round().clamp(0.0, 255.0) as u8
    };
    Rgb([channel(0), channel(1), channel(2)])
}

/// `text` without characters that do not print, and with signs that letters say better.
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
            _ if character.is_control() => printable.push('?'),
            _ => printable.push(character),
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
        let limit = 12 * TextStyle::Label.character_width();
        let broken = ["(gradient-", "weighted", "activation)"];
        assert_eq!(TextStyle::Label.wrap("(gradient-weighted activation)", limit), broken);
    }

    #[test]
    fn text_is_drawn_inside_the_width_it_reports() {
        let text = "Gg|\u{2265}\u{b5}";
        let width = TextStyle::Title.width(text);
        let mut image = RgbImage::from_pixel(width + 20, 30, Rgb([255; 3]));
        draw_text(&mut image, 0, 0, text, TextStyle::Title, Rgb([0; 3]));
        let dark: Vec<u32> = image.enumerate_pixels().filter(|(_, _, p)| p.0[0] < 128).map(|(x, ..)| x).collect();
        assert!(dark.len() > 50);
        assert!(dark.iter().all(|&x| x < width));
    }

    #[test]
    fn text_beyond_the_edge_is_left_out() {
        let mut image = RgbImage::from_pixel(10, 5, Rgb([255; 3]));
        draw_text(&mut image, 4, 2, "WWWW", TextStyle::Label, Rgb([0; 3]));
        assert_eq!((image.width(), image.height()), (10, 5));
    }

    #[test]
    fn names_in_any_script_are_drawn_letter_by_letter() {
        let drawn = |text: &str, style: TextStyle| {
            let mut image = RgbImage::from_pixel(style.width(text) + 8, 24, Rgb([255; 3]));
            draw_text(&mut image, 0, 0, text, style, Rgb([0; 3]));
            image
        };
        let question_marks = drawn("??", TextStyle::Label);
        for text in ["Tシャツ", "足首", "Hæmsökü", "сапог", "ζ", "حذاء"] {
            for style in [TextStyle::Label, TextStyle::Strong, TextStyle::Title] {
                let image = drawn(text, style);
                let dark: Vec<u32> =
                    image.enumerate_pixels().filter(|(_, _, pixel)| pixel.0[0] < 128).map(|(x, ..)| x).collect();
                assert!(dark.len() > 8, "{text}");
                assert!(dark.iter().all(|&x| x < style.width(text)), "{text}");
                assert_ne!(image, question_marks);
            }
        }
        // every letter is another one
        assert_ne!(drawn("シ", TextStyle::Label), drawn("ツ", TextStyle::Label));
        assert_eq!(TextStyle::Label.width("足首"), 32);
        let lines = TextStyle::Label.wrap("足首までの靴 足首までの靴", 64);
        assert_eq!(lines, ["足首まで", "の靴", "足首まで", "の靴"]);
        assert!(lines.iter().all(|line| TextStyle::Label.width(line) <= 64));
    }
}
