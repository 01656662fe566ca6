//! Coloured shapes on a noisy ground, as PNG files in a folder a class.

use std::{error::Error, fs, path::Path};

use rand::RngExt;
use tinylsa_random::{Draw, Purpose};
use tinylsa_report::{ByteImage, encode_png};

const SIDE: i32 = 32;

/// A class is a colour and a shape: whether a pixel that lies so far below and beside the centre belongs to it.
type Class = (&'static str, [u8; 3], fn(i32, i32) -> bool);

const CLASSES: [Class; 7] = [
    ("red disc", [220, 40, 40], |y, x| y * y + x * x < 50),
    ("red square", [220, 40, 40], |y, x| y.abs().max(x.abs()) < 6),
    ("green ring", [40, 200, 60], |y, x| (25..64).contains(&(y * y + x * x))),
    ("green cross", [40, 200, 60], |y, x| y.abs().min(x.abs()) < 2 && y.abs().max(x.abs()) < 8),
    ("blue bar", [50, 80, 230], |y, x| y.abs() < 3 && x.abs() < 9),
    ("blue pillar", [50, 80, 230], |y, x| y.abs() < 9 && x.abs() < 3),
    ("yellow diamond", [230, 210, 50], |y, x| y.abs() + x.abs() < 9),
];

/// Draws `train/<class>/*.png` and `test/<class>/*.png`.
pub fn draw(folder: &Path, seed: u64) -> Result<(), Box<dyn Error>> {
    for (split, count) in [("train", 60), ("test", 20)] {
        for (name, colour, inside) in CLASSES {
            let folder = folder.join(split).join(name);
            fs::create_dir_all(&folder)?;
            for index in 0..count {
                let purpose = Purpose::new(&format!("{split} {name}"));
                let mut random = Draw { seed, purpose, epoch: 0, index }.generator();
                let [row, column] = [(); 2].map(|()| random.random_range(9..SIDE - 9));
                let mut values = Vec::new();
                for channel in colour {
                    for (y, x) in (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (y, x))) {
                        let level = if inside(y - row, x - column) { channel } else { 90 };
                        values.push(level.saturating_add(random.random_range(0..40)));
                    }
                }
                let image = ByteImage::from_bytes([3, SIDE as usize, SIDE as usize], &values)?;
                fs::write(folder.join(format!("{index}.png")), encode_png(&image.enlarged(1))?)?;
            }
        }
    }
    Ok(())
}
