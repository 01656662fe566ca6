//! The page stands alone, escapes what it is given, and shows its warning.

use tinylsa_report::{
    Block, ByteImage, Column, Figure, LiveContents, ReportError, ReportPage, Rgb, Section, SummaryEntry, Table,
    Warning, decode_png, encode_png, interval_bars, per_class, training_curves,
};
use tinylsa_report::{ClassScores, EpochPoint, Estimate, IntervalBar};

const HOSTILE: &str = "<script>alert('x')</script> & \"quotes\"";

fn page() -> ReportPage {
    let epoch = EpochPoint {
        epoch: 1,
        train_loss: 0.5,
        validation_loss: None,
        train_accuracy: None,
        validation_accuracy: None,
        learning_rate: 0.1,
    };
    let class = ClassScores { name: HOSTILE.to_owned(), precision: Some(0.5), recall: Some(0.5), f1: None, support: 1 };
    let estimate = Estimate { value: 0.5, low: 0.4, high: 0.6 };
    let bar = IntervalBar { label: HOSTILE.to_owned(), estimate, control: true };
    let png = encode_png(&ByteImage::from_bytes([1, 2, 2], &[0, 80, 160, 255]).unwrap().enlarged(4)).unwrap();
    ReportPage {
        title: format!("Run {HOSTILE}"),
        subtitle: HOSTILE.to_owned(),
        warning: None,
        summary: vec![SummaryEntry { name: HOSTILE.to_owned(), value: HOSTILE.to_owned() }],
        sections: vec![
            Section {
                heading: HOSTILE.to_owned(),
                blocks: vec![
                    Block::Heading(HOSTILE.to_owned()),
                    Block::Paragraph(HOSTILE.to_owned()),
                    Block::List(vec![HOSTILE.to_owned()]),
                    Block::Verbatim(HOSTILE.to_owned()),
                    Block::Table(Table::new(HOSTILE, vec![Column::words(HOSTILE)]).row([HOSTILE])),
                ],
            },
            Section {
                heading: "Figures".to_owned(),
                blocks: vec![
                    Block::Figure(Figure::svg(training_curves(&[epoch], None, HOSTILE).unwrap(), HOSTILE, HOSTILE)),
                    Block::Figure(Figure::svg(per_class(&[class], "").unwrap(), "bars", "")),
                    Block::Figure(Figure::svg(interval_bars(HOSTILE, HOSTILE, &[bar], "").unwrap(), "", "a bar")),
                    Block::Folded {
                        summary: HOSTILE.to_owned(),
                        blocks: vec![Block::Figure(Figure::png(png, "an image", "four squares"))],
                    },
                ],
            },
        ],
        config: Some(HOSTILE.to_owned()),
    }
}

/// The values of all attributes of the given name.
fn attributes<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let opening = format!(" {name}=\"");
    html.split(&opening).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

#[test]
fn the_page_refers_to_nothing_outside_itself() {
    let html = page().to_html().unwrap();
    let sources = attributes(&html, "src");
    assert_eq!(sources.len(), 1);
    assert!(sources.iter().all(|source| source.starts_with("data:image/png;base64,")));
    assert!(attributes(&html, "href").iter().all(|address| address.starts_with('#')));
    // the only addresses are the names of the SVG vocabulary
    let addresses = html.matches("://").count();
    assert_eq!(addresses, html.matches("xmlns=\"http://www.w3.org/2000/svg\"").count());
    for forbidden in ["<link", "<script", "<iframe", "@import", "url(", "srcset"] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn text_is_escaped_everywhere() {
    let html = page().to_html().unwrap();
    assert!(!html.contains("<script"));
    assert!(!html.contains("& \"quotes"));
    assert!(html.matches("&lt;script&gt;").count() >= 18, "{}", html.matches("&lt;script&gt;").count());
}

#[test]
fn links_lead_to_sections_of_the_page() {
    let html = page().to_html().unwrap();
    let ids = attributes(&html, "id");
    let links = attributes(&html, "href");
    assert_eq!(links, ["#section-1", "#section-2"]);
    assert!(links.iter().all(|link| ids.contains(&&link[1..])));
}

#[test]
fn the_banner_stands_first_when_given_and_nowhere_otherwise() {
    let without = page().to_html().unwrap();
    assert!(!without.contains("role=\"alert\""));
    let warning =
        Warning { heading: "Synthetic garments, not Fashion-MNIST".to_owned(), text: "No real data.".to_owned() };
    let with = ReportPage { warning: Some(warning), ..page() }.to_html().unwrap();
    let body = with.split_once("<body>").unwrap().1;
    assert!(body.starts_with("<aside class=\"banner\" role=\"alert\"><strong>Synthetic garments, not Fashion-MNIST"));
    let title = with.split_once("<title>").unwrap().1.split_once("</title>").unwrap().0;
    assert!(title.ends_with("Synthetic garments, not Fashion-MNIST"));
}

#[test]
fn every_figure_has_words_for_those_who_cannot_see_it() {
    let html = page().to_html().unwrap();
    assert_eq!(attributes(&html, "alt"), ["four squares"]);
    for label in ["aria-label=\"bars\"", "aria-label=\"a bar\""] {
        assert!(html.contains(&format!("role=\"img\" {label}")));
    }
}

#[test]
fn an_image_comes_back_whole_from_the_page() {
    use base64::Engine;
    let html = page().to_html().unwrap();
    let encoded = attributes(&html, "src")[0].strip_prefix("data:image/png;base64,").unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap();
    let image = decode_png(&bytes).unwrap();
    assert_eq!((image.width(), image.height(), image.pixel(7, 7)), (8, 8, Some(Rgb([255; 3]))));
}

#[test]
fn what_is_no_figure_or_no_table_is_refused() {
    let with = |block| {
        let section = Section { heading: "s".to_owned(), blocks: vec![block] };
        ReportPage { sections: vec![section], ..ReportPage::default() }.to_html().unwrap_err()
    };
    assert_eq!(
        with(Block::Figure(Figure::png(*b"GIF89a", "a GIF", ""))).to_string(),
        "figure \"a GIF\": expected the bytes of a PNG file"
    );
    assert!(matches!(with(Block::Figure(Figure::svg("<p>", "c", ""))), ReportError::NotAFigure { .. }));
    let short = Table::new("t", vec![Column::words("a"), Column::numbers("b")]).row(["1"]);
    assert!(matches!(with(Block::Table(short)), ReportError::Size { found: 1, expected: 2, .. }));
}

#[test]
fn the_same_page_gives_the_same_bytes_also_after_a_round_trip() {
    let json = serde_json::to_string(&page()).unwrap();
    let read: ReportPage = serde_json::from_str(&json).unwrap();
    assert_eq!(read.to_html().unwrap(), page().to_html().unwrap());
}

#[test]
fn a_linked_figure_refers_to_a_file_below_the_page() {
    let page = |path: &str| {
        let blocks = vec![Block::Figure(Figure::linked(path, "a caption", "an image"))];
        ReportPage { sections: vec![Section { heading: "images".to_owned(), blocks }], ..ReportPage::default() }
    };
    let html = page("mein Kleid #1/\u{1f457}%\"<.png").to_html().unwrap();
    assert!(html.contains("src=\"./mein%20Kleid%20%231/%F0%9F%91%97%25%22%3C.png\""), "{html}");
    assert!(html.contains("alt=\"an image\"") && html.contains("loading=\"lazy\""));
    for outside in ["", "/etc/passwd", "../image.png", "a/../../image.png", "a//b.png"] {
        assert!(matches!(page(outside).to_html(), Err(ReportError::NotAFigure { .. })), "{outside}");
    }
}

#[test]
fn a_live_image_brings_its_script_and_nothing_else_does() {
    let contents =
        LiveContents { label: HOSTILE.to_owned(), shape: [1, 1, 2], pixels: vec![0, 255], ..LiveContents::default() };
    let image = contents.pack(1000).unwrap();
    let blocks = vec![Block::Folded { summary: "folded".to_owned(), blocks: vec![Block::Live(image.clone())] }];
    let sections = vec![Section { heading: "Live".to_owned(), blocks }];
    let html = ReportPage { sections, ..ReportPage::default() }.to_html().unwrap();
    assert_eq!(attributes(&html, "data-live"), [image.packed]);
    assert!(html.contains(" hidden></div>"), "without scripts nothing is seen of it");
    assert_eq!(html.matches("<script").count(), 1);
    assert!(!html.contains("<script>alert") && !html.contains("src=") && !html.contains("://"));
    assert!(!page().to_html().unwrap().contains("token-view"), "a page without live images has no style of theirs");
}
