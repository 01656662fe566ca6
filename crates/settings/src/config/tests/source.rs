//! The text of a config: valid, broken, in other forms, or not there.

use std::fs;

use super::super::error::Place;

use super::*;

#[test]
fn a_valid_config_resolves_to_every_key_and_back() {
    let resolved = to_toml(&load_text(TEXT, &[]).unwrap()).unwrap();
    let expected = r#"[run]
name = "base"
strict = false

[train]
epochs = 10
learning_rate = 0.01
optimizer = "adamw"

[train.crop]
padding = 2
probability = 0.5

[[model.stages]]
channels = 16
kernel = 5

[[model.stages]]
channels = 32
kernel = 3

[data]
ratios = [
    0.8,
    0.2,
]
"#;
    assert_eq!(resolved, expected);
    assert_eq!(to_toml(&load_text(&resolved, &[]).unwrap()).unwrap(), resolved);
}

#[test]
fn broken_syntax_is_shown_where_it_breaks() {
    check(
        &Input { old: "epochs = 10", new: "epochs 10", ..UNCHANGED },
        r"
base.toml:7:8: not valid TOML: key with no value, expected `=`
  |
7 | epochs 10
  |        ^",
    );
    check(
        &Input { old: "ratios = [0.8, 0.2]\n", new: "ratios = [0.8,", ..UNCHANGED },
        r"
base.toml:20:15: not valid TOML: unclosed array, expected `]`
   |
20 | ratios = [0.8,
   |               ^",
    );
}

#[test]
fn a_duplicate_key_is_shown_by_its_full_path() {
    check(
        &Input { old: "epochs = 10", new: "epochs = 10\nepochs = 20", ..UNCHANGED },
        r"
base.toml:8:1: duplicate key `train.epochs`
  |
8 | epochs = 20
  | ^^^^^^",
    );
    let first_line = |old, new| {
        let text = Input { old, new, ..UNCHANGED }.text();
        load_text(&text, &[]).unwrap_err().to_string().lines().next().unwrap().to_owned()
    };
    assert_eq!(first_line("[data]", "[train]"), "base.toml:19:2: duplicate key `train`");
    assert_eq!(
        first_line("padding = 2,", "padding = 2, padding = 3,"),
        "base.toml:10:23: duplicate key `train.crop.padding`"
    );
    assert_eq!(first_line("kernel = 3", "x.y = 1\nx.y = 2"), "base.toml:18:3: duplicate key `model.stages.1.x.y`");
    assert_eq!(first_line("[run]", "[run] # ]\nname = 1"), "base.toml:4:1: duplicate key `run.name`");
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_move_no_place() {
    let text = format!("\u{feff}{}", Input { old: "epochs", new: "epoch", ..UNCHANGED }.text().replace('\n', "\r\n"));
    let error = load_text(&text, &[]).unwrap_err().to_string();
    let expected =
        "base.toml:7:1: unknown key `train.epoch`, did you mean `train.epochs`?\n  |\n7 | epoch = 10\n  | ^^^^^\n";
    assert!(error.starts_with(expected), "{error}");
    assert!(load_text(&TEXT.replace('\n', "\r\n"), &[]).is_ok());
    let error = load_text("\u{feff}nme = 1", &[]).unwrap_err().to_string();
    assert!(error.starts_with("base.toml:1:1: unknown key `nme`"), "{error}");
}

#[test]
fn every_damage_ends_in_an_error_with_a_place_or_in_a_config() {
    for (offset, _) in TEXT.char_indices() {
        for damage in ["ü", "[", "]", "{", "\"", "'", "=", ".", ",", "#", "\n", "\r", "\t", "\0", "\u{2028}"] {
            let text = format!("{}{damage}{}", &TEXT[..offset], &TEXT[offset..]);
            let Err(error) = load_text(&text, &[]) else { continue };
            let ConfigError::Invalid { place, .. } = error else { panic!("{error}") };
            let Place::File { line, column, excerpt, .. } = *place else { panic!("{place}") };
            assert_eq!(
                text.split('\n').nth(line - 1).unwrap().trim_end_matches('\r'),
                excerpt.line.trim_end_matches('\r')
            );
            assert!((1..=excerpt.line.chars().count() + 2).contains(&column), "column {column} of {}", excerpt.line);
        }
    }
}

#[test]
fn columns_count_characters() {
    check(
        &Input { old: "crop = { padding = 2", new: "crop = { \"größe\" = 2", ..UNCHANGED },
        r#"
base.toml:10:10: unknown key `train.crop."größe"`
   |
10 | crop = { "größe" = 2, probability = 0.5 }
   |          ^^^^^^^
   = valid keys: `padding`, `probability`"#,
    );
    let text = Input { old: "2, probability", new: "\"ü\", probability", ..UNCHANGED }.text();
    let error = load_text(&text, &[]).unwrap_err().to_string();
    assert!(error.starts_with("base.toml:10:20: `train.crop.padding` is \"ü\", expected"), "{error}");
}

#[test]
fn an_empty_config_misses_its_first_key() {
    let error = load_text("", &[]).unwrap_err().to_string();
    assert_eq!(error, "base.toml:1:1: missing key `run`\n  |\n1 | \n  | ^");
}

#[test]
fn a_file_is_read_by_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("base.toml");
    fs::write(&path, TEXT).unwrap();
    let config: Config = load(&ConfigSource::read(&path).unwrap(), &[], validate).unwrap();
    assert_eq!(config.run.name, "base");
}

#[test]
fn a_file_that_is_not_utf8_is_shown_at_the_bad_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("base.toml");
    fs::write(&path, b"[run]\nname = \"caf\xe9\"\n").unwrap();
    let error = ConfigSource::read(&path).unwrap_err();
    let name = path.display();
    assert_eq!(
        error.to_string(),
        format!("{name}:2:12: not UTF-8 text\n  |\n2 | name = \"caf\u{fffd}\"\n  |            ^")
    );
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("absent.toml");
    let error = ConfigSource::read(&path).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot read the config {}", path.display()));
    let ConfigError::Unreadable { source, .. } = error else { panic!("{error}") };
    assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
}

#[cfg(unix)]
#[test]
fn a_config_without_an_end_is_refused() {
    let error = ConfigSource::read(Path::new("/dev/zero")).unwrap_err();
    let ConfigError::Unreadable { source, .. } = error else { panic!("{error}") };
    assert_eq!(source.kind(), std::io::ErrorKind::FileTooLarge);
}
