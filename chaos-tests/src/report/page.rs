//! The report as one page: no script, nothing loaded from anywhere.

use std::fmt::Write as _;

use super::figures::{Figures, Second};
use crate::history::{FaultSpan, History};
use crate::verdict::{Ruling, Verdict};

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1d2430; --paper: #fbfaf8; --line: #d9d5cd;
  --soft: #6c7280; --ok: #2f7d5b; --refused: #c8a24a; --unknown: #b4453c; --fault: #8a5cc720; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e6e1; --paper: #16181d; --line: #333842;
  --soft: #9aa1ad; --ok: #5bb98c; --refused: #d9b765; --unknown: #e07a70; --fault: #a98be030; } }
* { box-sizing: border-box } body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif } main { max-width: 70rem; margin: 0 auto;
  padding: 2.5rem 1.25rem 5rem } h1 { font-size: 1.7rem; margin: 0 0 .25rem }
h2 { font-size: 1.1rem; margin: 2.5rem 0 .75rem } p { margin: .25rem 0 } .soft { color: var(--soft) }
.word { display: inline-block; padding: .1rem .7rem; border-radius: 1rem; color: var(--paper);
  font-weight: 600 } .pass { background: var(--ok) } .breach { background: var(--unknown) }
.inconclusive { background: var(--refused) } table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .4rem .75rem .4rem 0;
  border-bottom: 1px solid var(--line) } th { font-weight: 600; color: var(--soft);
  font-size: .85rem } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
code, pre { font: .9rem/1.5 ui-monospace, monospace } pre { background: var(--fault);
  padding: .75rem 1rem; border-radius: .5rem; overflow-x: auto } .wide { overflow-x: auto }
svg { width: 100%; height: auto; display: block } svg text { fill: var(--soft); font-size: 11px }
ul { margin: .25rem 0; padding-left: 1.2rem } .key span { margin-right: 1.25rem }
.key i { display: inline-block; width: .8rem; height: .8rem; border-radius: .2rem;
  margin-right: .4rem; vertical-align: -.05rem }
";

/// The page.
pub(super) fn page(history: &History, ruling: &Ruling, figures: &Figures, command: &str) -> String {
    let began = &history.began;
    let mut page = String::with_capacity(64 << 10);
    let title = format!("{}: {} with seed {}", ruling.verdict, began.scenario, began.seed);
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{}</title><style>{STYLE}</style></head><body><main>\n",
        escaped(&title)
    );
    head(&mut page, history, ruling, figures, command);
    verdicts(&mut page, ruling);
    time_line(&mut page, history, figures);
    faults(&mut page, history, figures);
    counts(&mut page, figures);
    assumptions(&mut page, ruling);
    versions(&mut page, history);
    page.push_str("</main></body></html>\n");
    page
}

fn head(page: &mut String, history: &History, ruling: &Ruling, figures: &Figures, command: &str) {
    let began = &history.began;
    let word = ruling.verdict;
    let said = match word {
        Verdict::Pass => "Nothing wrong was found, and enough was tried to find it.",
        Verdict::Breach => "A promise was broken.",
        Verdict::Inconclusive => "This run proves nothing: an assumption does not hold.",
    };
    let _ = write!(
        page,
        "<h1>{} <span class=\"word {word}\">{word}</span></h1><p>{said}</p>\
         <p class=\"soft\">Seed {}, {} s of faults, {} faults, {} requests ({} ok, {} refused, {} \
         unknown), {} bookings sold.</p>",
        escaped(&began.scenario),
        began.seed,
        began.time_s,
        history.faults.len(),
        figures.total.all(),
        figures.total.ok,
        figures.total.refused,
        figures.total.unknown,
        figures.sold,
    );
    if !began.planted.is_empty() {
        let planted = escaped(&began.planted);
        let _ = write!(page, "<p>Broken on purpose: <code>{planted}</code></p>");
    }
    let _ = write!(
        page,
        "<pre>{}</pre><p class=\"soft\">The same seed makes the same choices; what the machine \
         does in between is its own.</p>",
        escaped(command)
    );
}

fn verdicts(page: &mut String, ruling: &Ruling) {
    page.push_str(
        "<h2>Promises</h2><div class=\"wide\"><table><tr><th></th><th>Promise</th>\
         <th>Verdict</th><th class=\"n\">Looked at</th></tr>",
    );
    for judgement in &ruling.judgements {
        let word = match (judgement.breaches.is_empty(), judgement.undecided.is_empty()) {
            (false, _) => "<span class=\"word breach\">broken</span>",
            (true, false) => "<span class=\"word inconclusive\">undecided</span>",
            (true, true) => "<span class=\"word pass\">kept</span>",
        };
        let _ = write!(
            page,
            "<tr><td>{}</td><td>{}",
            escaped(&judgement.about),
            escaped(&judgement.promise)
        );
        let details = judgement.breaches.iter().chain(&judgement.undecided);
        let details: Vec<String> =
            details.map(|text| format!("<li>{}</li>", escaped(text))).collect();
        if !details.is_empty() {
            let _ = write!(page, "<ul>{}</ul>", details.concat());
        }
        let _ = write!(page, "</td><td>{word}</td><td class=\"n\">{}</td></tr>", judgement.checked);
    }
    page.push_str("</table></div>");
    let terms = &ruling.terms;
    if terms.holds_may_end_early {
        page.push_str(
            "<p class=\"soft\">etcd is older than 3.4.32 and stood still: it may revoke living \
             leases (a known limit), so holds that ended early are not counted as breaches.</p>",
        );
    }
    if terms.clocks_off_ms > 0 {
        let _ = write!(
            page,
            "<p class=\"soft\">Clocks were moved by up to {} ms: deadlines are judged with that \
             much tolerance.</p>",
            terms.clocks_off_ms
        );
    }
}

const WIDTH: f64 = 1_000.0;
const HEIGHT: f64 = 180.0;

fn time_line(page: &mut String, history: &History, figures: &Figures) {
    page.push_str(
        "<h2>Second by second</h2><p class=\"key soft\"><span><i style=\"background:var(--ok)\">\
         </i>ok</span><span><i style=\"background:var(--refused)\"></i>refused</span><span>\
         <i style=\"background:var(--unknown)\"></i>unknown</span><span>\
         <i style=\"background:var(--fault)\"></i>a fault is there</span></p>",
    );
    let seconds = &figures.seconds;
    let most = seconds.iter().map(|second| second.counts.all()).max().unwrap_or(0).max(1);
    chart(
        page,
        history,
        "Requests a second",
        float(most),
        |out, x, width, second| {
            let mut top = HEIGHT;
            let counts = second.counts;
            let parts = [
                (counts.ok, "var(--ok)"),
                (counts.refused, "var(--refused)"),
                (counts.unknown, "var(--unknown)"),
            ];
            for (count, colour) in parts {
                let height = float(count) / float(most) * HEIGHT;
                top -= height;
                let _ = write!(
                    out,
                    "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.2}\" height=\"{height:.1}\" \
                 fill=\"{colour}\"/>"
                );
            }
        },
        seconds,
    );
    let slowest = seconds.iter().map(|second| second.p99_ms).fold(1.0, f64::max);
    chart(
        page,
        history,
        "Answers, ms: median and p99",
        slowest,
        |out, x, width, second| {
            for (value, colour) in [(second.p99_ms, "var(--refused)"), (second.p50_ms, "var(--ok)")]
            {
                let top = HEIGHT - value / slowest * HEIGHT;
                let _ = write!(
                    out,
                    "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.2}\" height=\"2\" \
                 fill=\"{colour}\"/>"
                );
            }
        },
        seconds,
    );
}

fn chart(
    page: &mut String,
    history: &History,
    title: &str,
    largest: f64,
    draw: impl Fn(&mut String, f64, f64, &Second),
    seconds: &[Second],
) {
    let all_ns = float(history.end_ns.max(1));
    let _ = write!(
        page,
        "<svg viewBox=\"0 -16 {WIDTH} {}\" role=\"img\" aria-label=\"{title}\">\
         <text x=\"0\" y=\"-4\">{title}, up to {largest:.0}</text>",
        HEIGHT + 34.0
    );
    for fault in &history.faults {
        let from = float(fault.begins_ns) / all_ns * WIDTH;
        let until = float(fault.healed_ns.unwrap_or(history.end_ns)) / all_ns * WIDTH;
        let _ = write!(
            page,
            "<rect x=\"{from:.1}\" y=\"0\" width=\"{:.1}\" height=\"{HEIGHT}\" \
             fill=\"var(--fault)\"><title>{}</title></rect><text x=\"{from:.1}\" y=\"{}\">{}</text>",
            (until - from).max(1.0),
            escaped(&fault.name),
            HEIGHT + 13.0,
            fault.number
        );
    }
    let width = 1e9 / all_ns * WIDTH;
    for (at, second) in (0_u32..).zip(seconds) {
        draw(page, f64::from(at) * width, (width - 0.5).max(0.5), second);
    }
    page.push_str("</svg>");
}

fn faults(page: &mut String, history: &History, figures: &Figures) {
    if history.faults.is_empty() {
        return;
    }
    page.push_str(
        "<h2>Faults</h2><div class=\"wide\"><table><tr><th class=\"n\">No.</th><th>Fault</th>\
         <th class=\"n\">From, s</th><th class=\"n\">Until, s</th>\
         <th class=\"n\">Longest without a hold, s</th><th>… by shard</th>\
         <th>Sold again after healing</th></tr>",
    );
    for fault in &history.faults {
        let gap = figures.gaps.iter().find(|gap| gap.fault == fault.number);
        let by_shard = gap.map(|gap| {
            let shards = gap.by_shard_ms.iter();
            shards.map(|(shard, ms)| format!("{shard} {}", seconds_of(*ms))).collect::<Vec<_>>()
        });
        let again = history.demanded.iter().filter(|one| one.after_fault == fault.number);
        let again = again.map(|one| match one.after_ms {
            Some(ms) => format!("{} {} s", one.shard, seconds_of(ms)),
            None => format!("{} not at all", one.shard),
        });
        let _ = write!(
            page,
            "<tr><td class=\"n\">{}</td><td>{}{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td>{}</td><td>{}</td></tr>",
            fault.number,
            escaped(&fault.name),
            failed(fault),
            seconds_of(fault.begins_ns / 1_000_000),
            fault.healed_ns.map_or("…".to_owned(), |ns| seconds_of(ns / 1_000_000)),
            gap.map_or(String::new(), |gap| seconds_of(gap.anywhere_ms)),
            escaped(&by_shard.unwrap_or_default().join(", ")),
            escaped(&again.collect::<Vec<_>>().join(", ")),
        );
    }
    page.push_str("</table></div>");
}

fn failed(fault: &FaultSpan) -> String {
    let why = fault.failed.as_ref();
    why.map(|why| format!("<br><span class=\"soft\">failed: {}</span>", escaped(why)))
        .unwrap_or_default()
}

fn counts(page: &mut String, figures: &Figures) {
    page.push_str(
        "<h2>Requests</h2><div class=\"wide\"><table><tr><th>Request</th><th class=\"n\">ok</th>\
         <th class=\"n\">refused</th><th class=\"n\">unknown</th></tr>",
    );
    let all = std::iter::once(("all", &figures.total));
    for (name, counts) in figures.by_action.iter().map(|(name, counts)| (*name, counts)).chain(all)
    {
        let _ = write!(
            page,
            "<tr><td>{name}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td></tr>",
            counts.ok, counts.refused, counts.unknown
        );
    }
    let refusals = figures.refusals.iter().map(|(code, count)| format!("{code} {count}"));
    let refusals = escaped(&refusals.collect::<Vec<_>>().join(", "));
    let _ = write!(page, "</table></div><p class=\"soft\">Refusals: {refusals}</p>");
}

fn assumptions(page: &mut String, ruling: &Ruling) {
    page.push_str("<h2>Assumptions</h2><div class=\"wide\"><table>");
    for assumption in &ruling.assumptions {
        let (class, word) =
            if assumption.holds { ("pass", "holds") } else { ("inconclusive", "does not hold") };
        let _ = write!(
            page,
            "<tr><td>{}</td><td><span class=\"word {class}\">{word}</span></td>\
             <td class=\"soft\">{}</td></tr>",
            escaped(&assumption.what),
            escaped(&assumption.seen)
        );
    }
    page.push_str("</table></div>");
}

fn versions(page: &mut String, history: &History) {
    page.push_str("<h2>Versions</h2><div class=\"wide\"><table>");
    for (name, version) in &history.began.versions {
        let (name, version) = (escaped(name), escaped(version));
        let _ = write!(page, "<tr><td>{name}</td><td>{version}</td></tr>");
    }
    page.push_str("</table></div>");
}

fn seconds_of(ms: u64) -> String {
    format!("{}.{}", ms / 1_000, ms % 1_000 / 100)
}

#[expect(clippy::cast_precision_loss, reason = "a place on a drawing")]
const fn float(number: u64) -> f64 {
    number as f64
}

/// For the inside of an element or an attribute.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_fault_is_called_cannot_break_the_page() {
        assert_eq!(escaped("<a \"&\">"), "&lt;a &quot;&amp;&quot;&gt;");
    }

    #[test]
    fn seconds_have_one_digit() {
        assert_eq!(seconds_of(12_345), "12.3");
        assert_eq!(seconds_of(99), "0.0");
    }
}
