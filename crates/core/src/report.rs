//! What a worker reports of its own work, on purpose and in its own words.
//!
//! A report is a claim, for people and for whoever takes the work further; it is never evidence. What must hold: a
//! report is short, is text and nothing that could move a cursor, and says what its kind needs. One that is not is
//! refused with the reason, so that the worker can say it better; nothing is cut behind its back.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How long a status may be, in characters.
const STATUS: usize = 500;
/// How long any other text may be, in characters.
const TEXT: usize = 4_000;
/// How long a choice, the name of a file or what is found in one may be, in characters.
const LINE: usize = 500;
/// How many choices a question may offer.
const OPTIONS: usize = 10;
/// How many findings a verdict may have.
const FINDINGS: usize = 100;
/// How large an artifact may be, in bytes.
pub const ARTIFACT: u64 = 10 * 1024 * 1024;

/// One report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "kebab-case")]
pub enum Report {
    /// How far the work is.
    Status {
        /// What is done and what comes next.
        text: String,
        /// How sure the worker is that it will succeed, from 0 to 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        confidence: Option<f64>,
    },
    /// The worker cannot go on.
    Stuck {
        /// What it tried, and what is in the way.
        why: String,
    },
    /// Something that only a person can say.
    Question {
        /// What it wants to know.
        text: String,
        /// Answers to choose from; empty when any will do.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        options: Vec<String>,
    },
    /// A file that is to be kept beside the commits.
    Artifact {
        /// What it is called: a file name and no path.
        name: String,
        /// How large it is.
        bytes: u64,
    },
    /// What a reviewer says of a change.
    Verdict(Verdict),
    /// Sent by a newer version of coord.
    #[serde(other)]
    Unknown,
}

/// What a reviewer says of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The one word.
    pub decision: Decision,
    /// Why, in a few sentences.
    pub summary: String,
    /// What was found, and where.
    #[serde(default)]
    pub findings: Vec<Finding>,
}

/// What a verdict comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// The change may be merged as it is.
    Approve,
    /// Something has to change first.
    Changes,
}

impl Decision {
    /// The word used everywhere.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Changes => "changes",
        }
    }
}

/// Something that was found in a file. As text it is `file:line text`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The file, as a path in the repo.
    pub file: String,
    /// The line, counting from 1.
    pub line: u32,
    /// What is wrong there.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} {}", self.file, self.line, self.text)
    }
}

impl FromStr for Finding {
    type Err = Unreportable;

    fn from_str(text: &str) -> Result<Self, Unreportable> {
        let shape =
            || Unreportable(format!("`{text}` is no finding; write `src/lib.rs:12 what is wrong there`"));
        let (place, what) = text.trim().split_once(char::is_whitespace).ok_or_else(shape)?;
        let (file, line) = place.rsplit_once(':').ok_or_else(shape)?;
        let line = line.parse().ok().filter(|it| *it > 0).ok_or_else(shape)?;
        if file.is_empty() {
            return Err(shape());
        }
        Ok(Self { file: file.to_owned(), line, text: what.trim().to_owned() })
    }
}

/// A report that is refused, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreportable(String);

impl Report {
    /// The same report, checked and in the form in which it is kept.
    ///
    /// # Errors
    /// When it is too long, says nothing, or is of a kind that this version does not know.
    pub fn checked(self) -> Result<Self, Unreportable> {
        Ok(match self {
            Self::Status { text, confidence } => {
                if confidence.is_some_and(|it| !(0.0..=1.0).contains(&it)) {
                    return Err(Unreportable("the confidence is a number from 0 to 1".to_owned()));
                }
                Self::Status { text: line("a status", &text, STATUS)?, confidence }
            }
            Self::Stuck { why } => Self::Stuck { why: text("what is in the way", &why)? },
            Self::Question { text: asked, options } => {
                if options.len() > OPTIONS {
                    return Err(Unreportable(format!("a question has at most {OPTIONS} options")));
                }
                let options = options.iter().map(|it| line("an option", it, LINE));
                Self::Question {
                    text: text("a question", &asked)?,
                    options: options.collect::<Result<_, _>>()?,
                }
            }
            Self::Artifact { name, bytes } => {
                if bytes > ARTIFACT {
                    return Err(Unreportable(format!(
                        "an artifact has at most {ARTIFACT} bytes, not {bytes}"
                    )));
                }
                Self::Artifact { name: file_name(&name)?, bytes }
            }
            Self::Verdict(verdict) => Self::Verdict(verdict.checked()?),
            Self::Unknown => {
                return Err(Unreportable("this version of coord knows no such report".to_owned()));
            }
        })
    }
}

impl Verdict {
    fn checked(self) -> Result<Self, Unreportable> {
        if self.findings.len() > FINDINGS {
            return Err(Unreportable(format!("a verdict has at most {FINDINGS} findings; tell the worst")));
        }
        let findings = self.findings.into_iter().map(|it| {
            let (file, text) =
                (line("the file of a finding", &it.file, LINE)?, line("a finding", &it.text, LINE)?);
            Ok(Finding { file, line: it.line, text })
        });
        Ok(Self {
            decision: self.decision,
            summary: text("the summary", &self.summary)?,
            findings: findings.collect::<Result<_, _>>()?,
        })
    }
}

/// What may be said to a worker, and by it: not empty, not too long, and nothing that could move a cursor.
///
/// # Errors
/// When it is empty or too long; `what` says what it is.
pub fn text(what: &str, said: &str) -> Result<String, Unreportable> {
    let plain: String =
        said.trim().chars().filter(|it| !it.is_control() || matches!(it, '\n' | '\t')).collect();
    bounded(what, plain, TEXT)
}

/// The same on one line.
fn line(what: &str, said: &str, limit: usize) -> Result<String, Unreportable> {
    let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
    bounded(what, flat.chars().filter(|it| !it.is_control()).collect(), limit)
}

fn bounded(what: &str, said: String, limit: usize) -> Result<String, Unreportable> {
    match said.chars().count() {
        0 => Err(Unreportable(format!("{what} is empty"))),
        long if long > limit => {
            Err(Unreportable(format!("{what} has {long} characters; {limit} are allowed")))
        }
        _ => Ok(said),
    }
}

/// The name of an artifact: one that is a file in whatever directory it is put, and neither hidden nor a way out.
///
/// # Errors
/// When it is anything else; the error says what it may have.
pub fn file_name(name: &str) -> Result<String, Unreportable> {
    let plain = |it: char| it.is_alphanumeric() || matches!(it, '.' | '-' | '_' | ' ' | '+');
    if name.is_empty() || name.len() > 100 || name.starts_with('.') || !name.chars().all(plain) {
        let what = "letters, digits, `.`, `-`, `_`, `+` and spaces, at most 100 bytes, and no dot in front";
        return Err(Unreportable(format!(
            "`{}` is no name for an artifact; it may have {what}",
            name.escape_debug()
        )));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(text: &str, confidence: Option<f64>) -> Result<Report, Unreportable> {
        Report::Status { text: text.to_owned(), confidence }.checked()
    }

    #[test]
    fn a_status_is_one_line_of_plain_text() {
        let kept = status("half \u{1b}[2Jway\n there ", Some(0.5)).unwrap();
        assert_eq!(kept, Report::Status { text: "half [2Jway there".to_owned(), confidence: Some(0.5) });
        for bad in ["", " \n", "\u{7}", &"x".repeat(501)] {
            assert!(status(bad, None).is_err(), "{bad:?}");
        }
        for odd in [-0.1, 1.5, f64::NAN, f64::INFINITY] {
            assert!(status("fine", Some(odd)).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_finding_is_a_file_a_line_and_a_text() {
        let finding: Finding = "src/a:b.rs:12  off by one ".parse().unwrap();
        assert_eq!(finding, Finding { file: "src/a:b.rs".into(), line: 12, text: "off by one".into() });
        assert_eq!(finding.to_string().parse(), Ok(finding));
        for bad in ["", "src/lib.rs off by one", "src/lib.rs:0 x", ":3 x", "src/lib.rs:12"] {
            assert!(bad.parse::<Finding>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_artifact_stays_in_the_directory_it_is_put_into() {
        let named = |name: &str, bytes| Report::Artifact { name: name.to_owned(), bytes }.checked();
        assert!(named("Report 1.html", 3).is_ok());
        for bad in ["", ".", "..", ".hidden", "a/b", "/etc/passwd", "a\nb", "a\0b", &"x".repeat(101)] {
            assert!(named(bad, 3).is_err(), "{bad:?}");
        }
        assert!(named("big", ARTIFACT + 1).is_err());
    }

    #[test]
    fn what_a_newer_worker_says_is_refused_and_no_nonsense() {
        let report: Report = serde_json::from_str(r#"{"report":"dance","steps":3}"#).unwrap();
        assert_eq!(report, Report::Unknown);
        assert!(report.checked().is_err());
    }
}
