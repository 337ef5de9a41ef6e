//! Reading queries, and picking what they ask for out of a document.
//!
//! <https://spec.graphql.org/October2021/>

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Found, Problem};

/// A query or mutation with its fragments.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) is_mutation: bool,
    pub(super) selection: Vec<Selection>,
    fragments: BTreeMap<String, (String, Vec<Selection>)>,
}

#[derive(Debug)]
pub(super) enum Selection {
    Field(Field),
    Spread(String),
    Inline { on: Option<String>, selection: Vec<Self> },
}

/// A field that is asked for; variables have become what they stand for.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) alias: String,
    pub(super) name: String,
    pub(super) arguments: Value,
    pub(super) selection: Vec<Selection>,
}

impl Field {
    /// An argument that is a text; empty when it is none.
    pub(super) fn text(&self, argument: &str) -> &str {
        self.arguments[argument].as_str().unwrap_or_default()
    }
}

impl Document {
    pub(super) fn parse(text: &str, variables: &Value) -> Result<Self, String> {
        let mut reader = Reader { tokens: tokens(text), at: 0, variables: variables.clone() };
        let mut document = Self::default();
        while let Some(token) = reader.peek() {
            match token {
                "{" => document.selection = reader.selection()?,
                "fragment" => {
                    reader.next()?;
                    let name = reader.next()?;
                    reader.expect("on")?;
                    let on = reader.next()?;
                    document.fragments.insert(name, (on, reader.selection()?));
                }
                kind => {
                    document.is_mutation = kind == "mutation";
                    reader.next()?;
                    if reader.peek().is_some_and(is_name) {
                        reader.next()?;
                    }
                    reader.declarations()?;
                    document.selection = reader.selection()?;
                }
            }
        }
        Ok(document)
    }

    /// The fields of a selection for a thing of this type, fragments resolved.
    pub(super) fn fields<'a>(&'a self, kind: &str, selection: &'a [Selection]) -> Vec<&'a Field> {
        let mut fields = Vec::new();
        for part in selection {
            match part {
                Selection::Field(field) => fields.push(field),
                Selection::Spread(name) => {
                    if let Some((on, inner)) = self.fragments.get(name)
                        && (on == kind || kind.is_empty())
                    {
                        fields.extend(self.fields(kind, inner));
                    }
                }
                Selection::Inline { on, selection } => {
                    if on.as_ref().is_none_or(|on| on == kind || kind.is_empty()) {
                        fields.extend(self.fields(kind, selection));
                    }
                }
            }
        }
        fields
    }

    /// What a field asks for of a document that stands for it.
    pub(super) fn pick(&self, value: &Value, field: &Field) -> Found {
        if field.selection.is_empty() {
            return Ok(value.clone());
        }
        match value {
            Value::Null => Ok(Value::Null),
            Value::Array(items) => items.iter().map(|item| self.pick(item, field)).collect(),
            Value::Object(_) => {
                let kind = value["__typename"].as_str().unwrap_or_default();
                let mut picked = Map::new();
                for inner in self.fields(kind, &field.selection) {
                    picked.insert(inner.alias.clone(), self.pick_one(value, inner)?);
                }
                Ok(Value::Object(picked))
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                Err(Problem::Absent(format!("selection of `{}`", field.name)))
            }
        }
    }

    /// One field of a document.
    pub(super) fn pick_one(&self, document: &Value, field: &Field) -> Found {
        let value = document
            .get(&field.name)
            .ok_or_else(|| Problem::Absent(format!("`{}` of a {}", field.name, document["__typename"])))?;
        self.pick(&limited(value, field), field)
    }
}

/// A connection has all of its nodes; `first` and `last` say how many are wanted.
fn limited(value: &Value, field: &Field) -> Value {
    let Some(nodes) = value["nodes"].as_array() else { return value.clone() };
    let most = |name: &str| field.arguments[name].as_u64().and_then(|it| usize::try_from(it).ok());
    let nodes = match (most("first"), most("last")) {
        (Some(first), _) => &nodes[..nodes.len().min(first)],
        (None, Some(last)) => &nodes[nodes.len().saturating_sub(last)..],
        (None, None) => &nodes[..],
    };
    let mut limited = value.clone();
    limited["nodes"] = json!(nodes);
    limited
}

struct Reader {
    tokens: Vec<String>,
    at: usize,
    variables: Value,
}

impl Reader {
    fn peek(&self) -> Option<&str> {
        self.tokens.get(self.at).map(String::as_str)
    }

    fn next(&mut self) -> Result<String, String> {
        let token = self.tokens.get(self.at).cloned().ok_or("end of the query")?;
        self.at += 1;
        Ok(token)
    }

    fn take(&mut self, wanted: &str) -> bool {
        let there = self.peek() == Some(wanted);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, wanted: &str) -> Result<(), String> {
        if self.take(wanted) { Ok(()) } else { Err(format!("`{wanted}` where {:?} is", self.peek())) }
    }

    /// `($number: Int! = 1)`: only a default matters.
    fn declarations(&mut self) -> Result<(), String> {
        if !self.take("(") {
            return Ok(());
        }
        let mut name = String::new();
        while !self.take(")") {
            match self.next()?.as_str() {
                "$" => name = self.next()?,
                "=" => {
                    let default = self.value()?;
                    if self.variables.get(&name).is_none() {
                        self.variables[&name] = default;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn selection(&mut self) -> Result<Vec<Selection>, String> {
        self.expect("{")?;
        let mut parts = Vec::new();
        while !self.take("}") {
            parts.push(if self.take("...") { self.spread()? } else { Selection::Field(self.field()?) });
        }
        Ok(parts)
    }

    fn spread(&mut self) -> Result<Selection, String> {
        let on = if self.take("on") { Some(self.next()?) } else { None };
        if on.is_some() || self.peek() == Some("{") {
            return Ok(Selection::Inline { on, selection: self.selection()? });
        }
        self.next().map(Selection::Spread)
    }

    fn field(&mut self) -> Result<Field, String> {
        let alias = self.next()?;
        let name = if self.take(":") { self.next()? } else { alias.clone() };
        let arguments = if self.take("(") { self.pairs(")")? } else { json!({}) };
        let selection = if self.peek() == Some("{") { self.selection()? } else { Vec::new() };
        Ok(Field { alias, name, arguments, selection })
    }

    fn pairs(&mut self, end: &str) -> Result<Value, String> {
        let mut pairs = Map::new();
        while !self.take(end) {
            let name = self.next()?;
            self.expect(":")?;
            pairs.insert(name, self.value()?);
        }
        Ok(Value::Object(pairs))
    }

    fn value(&mut self) -> Result<Value, String> {
        let token = self.next()?;
        match token.as_str() {
            "$" => {
                let name = self.next()?;
                Ok(self.variables.get(&name).cloned().unwrap_or(Value::Null))
            }
            "{" => self.pairs("}"),
            "[" => {
                let mut items = Vec::new();
                while !self.take("]") {
                    items.push(self.value()?);
                }
                Ok(items.into())
            }
            // Texts, numbers and truth values are written as in JSON; what is left is an enum.
            text => Ok(serde_json::from_str(text).unwrap_or_else(|_| text.into())),
        }
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
}

/// Words, numbers, quoted texts and marks; commas are blanks.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            ' ' | '\t' | '\n' | '\r' | ',' => {
                rest = &rest[1..];
                continue;
            }
            '"' => quoted_length(rest),
            '.' if rest.starts_with("...") => 3,
            it if it.is_ascii_alphanumeric() || it == '_' || it == '-' => {
                let ends = |it: char| !(it.is_ascii_alphanumeric() || "_-.".contains(it));
                rest.find(ends).unwrap_or(rest.len())
            }
            it => it.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token.to_owned());
        rest = after;
    }
    tokens
}

fn quoted_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_picks_with_aliases_fragments_and_variables() {
        let text = "fragment it on Issue{number,says:title}
            query X($n:Int!,$few:Int=1){ thing(number:$n){ ...it labels(first:$few){nodes{name}} ...on Pull{draft} } }";
        let document = Document::parse(text, &json!({ "n": 7 })).unwrap();
        let field = document.fields("Query", &document.selection)[0];
        assert_eq!(field.arguments, json!({ "number": 7 }));
        let thing = json!({
            "__typename": "Issue", "number": 7, "title": "one", "body": "two",
            "labels": { "nodes": [{ "name": "a" }, { "name": "b" }] },
        });
        let wanted = json!({ "number": 7, "says": "one", "labels": { "nodes": [{ "name": "a" }] } });
        assert_eq!(document.pick(&thing, field).unwrap(), wanted);
    }

    #[test]
    fn a_field_that_is_not_there_is_named() {
        let document = Document::parse("{ thing { nothing } }", &Value::Null).unwrap();
        let field = document.fields("Query", &document.selection)[0];
        let problem = document.pick(&json!({ "__typename": "Issue" }), field).unwrap_err();
        assert!(matches!(problem, Problem::Absent(what) if what.contains("nothing")));
    }

    #[test]
    fn texts_may_have_quotes_and_objects_may_be_written_out() {
        let document = Document::parse(
            r#"mutation { say(input: {text: "a \"b\"", kind: LOUD, n: [1]}) }"#,
            &Value::Null,
        );
        let document = document.unwrap();
        let field = document.fields("Query", &document.selection)[0];
        assert_eq!(field.arguments["input"], json!({ "text": "a \"b\"", "kind": "LOUD", "n": [1] }));
        assert!(document.is_mutation);
    }
}
