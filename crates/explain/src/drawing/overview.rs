//! All methods side by side: of one image in large, of several images in small.

use crate::error::{Context, Result};
use tinylsa_report::{
    AttentionScale, ByteImage, MapMatrix, MatrixRow, MatrixScale, Panel, RgbImage, SharedScale, Sheet, ValueMap,
    encode_png,
};
use tinylsa_xai::TokenGrid;

use super::attention::farthest_query;
use super::pixel_scales::PixelScales;
use super::pixels;
use super::shown::{grey, grid, multiples, with_query};
use super::subject::Subject;
use super::words::{self, ATTENTION_UNIT, GRADIENT_ROLLOUT_UNIT, HEAD_UNIT, MULTIPLE_UNIT, is_same_for_every_class};
use crate::explanation::MethodExplanation;
use crate::explanation::{ImageExplanation, Source, describe_images};
use crate::maps::{AttentionMaps, AttentionView, Maps};
use crate::registry::MethodId;

/// Which maps of an overview have a scale in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scaling {
    /// None: every map shows its structure.
    #[default]
    EachMap,
    /// Those of one method, so that explanations compare: the classes of one image.
    EachMethod,
}

/// How many images stand side by side.
const MOST_IMAGES: usize = 10;
/// By which rule one of a method's many maps stands for all of them.
const WHICH_IS_SHOWN: &str = "multi-head attention shows the head whose rows differ most from one another, and of it the \
     query that differs most from the mean; fixed queries the one of the largest attribution, in the last layer";
/// Three times the image.
const SMALL_WIDTH: usize = 84;

/// The map over tokens that stands for a method beside the others.
struct TokenMap {
    /// Which of the method's maps it is.
    which: String,
    map: ValueMap,
    query: Option<usize>,
    grid: TokenGrid,
    kind: Kind,
}

/// What the values of a map over tokens are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Shares of attention, heads fused.
    Fused,
    /// Shares of the attention of one head, which is sharper.
    SingleHead,
    /// Multiples of an even share, less 1: rollout and flow are so even that nothing is seen of them from 0 on.
    Multiples,
    /// Gradient-weighted rollout, which sums to nothing.
    GradientWeighted,
}

impl Kind {
    fn unit(self) -> &'static str {
        match self {
            Self::Fused => ATTENTION_UNIT,
            Self::SingleHead => HEAD_UNIT,
            Self::Multiples => MULTIPLE_UNIT,
            Self::GradientWeighted => GRADIENT_ROLLOUT_UNIT,
        }
    }
}

/// The map over tokens of a method, none for the methods of pixels.
fn token_map(method: &MethodExplanation) -> Result<Option<TokenMap>> {
    let pooled = |map: ValueMap, grid: TokenGrid, kind: Kind| {
        Some(TokenMap { which: "pooled".to_owned(), map, query: None, grid, kind })
    };
    match &method.maps {
        Maps::Pixels(_) => Ok(None),
        Maps::Attention(maps) => attention_map(maps).map(Some),
        Maps::Rollout(maps) if maps.gradient_weighted => {
            Ok(pooled(grid(&maps.pooled, maps.grid)?, maps.grid, Kind::GradientWeighted))
        }
        Maps::Rollout(maps) => Ok(pooled(multiples(&maps.pooled, maps.grid)?, maps.grid, Kind::Multiples)),
        Maps::Flow(map) => Ok(pooled(multiples(&map.pooled, map.grid)?, map.grid, Kind::Multiples)),
        Maps::FixedQueries(maps) => {
            let (queries, layer) = (maps.layers.last().context("there is no layer")?, maps.layers.len() - 1);
            let place = maps.queries.iter().position(|query| query.reason.contains("attribution")).unwrap_or(0);
            let marked = maps.queries.get(place).context("there is no query")?;
            let map = grid(&queries.get(place).context("there is no map of the query")?.fused, maps.grid)?;
            let which = format!("layer {layer}, {}", marked.reason);
            let (query, grid) = (Some(marked.token), maps.grid);
            Ok(Some(TokenMap { which, map, query, grid, kind: Kind::Fused }))
        }
    }
}

/// The last layer's mean row with heads fused; for single heads the row that differs most from the mean.
fn attention_map(maps: &AttentionMaps) -> Result<TokenMap> {
    if maps.view == AttentionView::Fused {
        let last = maps.layers.last().context("there is no layer")?;
        let which = format!("layer {}, mean over all queries", maps.layers.len() - 1);
        let map = grid(&last.fused.matrix.mean_row(), maps.grid)?;
        return Ok(TokenMap { which, map, query: None, grid: maps.grid, kind: Kind::Fused });
    }
    let heads = maps
        .layers
        .iter()
        .enumerate()
        .flat_map(|(layer, all)| all.heads.iter().enumerate().map(move |(head, matrix)| (layer, head, matrix)));
    let (layer, head, matrix) = heads
        .max_by(|a, b| a.2.statistics.largest_query_dependence.total_cmp(&b.2.statistics.largest_query_dependence))
        .context("there is no head")?;
    let query = farthest_query(matrix);
    let which = format!("layer {}, head {}, {}", layer, head, maps.grid.place_of(query));
    let map = grid(matrix.matrix.row(query)?, maps.grid)?;
    Ok(TokenMap { which, map, query: Some(query), grid: maps.grid, kind: Kind::SingleHead })
}

/// The scale of a map over tokens.
enum TokenScale {
    /// From 0 on.
    Weights(AttentionScale),
    /// To both sides of 0.
    Signed(SharedScale),
}

/// One scale for each method of tokens, over all images that are shown together.
struct TokenScales {
    scales: Vec<(MethodId, TokenScale)>,
}

impl TokenScales {
    fn of<'a>(maps: impl IntoIterator<Item = (MethodId, &'a TokenMap)>) -> Result<Self> {
        let maps: Vec<(MethodId, &TokenMap)> = maps.into_iter().collect();
        let mut scales: Vec<(MethodId, TokenScale)> = Vec::new();
        for &(method, TokenMap { kind, .. }) in &maps {
            if scales.iter().any(|(known, _)| *known == method) {
                continue;
            }
            let alike = maps.iter().filter(|(other, _)| *other == method).map(|(_, map)| &map.map);
            let scale = match kind {
                Kind::Fused | Kind::SingleHead | Kind::GradientWeighted => {
                    TokenScale::Weights(AttentionScale::from_zero(alike)?.with_unit(kind.unit()))
                }
                Kind::Multiples => TokenScale::Signed(SharedScale::largest(alike)?.with_unit(kind.unit())),
            };
            scales.push((method, scale));
        }
        Ok(Self { scales })
    }

    fn panel(&self, title: String, method: MethodId, image: &ByteImage, tokens: &TokenMap) -> Result<Panel> {
        let found = self.scales.iter().find(|(known, _)| *known == method);
        let (_, scale) = found.with_context(|| format!("there is no scale for {method}"))?;
        let panel = match scale {
            TokenScale::Weights(scale) => Panel::attention(title, image, &tokens.map, scale),
            TokenScale::Signed(scale) => Panel::deviation(title, image, &tokens.map, scale),
        };
        Ok(match tokens.query {
            Some(query) => with_query(panel, query, tokens.grid),
            None => panel,
        })
    }
}

/// All methods of one image.
pub(super) fn sheet(subject: &Subject<'_>) -> Result<RgbImage> {
    let explanation = subject.explanation;
    let tokens = explanation.methods.iter().map(token_map).collect::<Result<Vec<_>>>()?;
    let of_methods = explanation.methods.iter().zip(&tokens);
    let scales = TokenScales::of(of_methods.filter_map(|(found, tokens)| Some((found.method, tokens.as_ref()?))))?;
    let mut panels = vec![subject.panel()];
    for (method, tokens) in explanation.methods.iter().zip(&tokens) {
        let title = method.method.title().to_owned();
        panels.push(match (&method.maps, tokens) {
            (Maps::Pixels(pixels), _) => pixels::panel(title, method.method, pixels, &subject.scales)?,
            (_, Some(tokens)) => scales.panel(title, method.method, &subject.grey, tokens)?.note(tokens.which.clone()),
            (_, None) => continue,
        });
    }
    let mut notes = vec![
        format!("red speaks for {}, blue against it", explanation.target_name()),
        "each map has a scale of its own".to_owned(),
    ];
    let facts = &explanation.attention;
    if explanation.methods.iter().any(|method| is_same_for_every_class(&method.maps, facts)) {
        let read = if facts.reads_by_class { ", but rollout and flow, which each class reads by itself" } else { "" };
        notes.push(format!("maps of attention alone are the same for every class{read}"));
        notes.push(WHICH_IS_SHOWN.to_owned());
    }
    if tokens.iter().any(Option::is_some) {
        notes.extend(words::about_tokens(facts));
    }
    let sheet = Sheet {
        title: format!("Every method: {}", explanation.target_name()),
        subtitle: subject.subtitle(),
        columns: 4,
        panels,
        notes,
    };
    Ok(sheet.draw()?)
}

/// Which of `count` images stand side by side: of more than ten images ten that are spread evenly.
pub fn shown_beside(count: usize) -> Vec<usize> {
    let shown = count.min(MOST_IMAGES);
    (0..shown).map(|place| place * count / shown).collect()
}

/// All methods of the images that [`shown_beside`] names, a row for each method and a column for each image.
///
/// # Errors
/// If there is no image, or a map does not fit.
pub fn side_by_side(explanations: &[ImageExplanation], scaling: Scaling) -> Result<Vec<u8>> {
    let columns = explanations.iter().map(heading).collect();
    in_columns("Methods side by side", &explanations.iter().collect::<Vec<_>>(), columns, scaling)
}

/// The same image explained by several models, a row for each method and a column for each model, by its name. Each map has a
/// scale of its own.
///
/// # Errors
/// If there is no model, or a map does not fit.
pub fn models_side_by_side(explanations: &[(String, ImageExplanation)]) -> Result<Vec<u8>> {
    let columns = explanations.iter().map(|(name, explanation)| format!("{name}: {}", heading(explanation))).collect();
    let shown: Vec<&ImageExplanation> = explanations.iter().map(|(_, explanation)| explanation).collect();
    in_columns("One image, several networks", &shown, columns, Scaling::EachMap)
}

fn in_columns(title: &str, shown: &[&ImageExplanation], columns: Vec<String>, scaling: Scaling) -> Result<Vec<u8>> {
    let mut methods: Vec<MethodId> = shown.iter().flat_map(|e| e.methods.iter().map(|method| method.method)).collect();
    methods.sort_unstable();
    methods.dedup();
    let pixel_scales = PixelScales::of(shown.iter().copied())?;
    let greys = shown.iter().map(|explanation| grey(explanation)).collect::<Result<Vec<_>>>()?;
    let mut tokens = Vec::new();
    for explanation in shown {
        tokens.push(explanation.methods.iter().map(token_map).collect::<Result<Vec<_>>>()?);
    }
    let of_methods = shown.iter().zip(&tokens).flat_map(|(explanation, maps)| explanation.methods.iter().zip(maps));
    let token_scales =
        TokenScales::of(of_methods.filter_map(|(found, tokens)| Some((found.method, tokens.as_ref()?))))?;

    let mut rows = vec![MatrixRow {
        heading: "image".to_owned(),
        panels: greys.iter().map(|grey| Some(Panel::image("", grey))).collect(),
    }];
    for method in methods {
        let mut panels = Vec::new();
        let mut unit = ATTENTION_UNIT.to_owned();
        for ((explanation, grey), maps) in shown.iter().zip(&greys).zip(&tokens) {
            let Some(place) = explanation.methods.iter().position(|found| found.method == method) else {
                panels.push(None);
                continue;
            };
            let found = &explanation.methods[place];
            panels.push(match (&found.maps, &maps[place]) {
                (Maps::Pixels(pixels), _) => {
                    pixels.quantity.unit().clone_into(&mut unit);
                    Some(pixels::panel("", method, pixels, &pixel_scales)?)
                }
                (_, Some(tokens)) => {
                    let same = if is_same_for_every_class(&found.maps, &explanation.attention) {
                        ", the same for every class"
                    } else {
                        ""
                    };
                    unit = format!("{}{same}", tokens.kind.unit());
                    Some(token_scales.panel(String::new(), method, grey, tokens)?)
                }
                (_, None) => None,
            });
        }
        rows.push(MatrixRow { heading: format!("{} ({unit})", method.title()), panels });
    }
    let matrix = MapMatrix {
        title: title.to_owned(),
        subtitle: sources(shown),
        image: None,
        panel_width: SMALL_WIDTH,
        columns,
        rows,
        scale: match scaling {
            Scaling::EachMap => MatrixScale::EachPanel,
            Scaling::EachMethod => MatrixScale::AsGiven,
        },
        notes: vec![
            "headings: explained class, its probability, true class if another".to_owned(),
            "red speaks for the explained class, blue against it".to_owned(),
            words::RECEPTIVE_FIELD.to_owned(),
        ],
    };
    Ok(encode_png(&matrix.draw()?)?)
}

fn heading(explanation: &ImageExplanation) -> String {
    let probability = explanation.shown_probability(explanation.target.class);
    let mut heading = format!("{} {probability:.2}", explanation.target_name());
    if let Some(label) = explanation.label.filter(|&label| label != explanation.target.class) {
        heading = format!("{heading}, true {}", explanation.class_name(label));
    }
    heading
}

/// Where the images are from: each source once, with the numbers of its images.
fn sources(explanations: &[&ImageExplanation]) -> String {
    let all: Vec<&Source> = explanations.iter().map(|explanation| &explanation.source).collect();
    let mut places: Vec<&str> = all.iter().map(|source| source.from.as_str()).collect();
    places.sort_unstable();
    places.dedup();
    let in_words = |place: &str| {
        let here = all.iter().filter(|source| source.from == place);
        let mut numbers: Vec<u32> = here.filter_map(|source| source.number).collect();
        numbers.dedup();
        describe_images(place, &numbers)
    };
    places.into_iter().map(in_words).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::super::example::explanation;
    use super::*;

    #[test]
    fn ten_of_many_images_stand_side_by_side() {
        assert_eq!(shown_beside(3), [0, 1, 2]);
        assert_eq!(shown_beside(25), [0, 2, 5, 7, 10, 12, 15, 17, 20, 22]);
        assert!(shown_beside(0).is_empty());
    }

    #[test]
    fn a_source_is_named_once_with_all_its_images() {
        let from = |from: &str, number| {
            let source = Source { from: from.to_owned(), number };
            ImageExplanation { source, ..explanation() }
        };
        let shown = [from("Fashion-MNIST, test split", Some(3467)), from("shirt.png", None)];
        let more = from("Fashion-MNIST, test split", Some(17));
        assert_eq!(sources(&[&shown[0]]), "Fashion-MNIST, test split, image 3467");
        assert_eq!(sources(&[&shown[0], &shown[1], &more]), "Fashion-MNIST, test split, images 3467, 17; shirt.png");
    }
}
