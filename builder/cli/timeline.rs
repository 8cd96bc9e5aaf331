//! The lives of certificates as a picture: one SVG (SVG 1.1) without a script, a font or a file of its own.
//!
//! A bar from notBefore to notAfter for each certificate, on one axis of years; a line at the time asked for. What is
//! expired, ends soon or is not valid yet differs in colour, in pattern and in words. The layout is fixed, so that the
//! same certificates and time are the same bytes.

use super::status::{Row, left, place};
use crate::epoch::Epoch;
use crate::error::visible;
use crate::pki::Standing;

/// Where things are, in pixels: names, places, then the axis, then what is left.
const PLACE: u64 = 314;
const LABELS: u64 = 560;
const AXIS: u64 = 700;
const WIDTH: u64 = LABELS + AXIS + 210;
const HEAD: u64 = 96;
const ROW: u64 = 20;
/// How many letters of 11 pixels names and places have room for.
const LETTERS: [usize; 2] = [43, 34];
/// How far from the time asked for the axis goes at most, in seconds: one certificate until 9999 would flatten all.
const FAR: u64 = 30 * YEAR;
const YEAR: u64 = 31_556_952;
/// How many places a tooltip names.
const PLACES: usize = 12;

/// The picture of these rows, in their order.
pub fn draw(target: &str, at: Epoch, rows: &[Row<'_>]) -> String {
    let axis = Axis::of(at, rows);
    let bottom = HEAD + ROW * rows.len() as u64;
    let height = bottom + 34;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"DejaVu Sans Mono, Consolas, Menlo, monospace\" font-size=\"11\" fill=\"#1c1c1c\">\n\
         <title>{}</title>\n{PATTERNS}<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n",
        escaped(&format!("Certificates of {target} at {at}"))
    );
    svg += &format!(
        "<text x=\"16\" y=\"26\" font-size=\"15\" font-weight=\"bold\">{}</text>\n",
        escaped(&short(&visible(&format!("Certificates of {target}")), 130))
    );
    svg += &legend();
    svg += &axis.ticks(bottom);
    for (index, row) in rows.iter().enumerate() {
        svg += &bar(&axis, row, HEAD + ROW * index as u64, index);
    }
    let x = axis.x(at.seconds());
    svg += &format!(
        "<line x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{}\" stroke=\"#000000\" stroke-width=\"1.5\"/>\n\
         <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" font-weight=\"bold\">{at}</text>\n</svg>\n",
        HEAD - 8,
        bottom + 8,
        bottom + 22,
    );
    svg
}

/// Patterns tell what colours tell, to those who do not see these and on paper.
const PATTERNS: &str = "<defs>\n\
    <pattern id=\"expired\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
    <rect width=\"6\" height=\"6\" fill=\"#f3c1bc\"/><rect width=\"3\" height=\"6\" fill=\"#b3261e\"/></pattern>\n\
    <pattern id=\"ending\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">\
    <rect width=\"6\" height=\"6\" fill=\"#f2b52c\"/><circle cx=\"3\" cy=\"3\" r=\"1.4\" fill=\"#5c3d00\"/></pattern>\n\
    <pattern id=\"not-yet\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">\
    <rect width=\"6\" height=\"6\" fill=\"#ffffff\"/><rect width=\"6\" height=\"2\" fill=\"#9aa4b1\"/></pattern>\n\
    </defs>\n";

/// How a bar is filled and edged.
fn paint(standing: Standing) -> (&'static str, &'static str) {
    match standing {
        Standing::Expired => ("url(#expired)", "#8c1d18"),
        Standing::Ending => ("url(#ending)", "#7a5200"),
        Standing::Valid => ("#3d7fb8", "#24567f"),
        Standing::NotYet => ("url(#not-yet)", "#5f6b7a"),
    }
}

fn legend() -> String {
    let kinds = [
        (Standing::Expired, "expired"),
        (Standing::Ending, "ends in less than 30 days"),
        (Standing::Valid, "valid"),
        (Standing::NotYet, "not valid yet"),
    ];
    let mut x = 16;
    kinds.iter().fold(String::new(), |text, (standing, words)| {
        let (fill, edge) = paint(*standing);
        let item = format!(
            "<rect x=\"{x}\" y=\"40\" width=\"26\" height=\"11\" fill=\"{fill}\" stroke=\"{edge}\"/>\
             <text x=\"{}\" y=\"50\">{words}</text>\n",
            x + 32
        );
        x += 60 + 7 * words.len() as u64;
        text + &item
    })
}

/// The axis: the seconds at its ends.
struct Axis {
    from: u64,
    until: u64,
}

impl Axis {
    /// Room for all lives and the time, as far as that is not too far.
    fn of(at: Epoch, rows: &[Row<'_>]) -> Axis {
        let at = at.seconds();
        let from = rows.iter().map(|row| row.certificate.not_before().seconds()).min().unwrap_or(at).min(at);
        let until = rows.iter().map(|row| row.certificate.not_after().seconds()).max().unwrap_or(at).max(at);
        let (from, until) = (from.max(at.saturating_sub(FAR)), until.min(at + FAR));
        let margin = ((until - from) / 50).max(86_400);
        Axis { from: from.saturating_sub(margin), until: until + margin }
    }

    /// A second's place, at an end if it is beyond it.
    fn x(&self, seconds: u64) -> u64 {
        let inside = seconds.clamp(self.from, self.until) - self.from;
        LABELS + inside * AXIS / (self.until - self.from)
    }

    /// Lines at the starts of years, or of months where there are few years, as many as have room for their words.
    fn ticks(&self, bottom: u64) -> String {
        let starts = |step: u32, month: u32| format!("{:04}-{:02}-01T00:00:00Z", 1970 + step, month).parse::<Epoch>();
        let years = (self.until - self.from) / YEAR + 1;
        let step = [1, 2, 5, 10, 20].into_iter().find(|step| years / step <= 14).unwrap_or(50);
        let months: &[u32] = if years < 3 { &[1, 3, 5, 7, 9, 11] } else { &[1] };
        let mut text = String::new();
        for year in (0..8030_u32).filter(|year| (1970 + u64::from(*year)).is_multiple_of(step)) {
            for month in months {
                let Ok(at) = starts(year, *month) else { continue };
                if !(self.from..=self.until).contains(&at.seconds()) {
                    continue;
                }
                let (x, at) = (self.x(at.seconds()), at.to_string());
                let words = if months.len() == 1 { &at[..4] } else { &at[..7] };
                text += &format!(
                    "<line x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{bottom}\" stroke=\"#d5d9de\"/>\
                     <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" fill=\"#55606e\">{words}</text>\n",
                    HEAD - 6,
                    HEAD - 14,
                );
            }
        }
        text
    }
}

/// A certificate's name, its bar, and what is left of it.
fn bar(axis: &Axis, row: &Row<'_>, y: u64, index: usize) -> String {
    let certificate = row.certificate;
    let (from, until) = (certificate.not_before().seconds(), certificate.not_after().seconds());
    let (start, end) = (axis.x(from), axis.x(until));
    let (fill, edge) = paint(row.standing);
    let stripe = match index % 2 {
        0 => format!(
            "<rect x=\"0\" y=\"{y}\" width=\"{WIDTH}\" height=\"{ROW}\" fill=\"#000000\" fill-opacity=\"0.035\"/>"
        ),
        _ => String::new(),
    };
    let base = y + 14;
    let mark = if certificate.is_authority() { "CA " } else { "" };
    // What goes on beyond the axis has an arrow at that end.
    let arrow = |shown: bool, x: u64, tip: i64| match shown {
        true => format!("<path d=\"M{x} {} l{tip} 5 l{} 5 z\" fill=\"{edge}\"/>", y + 5, -tip),
        false => String::new(),
    };
    format!(
        "<g>{stripe}<title>{}</title><text x=\"16\" y=\"{base}\">{}</text>\
         <text x=\"{PLACE}\" y=\"{base}\" fill=\"#55606e\">{}</text>\
         <rect x=\"{start}\" y=\"{}\" width=\"{}\" height=\"12\" fill=\"{fill}\" stroke=\"{edge}\"/>{}{}\
         <text x=\"{}\" y=\"{base}\">{} {}</text></g>\n",
        escaped(&tooltip(row)),
        escaped(&short(&format!("{mark}{}", certificate.subject()), LETTERS[0])),
        escaped(&short(&first(row), LETTERS[1])),
        y + 4,
        (end - start).max(2),
        arrow(from < axis.from, start, -6),
        arrow(until > axis.until, end, 6),
        LABELS + AXIS + 14,
        &certificate.not_after().to_string()[..10],
        left(row),
    )
}

/// The first of its places, the file by its last two names; the whole path is in the tooltip.
fn first(row: &Row<'_>) -> String {
    let (node, file) = row.places[0];
    let start = file.rmatch_indices('/').nth(1).map_or(0, |(at, _)| at + 1);
    let more = if row.places.len() > 1 { " …" } else { "" };
    visible(&format!("{} {}{more}", node.unwrap_or_default(), &file[start..])).trim_start().to_owned()
}

fn tooltip(row: &Row<'_>) -> String {
    let certificate = row.certificate;
    let mut lines = vec![
        certificate.subject().to_string(),
        format!("issued by {}", certificate.issuer()),
        format!("{} to {}", certificate.not_before(), certificate.not_after()),
        certificate.key_kind().to_owned(),
    ];
    lines.extend(row.places.iter().take(PLACES).map(|at| place(*at)));
    if row.places.len() > PLACES {
        lines.push(format!("and {} more places", row.places.len() - PLACES));
    }
    lines.iter().map(|line| visible(line)).collect::<Vec<_>>().join("\n")
}

/// The start of a text that is too long.
fn short(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// Text in XML (1.0, 2.2 and 2.4): what has a meaning there is written out, and what it does not allow is replaced.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut text, c| {
        match c {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            '\n' => text.push('\n'),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => text.push('\u{fffd}'),
            c => text.push(c),
        }
        text
    })
}
