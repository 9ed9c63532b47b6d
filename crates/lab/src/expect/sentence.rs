//! The grammar of expectations.
//!
//! ```text
//! [at T, | from T to T,]
//!   SUBJECT can|cannot reach SUBJECT [icmp|tcp/PORT|udp/PORT] [over ipv4|ipv6] [with rtt < D] [with loss <= P] [within D]
//!   throughput|rtt|jitter|loss A -> B OP VALUE [udp] [for D] [within D]
//!   no loops
//! ```
//! Nothing is looked up here: a subject is a name until a lab says what it is.

use std::fmt;
use std::ops::Range;

use netloom_flow::{Nanos, Probability};
use serde::{Deserialize, Serialize};

use crate::address::Family;
use crate::error::{TextError, did_you_mean};
use crate::lab::nanos;
use crate::names::Pattern;
use crate::quantity;

/// A sentence, or a command with what it must print.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sentence {
    /// As written, blanks evened out.
    pub text: String,
    /// When it must hold.
    pub timing: Timing,
    /// How long it may take to hold; untimed: instead of `settle`.
    #[serde(with = "maybe_nanos", default)]
    pub within: Option<Nanos>,
    /// What must hold.
    pub check: Check,
}

/// A sentence of a lab file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expectation {
    /// What it says.
    pub sentence: Sentence,
    /// Line of the file, from 1; 0: from the command line.
    pub line: u32,
}

/// When a sentence must hold. Times count from clock 0, when all untimed ones hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Timing {
    /// As soon as the lab has settled.
    Untimed,
    /// At a moment.
    At(#[serde(with = "nanos")] Nanos),
    /// All the time between two moments.
    Between(#[serde(with = "nanos")] Nanos, #[serde(with = "nanos")] Nanos),
}

/// What must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// `A can reach B`, `A cannot reach B`.
    Reach(ReachCheck),
    /// `throughput A -> B >= 300Mbit`.
    Measure(Measure),
    /// `no loops`.
    NoLoops,
    /// A command and its output.
    Command(CommandCheck),
}

/// Reachability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReachCheck {
    /// Who sends.
    pub from: Subject,
    /// To whom.
    pub to: Subject,
    /// `can`, or `cannot`.
    pub can: bool,
    /// With what.
    pub protocol: Protocol,
    /// Whether the protocol was named.
    pub named: bool,
    /// Over which family; `None`: all that both ends have.
    pub over: Option<Family>,
    /// `with rtt < D`; the value in nanoseconds.
    pub rtt: Option<Comparison>,
    /// `with loss <= P`; the value in parts per billion.
    pub loss: Option<Comparison>,
}

/// A measurement and its bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// What is measured.
    pub what: Measured,
    /// Who sends.
    pub from: Subject,
    /// To whom.
    pub to: Subject,
    /// The bound: bits per second, nanoseconds or parts per billion.
    pub bound: Comparison,
    /// With UDP rather than TCP (throughput).
    pub udp: bool,
    /// For how long.
    #[serde(with = "nanos")]
    pub duration: Nanos,
}

/// A command that runs in a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandCheck {
    /// Where.
    pub node: String,
    /// What, for a shell.
    pub command: String,
    /// What its output must contain.
    pub prints: Option<String>,
    /// Its exit code.
    pub exit: u8,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Measured {
    /// Bits per second that arrive.
    Throughput,
    /// Time there and back, the median.
    Rtt,
    /// Mean difference between the delays of neighbouring packets (RFC 3550 section 6.4.1).
    Jitter,
    /// Share of packets that do not arrive.
    Loss,
}

/// With what reachability is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Echo request.
    Icmp,
    /// A connection to a port.
    Tcp(u16),
    /// A datagram to a port.
    Udp(u16),
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Icmp => f.write_str("icmp"),
            Self::Tcp(port) => write!(f, "tcp/{port}"),
            Self::Udp(port) => write!(f, "udp/{port}"),
        }
    }
}

/// A bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Comparison {
    /// `<`
    Less(u64),
    /// `<=`
    AtMost(u64),
    /// `>`
    More(u64),
    /// `>=`
    AtLeast(u64),
}

impl Comparison {
    /// Whether a value keeps to the bound.
    #[must_use]
    pub const fn holds(self, value: u64) -> bool {
        match self {
            Self::Less(bound) => value < bound,
            Self::AtMost(bound) => value <= bound,
            Self::More(bound) => value > bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }

    /// The bound itself.
    #[must_use]
    pub const fn bound(self) -> u64 {
        match self {
            Self::Less(b) | Self::AtMost(b) | Self::More(b) | Self::AtLeast(b) => b,
        }
    }
}

/// Who: a node, a range, a tenant or `all`. The text, and where in the sentence it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// As written.
    pub text: String,
    /// Bytes of the sentence.
    pub part: Range<usize>,
}

/// How long a measurement takes unless the sentence says.
const MEASURE_FOR: Nanos = Nanos::from_secs(2);

/// Reads a sentence.
///
/// # Errors
/// Which word is not understood, and what could stand there.
pub fn parse_sentence(text: &str) -> Result<Sentence, TextError> {
    if text.len() > 10_000 {
        return Err(TextError::new("a sentence of more than 10,000 bytes"));
    }
    let mut words = Words { text, words: split(text), next: 0 };
    let timing = timing(&mut words)?;
    let mut within = None;
    let check = match words.peek() {
        None => return Err(TextError::new("an expectation is missing").hint(EXAMPLE)),
        Some("no") => {
            words.skip();
            words.expect("loops", "only `no loops` begins so")?;
            Check::NoLoops
        }
        Some(word) => match measured(word) {
            Some(what) if words.peek_at(2) == Some("->") => {
                Check::Measure(measure(&mut words, what, &mut within)?)
            }
            _ => Check::Reach(reach(&mut words, &mut within)?),
        },
    };
    if let Some(rest) = words.peek() {
        return Err(
            words.unexpected(rest, &["icmp", "tcp/80", "udp/53", "over", "with", "within", "for", "udp"])
        );
    }
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(Sentence { text, timing, within, check })
}

const EXAMPLE: &str = "such as `h1 can reach h2 tcp/80 with rtt < 20ms` or `throughput h1 -> h2 >= 90Mbit`";

fn timing(words: &mut Words<'_>) -> Result<Timing, TextError> {
    let timing = match words.peek() {
        Some("at") => {
            words.skip();
            Timing::At(words.value("a time", quantity::duration)?)
        }
        Some("from") => {
            words.skip();
            let start = words.value("a time", quantity::duration)?;
            words.expect("to", "write `from 2s to 5s, ...`")?;
            let end = words.value("a time", quantity::duration)?;
            if end <= start {
                return Err(words.last_error("this span of time ends before it begins"));
            }
            Timing::Between(start, end)
        }
        _ => return Ok(Timing::Untimed),
    };
    words.expect(",", "a comma stands behind the time: `at 10s, ...`")?;
    Ok(timing)
}

fn reach(words: &mut Words<'_>, within: &mut Option<Nanos>) -> Result<ReachCheck, TextError> {
    let from = words.subject()?;
    let can = match words.take() {
        Some("can") => true,
        Some("cannot") => false,
        Some(word) => return Err(words.wrong(word, &["can", "cannot"])),
        None => return Err(words.missing("`can reach` or `cannot reach`")),
    };
    words.expect("reach", "write `can reach` or `cannot reach`")?;
    let to = words.subject()?;
    let mut check = ReachCheck {
        from,
        to,
        can,
        protocol: Protocol::Icmp,
        named: false,
        over: None,
        rtt: None,
        loss: None,
    };
    while let Some(word) = words.peek() {
        match word {
            "over" if check.over.is_none() => {
                words.skip();
                check.over = Some(match words.take() {
                    Some("ipv4") => Family::Ipv4,
                    Some("ipv6") => Family::Ipv6,
                    Some(other) => return Err(words.wrong(other, &["ipv4", "ipv6"])),
                    None => return Err(words.missing("`ipv4` or `ipv6`")),
                });
            }
            "with" if can => {
                words.skip();
                match words.take() {
                    Some("rtt") if check.rtt.is_none() => check.rtt = Some(bound(words, time_value)?),
                    Some("loss") if check.loss.is_none() => check.loss = Some(bound(words, share_value)?),
                    Some(other) => return Err(words.wrong(other, &["rtt", "loss"])),
                    None => return Err(words.missing("`rtt < 20ms` or `loss <= 1%`")),
                }
            }
            "with" => return Err(words.error_here("what cannot be reached has no rtt or loss")),
            "within" if within.is_none() => *within = Some(deadline(words)?),
            _ if !check.named && protocol(word).is_some() => {
                check.protocol = protocol(word).unwrap_or(Protocol::Icmp);
                check.named = true;
                words.skip();
            }
            _ => break,
        }
    }
    Ok(check)
}

fn measure(words: &mut Words<'_>, what: Measured, within: &mut Option<Nanos>) -> Result<Measure, TextError> {
    words.skip();
    let from = words.subject()?;
    words.expect("->", "write `A -> B`")?;
    let to = words.subject()?;
    let bound = match what {
        Measured::Throughput => bound(words, quantity::rate)?,
        Measured::Rtt | Measured::Jitter => bound(words, time_value)?,
        Measured::Loss => bound(words, share_value)?,
    };
    let mut measure = Measure { what, from, to, bound, udp: what == Measured::Jitter, duration: MEASURE_FOR };
    while let Some(word) = words.peek() {
        match word {
            "udp" => {
                words.skip();
                measure.udp = true;
            }
            "for" => {
                words.skip();
                measure.duration = words.value("a duration", quantity::duration)?;
                if measure.duration < Nanos::from_millis(100) || measure.duration > Nanos::from_secs(86_400) {
                    return Err(words.last_error("a measurement takes from 100ms to 24h"));
                }
            }
            "within" if within.is_none() => *within = Some(deadline(words)?),
            _ => break,
        }
    }
    Ok(measure)
}

fn deadline(words: &mut Words<'_>) -> Result<Nanos, TextError> {
    words.skip();
    words.value("a duration", quantity::duration)
}

fn bound(words: &mut Words<'_>, value: fn(&str) -> Result<u64, TextError>) -> Result<Comparison, TextError> {
    let make: fn(u64) -> Comparison = match words.take() {
        Some("<") => Comparison::Less,
        Some("<=") => Comparison::AtMost,
        Some(">") => Comparison::More,
        Some(">=") => Comparison::AtLeast,
        Some(other) => return Err(words.wrong(other, &["<", "<=", ">", ">="])),
        None => return Err(words.missing("a comparison such as `< 20ms`")),
    };
    words.value("a value", value).map(make)
}

fn time_value(text: &str) -> Result<u64, TextError> {
    quantity::duration(text).map(|t| t.0)
}

fn share_value(text: &str) -> Result<u64, TextError> {
    quantity::percent(text).map(|Probability(p)| u64::from(p))
}

fn measured(word: &str) -> Option<Measured> {
    match word {
        "throughput" => Some(Measured::Throughput),
        "rtt" => Some(Measured::Rtt),
        "jitter" => Some(Measured::Jitter),
        "loss" => Some(Measured::Loss),
        _ => None,
    }
}

fn protocol(word: &str) -> Option<Protocol> {
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port != 0);
    match word.split_once('/') {
        None if word == "icmp" => Some(Protocol::Icmp),
        Some(("tcp", text)) => port(text).map(Protocol::Tcp),
        Some(("udp", text)) => port(text).map(Protocol::Udp),
        _ => None,
    }
}

/// A sentence as words with their places.
struct Words<'t> {
    text: &'t str,
    words: Vec<(Range<usize>, &'t str)>,
    next: usize,
}

impl<'t> Words<'t> {
    fn peek(&self) -> Option<&'t str> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Option<&'t str> {
        self.words.get(self.next + ahead).map(|(_, word)| *word)
    }

    fn skip(&mut self) {
        self.next += 1;
    }

    fn take(&mut self) -> Option<&'t str> {
        let word = self.peek();
        self.next += 1;
        word
    }

    /// The place of the word taken last.
    fn last(&self) -> Range<usize> {
        let word = self.words.get(self.next.saturating_sub(1));
        word.map_or(self.text.len()..self.text.len(), |(place, _)| place.clone())
    }

    fn last_error(&self, message: &str) -> TextError {
        TextError::new(message).at(self.last())
    }

    fn error_here(&mut self, message: &str) -> TextError {
        self.skip();
        self.last_error(message)
    }

    fn missing(&self, what: &str) -> TextError {
        TextError::new(format!("the sentence ends where {what} should stand")).hint(EXAMPLE)
    }

    /// The word taken last should be one of `possible`.
    fn wrong(&self, word: &str, possible: &[&str]) -> TextError {
        let hint = did_you_mean(word, possible.iter().copied());
        self.last_error(&format!("`{word}` is not understood here"))
            .hint(hint.unwrap_or_else(|| format!("possible are {}", possible.join(", "))))
    }

    /// The next word does not fit.
    fn unexpected(&mut self, word: &str, possible: &[&str]) -> TextError {
        self.skip();
        self.wrong(word, possible)
    }

    fn expect(&mut self, word: &str, hint: &str) -> Result<(), TextError> {
        match self.take() {
            Some(found) if found == word => Ok(()),
            Some(found) => {
                Err(self.last_error(&format!("`{found}` stands where `{word}` should")).hint(hint))
            }
            None => Err(self.missing(&format!("`{word}`"))),
        }
    }

    fn value<T>(&mut self, what: &str, parse: fn(&str) -> Result<T, TextError>) -> Result<T, TextError> {
        let word = self.take().ok_or_else(|| self.missing(what))?;
        parse(word).map_err(|error| TextError { part: Some(self.last()), ..error })
    }

    fn subject(&mut self) -> Result<Subject, TextError> {
        let word = self.take().ok_or_else(|| self.missing("a node, range or tenant"))?;
        Pattern::parse(word).map_err(|error| TextError { part: Some(self.last()), ..error })?;
        Ok(Subject { text: word.to_owned(), part: self.last() })
    }
}

/// Words, commas and operators.
fn split(text: &str) -> Vec<(Range<usize>, &str)> {
    let bytes = text.as_bytes();
    let at = |i: usize| bytes.get(i).copied().unwrap_or(b' ');
    let operator = |i: usize| match (at(i), at(i + 1)) {
        (b'-', b'>') | (b'<' | b'>', b'=') => 2,
        (b'<' | b'>' | b',', _) => 1,
        _ => 0,
    };
    let mut out = Vec::new();
    let mut i = 0;
    while i < bytes.len() {
        if at(i).is_ascii_whitespace() {
            i += 1;
            continue;
        }
        let start = i;
        i += operator(i);
        if i == start {
            while i < bytes.len() && !at(i).is_ascii_whitespace() && operator(i) == 0 {
                i += 1;
            }
        }
        if let Some(word) = text.get(start..i) {
            out.push((start..i, word));
        }
    }
    out
}

/// Nanoseconds as a number, or nothing.
mod maybe_nanos {
    use netloom_flow::Nanos;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "the signature serde wants")]
    pub(super) fn serialize<S: Serializer>(time: &Option<Nanos>, to: S) -> Result<S::Ok, S::Error> {
        time.map(|t| t.0).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Nanos>, D::Error> {
        Option::<u64>::deserialize(from).map(|t| t.map(Nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Sentence {
        parse_sentence(text).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    fn reach_of(text: &str) -> ReachCheck {
        match parsed(text).check {
            Check::Reach(reach) => reach,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn words_commas_and_operators() {
        let words: Vec<_> = split("at 10s, a->b <=5ms x , y>=1").into_iter().map(|(_, w)| w).collect();
        assert_eq!(words, ["at", "10s", ",", "a", "->", "b", "<=", "5ms", "x", ",", "y", ">=", "1"]);
        assert_eq!(split(">a <"), [(0..1, ">"), (1..2, "a"), (3..4, "<")]);
    }

    #[test]
    fn reachability() {
        let check = reach_of("red/web can reach red/db tcp/5432 with rtt < 20ms");
        assert_eq!((check.can, check.protocol), (true, Protocol::Tcp(5432)));
        assert_eq!(check.rtt, Some(Comparison::Less(20_000_000)));
        let check = reach_of("red cannot reach blue");
        assert_eq!((check.can, check.named, check.from.text.as_str()), (false, false, "red"));
        let check = reach_of("h1..4 can reach all over ipv6 with loss <= 1% with rtt <= 5ms");
        assert_eq!((check.over, check.loss), (Some(Family::Ipv6), Some(Comparison::AtMost(10_000_000))));
        assert_eq!(check.to.part, 16..19);
    }

    #[test]
    fn times_and_deadlines() {
        let sentence = parsed("at 10s, blue/h1  can reach blue/h4 within 2s");
        assert_eq!(sentence.timing, Timing::At(Nanos::from_secs(10)));
        assert_eq!(sentence.within, Some(Nanos::from_secs(2)));
        assert_eq!(sentence.text, "at 10s, blue/h1 can reach blue/h4 within 2s");
        let sentence = parsed("from 1s to 3s, a can reach b");
        assert_eq!(sentence.timing, Timing::Between(Nanos::from_secs(1), Nanos::from_secs(3)));
        assert_eq!(parsed("no loops").check, Check::NoLoops);
    }

    #[test]
    fn measurements() {
        let Check::Measure(m) = parsed("throughput red/web -> red/db >= 300Mbit udp for 3s").check else {
            panic!()
        };
        assert_eq!((m.what, m.udp, m.duration), (Measured::Throughput, true, Nanos::from_secs(3)));
        assert_eq!(m.bound, Comparison::AtLeast(300_000_000));
        let Check::Measure(m) = parsed("rtt a->b<5ms").check else { panic!() };
        assert_eq!((m.what, m.bound), (Measured::Rtt, Comparison::Less(5_000_000)));
        assert!(matches!(parsed("loss can reach jitter").check, Check::Reach(_)), "nodes may be called so");
    }

    #[test]
    fn errors_point_at_the_word() {
        let error = |text: &str| parse_sentence(text).expect_err(text);
        assert_eq!(error("h1 can raech h2").part, Some(7..12));
        assert_eq!(error("h1 cna reach h2").hint.as_deref(), Some("did you mean `can`?"));
        assert_eq!(error("h1 can reach h2 within 2").part, Some(23..24));
        assert_eq!(error("throughput a -> b >= 300ms").part, Some(21..26));
        for bad in [
            "",
            "at 5s",
            "at 5s h1 can reach h2",
            "from 3s to 1s, a can reach b",
            "no",
            "no loop",
            "h1",
            "h1 can",
            "h1 can reach",
            "h1 can reach h2 tcp/0",
            "h1 can reach h2 tcp/99999",
            "h1 can reach h2 over",
            "h1 cannot reach h2 with rtt < 1ms",
            "h1 can reach h2 h3",
            "rtt a -> b",
            "rtt a -> b = 5ms",
            "throughput a -> b >= 1Mbit for 1ms",
            "h_1 can reach h2",
            "a -> b",
            "é can reach b",
            "<",
            ",",
            "->",
        ] {
            assert!(parse_sentence(bad).is_err(), "{bad}");
        }
    }
}
