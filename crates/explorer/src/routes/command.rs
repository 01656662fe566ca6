//! The command line that gives the same explanations.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use serde::Serialize;
use tinylsa_data::encode_png;
use tinylsa_data::photograph::Photograph;
use tinylsa_experiment::image_file::seen_as;
use tinylsa_explain::{ALL_METHODS, MethodId, SharedSetting};
use tinylsa_model::ModelConfig;
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
    words.extend(subject.index.map(|index| format!("--index {index}")));
    words.extend(file.as_deref().map(quoted));
    // the background of a drawing is of these images, too
    if subject.index.is_some() || fitted.read_by_methods(SharedSetting::Background) {
        words.extend(app.source_options.iter().map(|word| quoted(word)));
    }
    words.extend(app.file.as_ref().map(|file| format!("--model {}", quoted(&file.to_string_lossy()))));
    let names: Vec<&str> = methods.iter().map(|method| method.name()).collect();
    let names = if names.len() == MethodId::all().len() { ALL_METHODS.to_owned() } else { names.join(",") };
    words.push(format!("--method {names}"));
    words.extend(target.map(|class| format!("--target {class}")));
    words.extend(against.map(|class| format!("--against {class}")));
    // as an option a seed that nothing is drawn by is refused, but the files name it all the same
    let option = if fitted.draws() { "--seed " } else { "--set run.seed=" };
    words.extend(seed.filter(|&seed| seed != app.settings.seed).map(|seed| format!("{option}{seed}")));
    words.extend(overrides.iter().map(|change| format!("--set {}", quoted(change))));
    words.push("--out explanations".to_owned());
    let has_background = match app.gallery.images() {
        Images::Ready(_) => true,
        Images::Loading | Images::Without(_) => false,
    };
    let note = file.as_ref().map(|file| {
        if !is_seen_as_saved(&app, &subject.pixels) {
            return format!("the command gives other maps, since `explain` makes the ground of {file} black");
        }
        let folder =
            app.file.as_ref().map_or_else(String::new, |file| format!(" of the model {}", printable_path(file)));
        let background = if has_background { "" } else { ", with a background of noise as here" };
        format!("seed {}{folder}{background}", fitted.seed)
    });
    Ok(Json(CommandAnswer { command: words.join(" "), file, note }))
}

/// Whether `explain` sees these pixels in the file that is saved of them.
fn is_seen_as_saved(app: &App, pixels: &[u8]) -> bool {
    let png = encode_png(app.metadata.config.input(), pixels).ok();
    let photograph = png.and_then(|png| Photograph::decode(&png).ok());
    let seen = photograph.and_then(|photograph| seen_as(&photograph, &app.metadata, None).ok());
    seen.is_some_and(|seen| seen.pixels == pixels)
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
