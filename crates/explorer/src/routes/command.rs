//! The command line that gives the same explanations.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use serde::Serialize;
use tinylsa_explain::{ALL_METHODS, MethodId};
use tinylsa_settings::printable_path;

use super::maps_argument::MapsArgument;
use crate::app::App;
use crate::body;
use crate::explaining::require_target;
use crate::gallery::Images;
use crate::refusal::Refusal;

#[derive(Serialize)]
pub(super) struct CommandAnswer {
    command: String,
    /// The name under which the image is to be saved first; null for an image of the gallery.
    file: Option<String>,
    note: Option<String>,
}

pub(super) async fn command(State(app): State<Arc<App>>, request: Request) -> Result<Json<CommandAnswer>, Refusal> {
    let argument: MapsArgument = body::json(request, app.limits.json_bytes).await?;
    let MapsArgument { image, target, against, methods, settings, seed } = argument;
    require_target(&app, target, against)?;
    let methods = MethodId::chosen(&methods)?;
    let overrides = settings.overrides(&app)?;
    let fitted = settings.fitted(&app, methods.clone(), seed)?;
    let subject = image.subject(&app)?;
    let mut words = vec!["cargo xtask explain".to_owned()];
    let file = subject.index.is_none().then(|| format!("{}.png", subject.image.id));
    if let Some(index) = subject.index {
        words.push(format!("--index {index}"));
        words.extend(app.source_options.iter().map(|word| quoted(word)));
    }
    words.extend(file.as_deref().map(quoted));
    words.extend(app.file.as_ref().map(|file| format!("--model {}", quoted(&file.to_string_lossy()))));
    let names: Vec<&str> = methods.iter().map(|method| method.name()).collect();
    let names = if names.len() == MethodId::all().len() { ALL_METHODS.to_owned() } else { names.join(",") };
    words.push(format!("--method {names}"));
    words.extend(target.map(|class| format!("--target {class}")));
    words.extend(against.map(|class| format!("--against {class}")));
    // a seed that nothing is drawn by is refused by the command
    let draws = methods.iter().any(|method| method.facts().draws);
    words.extend(
        draws.then(|| seed.filter(|&seed| seed != app.settings.seed)).flatten().map(|seed| format!("--seed {seed}")),
    );
    words.extend(overrides.iter().map(|change| format!("--set {}", quoted(change))));
    words.push("--out explanations".to_owned());
    let has_background = match app.gallery.images() {
        Images::Ready(_) => true,
        Images::Loading | Images::Without(_) => false,
    };
    let note = file.as_ref().map(|file| {
        let folder =
            app.file.as_ref().map_or_else(String::new, |file| format!(" of the model {}", printable_path(file)));
        let background = if has_background { "" } else { ", with a background of noise as here" };
        format!("save the image as {file} first; seed {}{folder}{background}", fitted.seed)
    });
    Ok(Json(CommandAnswer { command: words.join(" "), file, note }))
}

/// A word of a shell.
fn quoted(text: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=,:".contains(letter);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(quoted("explain.lime.samples=500"), "explain.lime.samples=500");
        assert_eq!(quoted("explain.fill.kind=\"black\""), "'explain.fill.kind=\"black\"'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted(""), "''");
    }
}
