use std::path::Path;

use image::imageops::rotate270;

use super::*;
use crate::photograph::read_prepared;

/// A PNG with a palette of white and black: 6×8 pixels, all white but columns 2 and 3 of rows 1 to 6.
pub(super) const PALETTE_PNG: &[u8] = b"\x89\x50\x4e\x47\x0d\x0a\x1a\x0a\x00\x00\x00\x0d\x49\x48\x44\x52\x00\x00\x00\x06\x00\x00\x00\x08\x08\x03\x00\x00\x00\xed\x18\x7e\x0a\x00\x00\x00\x06\x50\x4c\x54\x45\xff\xff\xff\x00\x00\x00\x55\xc2\xd3\x7e\x00\x00\x00\x11\x49\x44\x41\x54\x78\xda\x63\x60\x80\x01\x46\x46\x62\x29\x10\x00\x00\x01\x88\x00\x0d\x00\x56\xb0\x73\x00\x00\x00\x00\x49\x45\x4e\x44\xae\x42\x60\x82";

/// The start of an EXIF block with one entry: orientation (0x0112) 6, turned a quarter to the left.
const EXIF: &[u8] = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";

#[test]
fn a_palette_is_looked_up() {
    let prepared = prepared(PALETTE_PNG).unwrap();
    assert_eq!(prepared.shown, Area { left: 2, top: 1, width: 2, height: 6 });
    assert_eq!(prepared.pixels[14 * SIDE + 14], 255);
    assert_eq!(prepared.pixels[14 * SIDE + 2], 0);
}

#[test]
fn a_jpeg_gives_nearly_the_same_image() {
    let prepared = prepared(&jpeg(grey(55, 255), 95)).unwrap();
    let Area { left, top, width, height } = prepared.shown;
    let off = left.abs_diff(30) + top.abs_diff(20) + width.abs_diff(35) + height.abs_diff(70);
    assert!(off <= 4, "{:?}", prepared.shown);
    assert!(distance(&prepared.pixels, &standing(200)) < 4.0);
}

#[test]
fn a_photograph_is_turned_as_its_camera_says() {
    let lying = rotate270(&grey(55, 255));
    let mut turned_png = Vec::new();
    let mut encoder = PngEncoder::new(&mut turned_png);
    image::ImageEncoder::set_exif_metadata(&mut encoder, EXIF.to_vec()).unwrap();
    lying.write_with_encoder(encoder).unwrap();
    let plain = jpeg(lying, 100);
    let length = (EXIF.len() + 8) as u16;
    let turned_jpeg = [&plain[..2], b"\xff\xe1", &length.to_be_bytes(), b"Exif\0\0", EXIF, &plain[2..]].concat();
    for file in [turned_png, turned_jpeg] {
        let prepared = prepared(&file).unwrap();
        assert_eq!((prepared.width, prepared.height), (100, 120));
        assert!(distance(&prepared.pixels, &standing(200)) < 1.0, "{:?}", prepared.shown);
    }
}

#[test]
fn a_photograph_with_a_film_behind_it_is_read() {
    let file = [jpeg(grey(55, 255), 95), b"....ftypmp42 and a film".to_vec()].concat();
    assert!(prepared(&file).is_ok());
}

#[test]
fn other_formats_are_named_with_what_to_do() {
    let cases: [(&[u8], &str); 10] = [
        (b"RIFF\x24\0\0\0WEBPVP8 ", "WebP"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x20ftypavif\0\0\0\0avif", "AVIF"),
        (b"GIF89a\x01\0\x01\0", "GIF"),
        (b"BM\x46\0\0\0\0\0\0\0", "BMP"),
        (b"II*\0\x08\0\0\0", "TIFF"),
        (b"MM\0*\0\0\0\x08", "TIFF"),
        (b"\xff\x0a\0\0", "JPEG XL"),
        (b"%PDF-1.7", "PDF"),
    ];
    for (bytes, name) in cases {
        let error = Photograph::decode(bytes).unwrap_err();
        let expected = format!("is a {name} file, which is not supported; convert it to PNG or JPEG");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn what_is_no_image_is_said_to_be_none() {
    assert!(matches!(Photograph::decode(b""), Err(PhotographFault::Empty)));
    let texts: [&[u8]; 5] = [b"[run]\nname = 1", b"BMW is a car", b"\x89", &[0; 100], b"\0\0\0\x18ftypmp42"];
    for bytes in texts {
        assert!(matches!(Photograph::decode(bytes), Err(PhotographFault::NotAnImage)), "{bytes:?}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let absent = dir.path().join("absent.png");
    let error = read_prepared(&absent, TARGET).unwrap_err();
    assert_eq!(error.to_string(), format!("the image {} cannot be read", absent.display()));
    let error = read_prepared(dir.path(), TARGET).unwrap_err();
    assert!(matches!(error.fault, PhotographFault::Directory), "{error}");
}

#[cfg(unix)]
#[test]
fn devices_are_read_no_further_than_a_photograph_goes() {
    let fault = |path: &str| read_prepared(Path::new(path), TARGET).unwrap_err().fault;
    assert!(matches!(fault("/dev/zero"), PhotographFault::FileTooLarge));
    assert!(matches!(fault("/dev/null"), PhotographFault::Empty));
}
