//! Pixels in memory: as much as drawing maps takes.

/// The colour of a pixel: red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rgb(pub [u8; 3]);

/// A drawn figure, row by row.
#[derive(Clone, PartialEq, Eq)]
pub struct RgbImage {
    width: u32,
    height: u32,
    pixels: Vec<Rgb>,
}

impl std::fmt::Debug for RgbImage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "RgbImage of {}x{} pixels", self.height, self.width)
    }
}

impl RgbImage {
    /// The figure whose pixel in column `x` and row `y` is `colour(x, y)`.
    pub(crate) fn from_fn(width: u32, height: u32, mut colour: impl FnMut(u32, u32) -> Rgb) -> Self {
        let mut pixels = Vec::with_capacity(width as usize * height as usize);
        for y in 0..height {
            pixels.extend((0..width).map(|x| colour(x, y)));
        }
        Self { width, height, pixels }
    }

    /// The figure whose pixels all have one colour.
    pub(crate) fn from_pixel(width: u32, height: u32, colour: Rgb) -> Self {
        Self { width, height, pixels: vec![colour; width as usize * height as usize] }
    }

    /// Pixels of a row.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The colours, row by row.
    pub fn pixels(&self) -> &[Rgb] {
        &self.pixels
    }

    /// The colour in column `x` and row `y`; none outside the figure.
    pub fn pixel(&self, x: u32, y: u32) -> Option<Rgb> {
        self.place(x, y).map(|place| self.pixels[place])
    }

    /// Red, green and blue of every pixel in turn, row by row, as most image libraries take them.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.pixels.iter().flat_map(|pixel| pixel.0).collect()
    }

    /// Every pixel with its column and row.
    pub(crate) fn enumerate_pixels(&self) -> impl Iterator<Item = (u32, u32, Rgb)> + '_ {
        let width = self.width as usize;
        self.pixels
            .iter()
            .enumerate()
            .map(move |(place, &pixel)| ((place % width.max(1)) as u32, (place / width.max(1)) as u32, pixel))
    }

    /// Changes a pixel; what falls outside the figure is left out.
    pub(crate) fn change(&mut self, x: u32, y: u32, change: impl FnOnce(Rgb) -> Rgb) {
        if let Some(place) = self.place(x, y) {
            self.pixels[place] = change(self.pixels[place]);
        }
    }

    /// Puts another figure into this one, its upper left corner at (`x`, `y`); what falls outside is left out.
    pub(crate) fn paste(&mut self, other: &Self, x: u32, y: u32) {
        for (column, row, pixel) in other.enumerate_pixels() {
            self.change(x + column, y + row, |_| pixel);
        }
    }

    /// Fills a rectangle; what falls outside the figure is left out.
    pub(crate) fn fill(&mut self, left: u32, top: u32, width: u32, height: u32, colour: Rgb) {
        for y in top..(top + height).min(self.height) {
            for x in left..(left + width).min(self.width) {
                self.change(x, y, |_| colour);
            }
        }
    }

    fn place(&self, x: u32, y: u32) -> Option<usize> {
        (x < self.width && y < self.height).then_some(y as usize * self.width as usize + x as usize)
    }
}
