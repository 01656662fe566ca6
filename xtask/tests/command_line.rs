//! What the program says of itself: its name, its help, its completions and its manual pages.

mod program;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// What a successful command prints.
#[track_caller]
fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

/// The program as it is installed: cargo names no package to it.
fn installed(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = program::xtask(directory, arguments);
    command.env_remove("CARGO_PKG_NAME");
    command
}

/// The commands that `--help` lists.
fn commands(directory: &Path) -> BTreeSet<String> {
    let help = printed(&mut installed(directory, &["--help"]));
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = listed.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn the_usage_shows_the_name_that_the_program_was_called_by() {
    let folder = tempfile::tempdir().unwrap();
    let help = printed(&mut installed(folder.path(), &["evaluate", "--help"]));
    assert!(help.contains("Usage: tinylsa evaluate") || help.contains("Usage: tinylsa.exe evaluate"), "{help}");
    let by_alias = printed(installed(folder.path(), &["evaluate", "--help"]).env("CARGO_PKG_NAME", "xtask"));
    assert!(by_alias.contains("Usage: cargo xtask evaluate"), "{by_alias}");
    let of_other = printed(installed(folder.path(), &["evaluate", "--help"]).env("CARGO_PKG_NAME", "another"));
    assert_eq!(of_other, help);
    let version = printed(&mut installed(folder.path(), &["--version"]));
    assert_eq!(version.trim(), format!("tinylsa {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_completions_of_every_shell_know_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let commands = commands(folder.path());
    assert!(commands.contains("experiment") && commands.contains("completions"), "{commands:?}");
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = printed(&mut installed(folder.path(), &["completions", shell]));
        assert!(script.contains("tinylsa") && !script.contains("xtask"), "{shell}");
        for command in &commands {
            assert!(script.contains(command.as_str()), "{shell} does not know {command}");
        }
    }
    let unknown = installed(folder.path(), &["completions", "cmd"]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(2));
}

#[test]
#[cfg(unix)]
#[expect(clippy::print_stderr, reason = "what is left out is worth knowing")]
fn bash_completes_commands_and_options() {
    let folder = tempfile::tempdir().unwrap();
    let script = printed(&mut installed(folder.path(), &["completions", "bash"]));
    std::fs::write(folder.path().join("tinylsa.bash"), script).unwrap();
    let completed = |words: &str| -> Option<BTreeSet<String>> {
        let ask = format!(
            "source tinylsa.bash; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _tinylsa tinylsa \"${{COMP_WORDS[COMP_CWORD]}}\" \"\"; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let output = Command::new("bash").args(["-c", &ask]).current_dir(folder.path()).output().ok()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
    };
    let Some(found) = completed("tinylsa exp") else {
        eprintln!("there is no bash here: the completions were not tried in it");
        return;
    };
    assert!(found.contains("experiment") && found.contains("export") && !found.contains("sweep"), "{found:?}");
    let found = completed("tinylsa experiment --re").unwrap();
    assert_eq!(found, BTreeSet::from(["--resume".to_owned()]));
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let page = printed(&mut installed(folder.path(), &["man"]));
    assert!(page.contains(".TH tinylsa 1"), "{page}");
    let commands = commands(folder.path());
    let written = printed(&mut installed(folder.path(), &["man", "--out", "pages"]));
    assert_eq!(written.trim(), "the manual pages are in pages");
    let pages = folder.path().join("pages");
    assert_eq!(std::fs::read_to_string(pages.join("tinylsa.1")).unwrap().trim_end(), page.trim_end());
    for command in &commands {
        assert!(page.contains(&command.replace('-', "\\-")), "tinylsa(1) does not name {command}");
        let path = pages.join(format!("tinylsa-{command}.1"));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(".SH SYNOPSIS"), "{command}");
    }
}

#[test]
fn a_misspelt_instruction_set_is_refused_whatever_the_command() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["man"][..], &["evaluate", "--json"], &["data", "show"]] {
        let output = installed(folder.path(), arguments).env("TINYLSA_SIMD", "axv2").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("TINYLSA_SIMD is \"axv2\", expected one of portable"), "{said}");
        assert!(output.stdout.is_empty());
    }
}
