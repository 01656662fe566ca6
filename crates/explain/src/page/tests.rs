//! Pages of a made-up explanation.

use tinylsa_xai::{Cancellation, MeanInterval, MethodScore, ScoreKind, overall_ranking, rank_methods};

use crate::drawing::{Scaling, draw, example::explanation, side_by_side};
use crate::registry::MethodId;
use crate::scores::{ControlDifference, ImageSample, MeanCurves, ScoreColumn, ScoreEntry, Verdict};

use super::*;

const METHODS: [&str; 4] = ["lime", "input-gradient", "random", "sobel"];
const CONTROLS: [&str; 3] = ["random", "sobel", "input-gradient"];

fn interval(mean: f64) -> MeanInterval {
    MeanInterval { mean, low: mean - 0.1, high: mean + 0.1, level: 0.95, count: 3 }
}

fn column(kind: ScoreKind, variant: &str, values: [Option<f64>; 4]) -> ScoreColumn {
    let scores = METHODS.into_iter().zip(values);
    let of_methods: Vec<MethodScore> =
        scores.clone().map(|(method, score)| MethodScore { method: method.to_owned(), score }).collect();
    let ranking = rank_methods(kind, &of_methods).unwrap();
    let random = values[2];
    let entry = |(name, value): (&str, Option<f64>)| {
        let against = value.zip(random).filter(|_| name != "random").map(|(own, other)| {
            let (control, difference) = ("random".to_owned(), interval(own - other));
            let verdict = if difference.excludes(0.0) { Verdict::Better } else { Verdict::Undecided };
            ControlDifference { control, difference, verdict }
        });
        ScoreEntry {
            method: name.to_owned(),
            mean: value.map(interval),
            rank: ranking.rank(name),
            undefined: 0,
            against: against.into_iter().collect(),
        }
    };
    ScoreColumn {
        kind,
        direction: kind.direction(),
        variant: variant.to_owned(),
        headline: true,
        images: 3,
        compared: 3,
        entries: scores.map(entry).collect(),
    }
}

fn scores() -> ScoreTable {
    let curve = |method: &str| MeanCurves {
        method: method.to_owned(),
        variant: "black, logits".to_owned(),
        deletion: vec![1.0, 0.5, 0.0],
        insertion: vec![0.0, 1.0, 1.0],
    };
    let scores = vec![
        column(ScoreKind::DeletionArea, "black, logits", [Some(0.2), Some(0.4), Some(0.6), Some(0.6)]),
        column(ScoreKind::MuFidelity, "black, logits", [Some(0.8), Some(0.3), Some(0.0), None]),
        column(ScoreKind::Sparseness, "", [Some(0.5), Some(0.4), Some(0.2), Some(0.3)]),
        column(ScoreKind::PointingGame, "", [None; 4]),
    ];
    let ranking = |column: &ScoreColumn| {
        let of_entry = |entry: &ScoreEntry| MethodScore {
            method: entry.method.clone(),
            score: entry.mean.as_ref().map(|mean| mean.mean),
        };
        rank_methods(column.kind, &column.entries.iter().map(of_entry).collect::<Vec<_>>()).unwrap()
    };
    ScoreTable {
        sample: ImageSample::Random,
        images: 3,
        methods: METHODS.map(str::to_owned).to_vec(),
        controls: CONTROLS.map(str::to_owned).to_vec(),
        overall: overall_ranking(&scores.iter().map(ranking).collect::<Vec<_>>(), &CONTROLS).unwrap(),
        scores,
        curves: vec![curve("lime"), curve("random")],
        notes: vec!["token maps are spread over their patches".to_owned()],
    }
}

fn drawn() -> DrawnExplanation {
    let explanation = explanation();
    let images = draw(&explanation, &Cancellation::default()).unwrap();
    DrawnExplanation::new(&explanation, &images, &Placement::Held).unwrap()
}

#[test]
fn a_page_of_many_images_links_to_a_page_for_each() {
    assert_eq!(Placement::of(10, "explanations/"), Placement::Held);
    assert_eq!(Placement::of(11, "explanations/"), Placement::Linked("explanations/"));
    let explanation = ImageExplanation { id: "mein Kleid #1".to_owned(), ..explanation() };
    let drawings = draw(&explanation, &Cancellation::default()).unwrap();
    let drawn = |placement| DrawnExplanation::new(&explanation, &drawings, &placement).unwrap();
    let html = index("", None, &[drawn(Placement::Linked("explanations/"))], None, &[]).unwrap();
    let address = "href=\"./explanations/mein%20Kleid%20%231/index.html\"";
    assert_eq!(html.matches(address).count(), 1, "{html}");
    assert_eq!(html.matches("data:image/png").count(), 1, "the image itself, small");
    let large = index("", None, &vec![drawn(Placement::Linked("")); 500], None, &[]).unwrap();
    assert!(large.len() < 1 << 20, "{} bytes for 500 images", large.len());

    let own = image_page(&explanation, &drawings).unwrap();
    for name in ["methods.png", "lime.png", "self-attention.png"] {
        assert_eq!(own.matches(&format!("src=\"./{name}\"")).count(), 1, "{name}");
    }
    let still = without_live(&own);
    assert!(still.len() < 1 << 16, "{} bytes for one image", still.len());
    assert!(own.len() - still.len() <= 60_000, "{} bytes more for one live image", own.len() - still.len());
}

/// The page as it would be if none of its images were live: without the script, the packed numbers and their style.
fn without_live(html: &str) -> String {
    let (before, script) = html.split_once("<script type=\"module\">").unwrap();
    let (_, after) = script.split_once("</script>").unwrap();
    let mut parts = before.split("data-live=\"");
    let mut still = parts.next().unwrap().to_owned();
    for part in parts {
        still.push_str(part.split_once('"').unwrap().1);
    }
    let style = tinylsa_report::live_modules().iter().find(|(name, _)| *name == "live.css").unwrap().1;
    assert_eq!(still.matches(style).count(), 1);
    still.replace(style, "") + after
}

#[test]
fn an_image_is_live_for_at_most_sixty_kilobytes_more() {
    let page = |count| index("", None, &vec![drawn(); count], None, &[]).unwrap();
    let more = |count| page(count).len() - without_live(&page(count)).len();
    assert!(more(1) <= 60_000, "{} bytes", more(1));
    let each = more(2) - more(1);
    assert!(
        (1_000..=tinylsa_report::live_budget() + 200).contains(&each),
        "{each} bytes for each image after the first"
    );
    assert_eq!(page(2).matches("data-live=\"").count(), 2);
    assert_eq!(page(2).matches("<script").count(), 1, "one script for all images");
    assert!(!page(1).contains("://"), "nothing is fetched");
    assert!(page(1).contains("aria-label=\"test-17: Pullover 0.91, live\""));
}

#[test]
fn the_page_shows_every_method_with_its_line_its_diagnostics_and_its_warnings() {
    let warning = Warning { heading: "NOT Fashion-MNIST".to_owned(), text: "synthetic".to_owned() };
    let images = [SideBySide::images(side_by_side(&[explanation()], Scaling::EachMap).unwrap())];
    let html = index("three images", Some(warning), &[drawn()], None, &images).unwrap();
    for method in MethodId::all() {
        let line = method.facts().meaning.line();
        assert_eq!(html.matches(&format!("<summary>{}</summary>", method.title())).count(), 1, "{method}");
        assert!(html.contains(&line), "{line}");
    }
    // the sheet and the methods; with two images there are twice as many, and the images side by side
    let count = |html: &str| html.matches("data:image/png;base64,").count();
    assert_eq!(count(&html), 1 + MethodId::all().len());
    let two = index("two images", None, &[drawn(), drawn()], None, &images).unwrap();
    assert_eq!(count(&two), 2 * (1 + MethodId::all().len()) + 1);
    for text in [
        "A figure of lime",
        "Warning: a warning",
        "Predicted Pullover (probability 0.910), true label Coat",
        "Chosen as wrong with the highest confidence",
        "synthetic garments (NOT Fashion-MNIST), test split",
        "role=\"alert\"",
    ] {
        assert!(html.contains(text), "{text}");
    }
}

#[test]
fn the_scores_rank_methods_beside_marked_controls() {
    let sections = sections(&[drawn()], Some(&scores()), &[]).unwrap();
    let headings: Vec<&str> = sections.iter().map(|section| section.heading.as_str()).collect();
    assert_eq!(headings, ["Explanations", "Which explanation to believe", "test-17: Pullover 0.91"]);
    let tables: Vec<&Table> = sections[1]
        .blocks
        .iter()
        .filter_map(|block| if let Block::Table(table) = block { Some(table) } else { None })
        .collect();
    let beaten: Vec<&str> = tables[0].rows[0].cells.iter().map(|cell| cell.text.as_str()).collect();
    assert_eq!(beaten, ["LIME", "better in 3, worse in 0 of 3", "\u{2013}", "\u{2013}"]);
    let ranks = tables[1];
    let rows: Vec<(&str, bool)> = ranks.rows.iter().map(|row| (row.cells[0].text.as_str(), row.faint)).collect();
    let sobel = ("Sobel edges (control)", true);
    assert_eq!(rows, [("LIME", false), ("Gradient (control)", true), sobel, ("Random map (control)", true)]);
    // Sobel lacks μFidelity, which so has no vote; equal deletion areas share the mean of places 3 and 4
    let cells = |row: usize| ranks.rows[row].cells[1..4].iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>();
    assert_eq!([cells(0), cells(2)], [["1.0", "1", "1"], ["3.2", "3.5", "\u{2013}"]]);
    assert_eq!(scores().overall.kinds, [ScoreKind::DeletionArea, ScoreKind::Sparseness]);
    let page = ReportPage { sections, ..ReportPage::default() };
    let html = page.to_html().unwrap();
    assert!(html.contains("Deletion area, black, logits") && html.contains("Token maps are spread"));
    assert!(html.contains("0.200 [0.100, 0.300] #1"), "values with their intervals");
    assert!(html.contains("-0.400 [-0.500, -0.300]"), "differences with their intervals");
    assert!(html.contains("3 images drawn at random") && html.contains("one vote"), "what the order rests on");
}
