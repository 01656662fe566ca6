//! Files of records as TensorFlow writes them: the length, its checksum, the bytes, and theirs.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::Path;

use prost::Message;

use super::proto::Event;

/// Makes the file hold these events and nothing else.
///
/// What it holds already stays, with the time at which it was written, so that the file of a run under way only grows: a
/// reader that follows it is never led back. The first event that is another one, or that a killed process left half
/// written, is cut off with everything behind it.
pub(super) fn hold(path: &Path, events: &[Event]) -> io::Result<()> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        read => read?,
    };
    let found = Found::of(&bytes);
    let same = found.iter().zip(events).take_while(|(found, event)| found.event == timeless(event)).count();
    let end = same.checked_sub(1).map_or(0, |last| found[last].end);
    let mut missing = Vec::new();
    for event in &events[same..] {
        // The same event in another place, such as after a config with another name of the run.
        let earlier = found.iter().find(|found| found.event == timeless(event));
        let wall_time = earlier.map_or(event.wall_time, |found| found.wall_time);
        missing.extend(framed(&Event { wall_time, ..event.clone() }.encode_to_vec()));
    }
    if end == bytes.len() && missing.is_empty() {
        return Ok(());
    }
    let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    file.set_len(end as u64)?;
    file.seek(SeekFrom::Start(end as u64))?;
    file.write_all(&missing)?;
    file.sync_data()
}

/// An event in a file.
struct Found {
    /// Without its time.
    event: Event,
    wall_time: f64,
    /// Where the next one begins.
    end: usize,
}

impl Found {
    /// The events of a file up to the first damaged one.
    fn of(file: &[u8]) -> Vec<Self> {
        let (mut found, mut rest) = (Vec::new(), file);
        while let Some((bytes, behind)) = first_record(rest) {
            let Ok(event) = Event::decode(bytes) else { break };
            rest = behind;
            found.push(Self { wall_time: event.wall_time, event: timeless(&event), end: file.len() - rest.len() });
        }
        found
    }
}

fn timeless(event: &Event) -> Event {
    Event { wall_time: 0.0, ..event.clone() }
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_le_bytes();
    [&length[..], &masked_checksum(&length), bytes, &masked_checksum(bytes)].concat()
}

/// The bytes of the first record, and what is behind it; none if it is not whole.
fn first_record(file: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = file.split_first_chunk::<8>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    if *checksum != masked_checksum(length) {
        return None;
    }
    let (bytes, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    (*checksum == masked_checksum(bytes)).then_some((bytes, rest))
}

/// CRC-32C, turned and shifted so that the checksum of bytes that hold checksums is no trivial one.
fn masked_checksum(bytes: &[u8]) -> [u8; 4] {
    let checksum = crc32c::crc32c(bytes);
    checksum.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::proto::What;
    use super::*;

    /// The events of a file, which must be whole.
    pub(in super::super) fn events(path: &Path) -> Vec<Event> {
        let bytes = fs::read(path).unwrap();
        let found = Found::of(&bytes);
        assert_eq!(found.last().map_or(0, |last| last.end), bytes.len(), "{} has a damaged end", path.display());
        found.into_iter().map(|found| Event { wall_time: found.wall_time, ..found.event }).collect()
    }

    fn event(step: i64, wall_time: f64) -> Event {
        Event { wall_time, step, what: Some(What::FileVersion(format!("event {step}"))) }
    }

    #[test]
    fn a_file_begins_as_tensorflow_begins_one() {
        let first = Event { wall_time: 0.0, step: 0, what: Some(What::FileVersion("brain.Event:2".to_owned())) };
        let file = framed(&first.encode_to_vec());
        // What `EventFileWriter` of TensorFlow writes at second 0.
        assert_eq!(file[..8], [15, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(file[12..27], *b"\x1a\x0dbrain.Event:2");
        assert_eq!(file.len(), 8 + 4 + 15 + 4);
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283, "the check value of CRC-32C");
        assert_eq!(masked_checksum(b"123456789"), 0xc78a_b0e5_u32.to_le_bytes());
    }

    #[test]
    fn a_file_keeps_what_it_says_already_and_its_times() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        hold(&path, &[event(0, 10.0), event(1, 11.0)]).unwrap();
        let before = fs::read(&path).unwrap();
        hold(&path, &[event(0, 20.0), event(1, 20.0), event(2, 21.0)]).unwrap();
        assert!(fs::read(&path).unwrap().starts_with(&before));
        assert_eq!(events(&path), [event(0, 10.0), event(1, 11.0), event(2, 21.0)]);
        // Another beginning, behind which the rest has its times.
        hold(&path, &[event(7, 30.0), event(1, 30.0), event(2, 30.0)]).unwrap();
        assert_eq!(events(&path), [event(7, 30.0), event(1, 11.0), event(2, 21.0)]);
        hold(&path, &[event(7, 40.0)]).unwrap();
        assert_eq!(events(&path), [event(7, 30.0)]);
    }

    #[test]
    fn a_damaged_end_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        let wanted = [event(0, 10.0), event(1, 11.0)];
        hold(&path, &wanted).unwrap();
        let whole = fs::read(&path).unwrap();
        let half = whole.len() / 2;
        for length in (half..whole.len()).chain([0, 1, 11]) {
            fs::write(&path, &whole[..length]).unwrap();
            hold(&path, &wanted).unwrap();
            assert_eq!(fs::read(&path).unwrap(), whole, "{length}");
        }
        for place in [0, 9, 13, half, half + 9, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x40;
            fs::write(&path, &damaged).unwrap();
            hold(&path, &wanted).unwrap();
            assert_eq!(fs::read(&path).unwrap(), whole, "{place}");
        }
    }
}
