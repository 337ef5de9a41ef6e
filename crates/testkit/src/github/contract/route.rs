//! Paths with parameters.

use super::Parameters;

/// Where an operation is.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) operation: String,
    pub(super) method: String,
    pub(super) template: String,
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Literal(String),
    Parameter { name: String, long: bool },
}

/// An operation with the parameters that its path gave.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    pub(crate) route: &'a Route,
    pub(crate) parameters: Parameters,
}

/// Parameters in which a slash may stand as it is: names of branches and files.
const LONG: [&str; 5] = ["ref", "basehead", "branch", "path", "name"];

impl Route {
    pub(super) fn new(operation: &str, method: &str, template: &str) -> Self {
        let part = |part: &str| match part.strip_prefix('{').and_then(|it| it.strip_suffix('}')) {
            Some(name) => Part::Parameter { name: name.into(), long: LONG.contains(&name) },
            None => Part::Literal(part.into()),
        };
        let parts = template.split('/').skip(1).map(part).collect();
        Self { operation: operation.into(), method: method.to_uppercase(), template: template.into(), parts }
    }

    pub(super) fn literals(&self) -> usize {
        self.parts.iter().filter(|part| matches!(part, Part::Literal(_))).count()
    }

    pub(super) fn matches(&self, method: &str, path: &[&str]) -> Option<Found<'_>> {
        if self.method != method {
            return None;
        }
        let mut parameters = Parameters::new();
        fit(&self.parts, path, &mut parameters).then_some(Found { route: self, parameters })
    }
}

/// Fits a path to a template; a long parameter takes as little as leaves the rest to fit.
fn fit(parts: &[Part], path: &[&str], parameters: &mut Parameters) -> bool {
    let Some((first, rest)) = parts.split_first() else { return path.is_empty() };
    match first {
        Part::Literal(text) => path.first().is_some_and(|it| it == text) && fit(rest, &path[1..], parameters),
        Part::Parameter { name, long } => {
            let most = if *long { path.len() } else { path.len().min(1) };
            (1..=most).any(|taken| {
                let value = decode(&path[..taken].join("/"));
                let fits = !value.is_empty() && fit(rest, &path[taken..], parameters);
                if fits {
                    parameters.insert(name.clone(), value);
                }
                fits
            })
        }
    }
}

/// Undoes percent encoding.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|it| std::str::from_utf8(it).ok());
        match hex.and_then(|it| u8::from_str_radix(it, 16).ok()) {
            Some(byte) if bytes[at] == b'%' => {
                decoded.push(byte);
                at += 3;
            }
            Some(_) | None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(template: &str, path: &str) -> Option<Parameters> {
        let route = Route::new("it", "get", template);
        let parts: Vec<_> = path.split('/').skip(1).collect();
        route.matches("GET", &parts).map(|found| found.parameters)
    }

    #[test]
    fn a_branch_may_have_slashes_before_what_follows_it() {
        let found = parameters("/branches/{branch}/protection", "/branches/a/b/protection").unwrap();
        assert_eq!(found["branch"], "a/b");
        assert_eq!(parameters("/branches/{branch}/protection", "/branches/protection"), None);
    }

    #[test]
    fn what_is_encoded_is_decoded_after_the_path_was_split() {
        let found = parameters("/labels/{name}", "/labels/help%20wanted%2Fsoon").unwrap();
        assert_eq!(found["name"], "help wanted/soon");
        assert_eq!(parameters("/issues/{issue_number}", "/issues/1/2"), None);
    }
}
