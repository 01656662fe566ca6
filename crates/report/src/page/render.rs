//! From the parts of a page to its HTML.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::live;
use super::parts::{Block, Figure, FigureContent, PageLink, ReportPage, Section, Warning};
use crate::table::{Align, Cell, Column};
use crate::{ReportError, Table};

const STYLE: &str = include_str!("style.css");
const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

pub(super) fn page(page: &ReportPage) -> Result<String, ReportError> {
    let sections = page.sections.iter().enumerate().map(|(i, part)| section(i, part)).collect::<Result<Vec<_>, _>>()?;
    let is_live = page.sections.iter().any(|section| has_live(&section.blocks));
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (page.title) @if let Some(warning) = &page.warning { " \u{2013} " (warning.heading) } }
                style { (PreEscaped(STYLE)) @if is_live { (PreEscaped(live::style())) } }
            }
            body {
                @if let Some(warning) = &page.warning { (banner(warning)) }
                header {
                    h1 { (page.title) }
                    @if !page.subtitle.is_empty() { p.subtitle { (page.subtitle) } }
                }
                @if page.sections.len() > 1 { (contents(&page.sections)) }
                main {
                    @if !page.summary.is_empty() { (summary(page)) }
                    @for section in &sections { (section) }
                    @if let Some(config) = &page.config {
                        section #config {
                            h2 { "Config" }
                            details { summary { "The resolved config, every key" } (verbatim(config, "resolved config")) }
                        }
                    }
                }
                @if is_live { script type="module" { (PreEscaped(live::script())) } }
            }
        }
    };
    Ok(document.into_string())
}

/// Whether an image among these blocks is live.
fn has_live(blocks: &[Block]) -> bool {
    blocks.iter().any(|block| match block {
        Block::Live(_) => true,
        Block::Folded { blocks, .. } => has_live(blocks),
        Block::Heading(_)
        | Block::Paragraph(_)
        | Block::List(_)
        | Block::Figure(_)
        | Block::Table(_)
        | Block::Links(_)
        | Block::Verbatim(_) => false,
    })
}

fn banner(warning: &Warning) -> Markup {
    html! {
        aside.banner role="alert" {
            strong { (warning.heading) }
            p { (warning.text) }
        }
    }
}

fn contents(sections: &[Section]) -> Markup {
    html! {
        nav aria-label="Contents" {
            ol {
                @for (index, section) in sections.iter().enumerate() {
                    li { a href={ "#section-" (index + 1) } { (section.heading) } }
                }
            }
        }
    }
}

fn summary(page: &ReportPage) -> Markup {
    html! {
        section #summary {
            h2 { "Summary" }
            div.scroll role="region" aria-label="Summary" tabindex="0" {
                table.summary {
                    tbody {
                        @for entry in &page.summary {
                            tr { th scope="row" { (entry.name) } td { (entry.value) } }
                        }
                    }
                }
            }
        }
    }
}

fn section(index: usize, section: &Section) -> Result<Markup, ReportError> {
    let blocks = blocks(&section.blocks)?;
    Ok(html! {
        section id={ "section-" (index + 1) } {
            h2 { (section.heading) }
            (blocks)
        }
    })
}

fn blocks(blocks: &[Block]) -> Result<Markup, ReportError> {
    let parts = blocks.iter().map(block).collect::<Result<Vec<_>, _>>()?;
    Ok(html! { @for part in &parts { (part) } })
}

fn block(block: &Block) -> Result<Markup, ReportError> {
    Ok(match block {
        Block::Heading(text) => html! { h3 { (text) } },
        Block::Paragraph(text) => html! { p { (text) } },
        Block::List(points) => html! { ul { @for point in points { li { (point) } } } },
        Block::Figure(part) => figure(part)?,
        Block::Table(part) => table(part)?,
        Block::Links(links) => {
            let links = links.iter().map(link).collect::<Result<Vec<_>, _>>()?;
            html! { ul.links { @for link in &links { li { (link) } } } }
        }
        Block::Verbatim(text) => verbatim(text, "text"),
        Block::Live(image) => {
            html! { div.live role="group" aria-label=(image.label) data-live=(image.packed) hidden {} }
        }
        Block::Folded { summary, blocks: inner } => {
            let inner = blocks(inner)?;
            html! { details { summary { (summary) } (inner) } }
        }
    })
}

fn verbatim(text: &str, label: &str) -> Markup {
    html! { pre.scroll role="region" aria-label=(label) tabindex="0" { (text) } }
}

fn figure(figure: &Figure) -> Result<Markup, ReportError> {
    let alternative = if figure.alternative.is_empty() { &figure.caption } else { &figure.alternative };
    let wrong = |expected| ReportError::NotAFigure { caption: figure.caption.clone(), expected };
    let image = match &figure.content {
        FigureContent::Svg(document) => {
            if !document.starts_with("<svg") {
                return Err(wrong("an SVG document that begins with its root element"));
            }
            html! { div.image role="img" aria-label=(alternative) { (PreEscaped(document)) } }
        }
        FigureContent::Png(bytes) => {
            if !bytes.starts_with(PNG_SIGNATURE) {
                return Err(wrong("the bytes of a PNG file"));
            }
            let address = format!("data:image/png;base64,{}", STANDARD.encode(bytes));
            html! { div.image { img src=(address) alt=(alternative); } }
        }
        FigureContent::Linked(path) => {
            if !stays_below(path) {
                return Err(wrong("a relative path that stays below the page"));
            }
            html! { div.image { img src=(address_of(path)) alt=(alternative) loading="lazy"; } }
        }
    };
    Ok(html! {
        figure {
            (image)
            @if !figure.caption.is_empty() { figcaption { (figure.caption) } }
        }
    })
}

fn link(link: &PageLink) -> Result<Markup, ReportError> {
    if !stays_below(&link.path) {
        let expected = "a relative path that stays below the page";
        return Err(ReportError::NotAFigure { caption: link.text.clone(), expected });
    }
    Ok(html! {
        a href=(address_of(&link.path)) {
            @if let Some(png) = &link.thumbnail {
                img src={ "data:image/png;base64," (STANDARD.encode(png)) } alt="" loading="lazy";
            }
            (link.text)
        }
        @if !link.note.is_empty() { " " (link.note) }
    })
}

fn stays_below(path: &str) -> bool {
    !path.is_empty() && path.split('/').all(|part| !part.is_empty() && part != "..")
}

/// A relative path as an address: every byte but letters, digits and the signs that mean nothing in an address is written
/// by its number.
fn address_of(path: &str) -> String {
    let mut address = String::from("./");
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            address.push(char::from(byte));
        } else {
            let _ = write!(address, "%{byte:02X}");
        }
    }
    address
}

fn table(table: &Table) -> Result<Markup, ReportError> {
    table.check()?;
    let label = if table.caption.is_empty() { "Table" } else { &table.caption };
    Ok(html! {
        div.scroll role="region" aria-label=(label) tabindex="0" {
            table {
                @if !table.caption.is_empty() { caption { span { (table.caption) } } }
                thead { tr { @for column in &table.columns { th scope="col" class=(class(column)) { (column.heading) } } } }
                tbody {
                    @for row in &table.rows {
                        tr.faint[row.faint] {
                            @for (index, (cell, column)) in row.cells.iter().zip(&table.columns).enumerate() {
                                @if index == 0 {
                                    th scope="row" class=(class(column)) { (text(cell)) }
                                } @else {
                                    td class=(class(column)) { (text(cell)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    })
}

fn class(column: &Column) -> &'static str {
    match column.align {
        Align::Left => "words",
        Align::Right => "numbers",
    }
}

fn text(cell: &Cell) -> Markup {
    html! { @if cell.strong { strong { (cell.text) } } @else { (cell.text) } }
}
