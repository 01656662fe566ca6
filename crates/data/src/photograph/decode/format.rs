//! What a file is, by its first bytes.

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Png,
    Jpeg,
    /// An image that is not read, by its name.
    Other(&'static str),
    Unknown,
}

impl Format {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let starts = |magic: &[u8]| bytes.starts_with(magic);
        let at = |offset: usize, magic: &[u8]| bytes.get(offset..).is_some_and(|rest| rest.starts_with(magic));
        if starts(b"\x89PNG\r\n\x1a\n") {
            return Self::Png;
        }
        if starts(b"\xff\xd8") {
            return Self::Jpeg;
        }
        if starts(b"RIFF") && at(8, b"WEBP") {
            return Self::Other("WebP");
        }
        if at(4, b"ftyp") {
            return Self::of_brand(bytes.get(8..12).unwrap_or_default());
        }
        if starts(b"GIF87a") || starts(b"GIF89a") {
            return Self::Other("GIF");
        }
        // two letters are little: the reserved bytes must be 0, too
        if starts(b"BM") && at(6, &[0; 4]) {
            return Self::Other("BMP");
        }
        if starts(b"II*\0") || starts(b"MM\0*") {
            return Self::Other("TIFF");
        }
        if starts(b"\xff\x0a") || starts(b"\0\0\0\x0cJXL \r\n\x87\n") {
            return Self::Other("JPEG XL");
        }
        if starts(b"\0\0\0\x0cjP  \r\n\x87\n") {
            return Self::Other("JPEG 2000");
        }
        if starts(b"%PDF-") {
            return Self::Other("PDF");
        }
        Self::Unknown
    }

    /// The formats that share the container of films.
    fn of_brand(brand: &[u8]) -> Self {
        match brand {
            b"avif" | b"avis" => Self::Other("AVIF"),
            b"heic" | b"heix" | b"hevc" | b"hevx" | b"heim" | b"heis" | b"mif1" | b"msf1" => Self::Other("HEIC"),
            _ => Self::Unknown,
        }
    }
}
