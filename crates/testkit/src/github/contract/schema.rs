//! From the schemas of OpenAPI 3.0 to those of JSON Schema, and from those to validators.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jsonschema::{Registry, Validator};
use serde_json::{Map, Value, json};

/// Where the description is, for references into it.
const DOCUMENT: &str = "json-schema:///github";

/// All schemas that have a name, and validators of what was looked at so far.
#[derive(Debug)]
pub(super) struct Schemas {
    registry: Registry<'static>,
    validators: Mutex<BTreeMap<String, Arc<Validator>>>,
}

impl Schemas {
    pub(super) fn new(components: &Value) -> Self {
        let document = json!({ "components": { "schemas": convert(&components["schemas"]) } });
        let builder = Registry::new().add(DOCUMENT, document).expect("this is a URI");
        let registry = builder.prepare().expect("the description refers to nothing outside");
        Self { registry, validators: Mutex::default() }
    }

    /// What is wrong with a document, in a line each. `place` is where the schema stands, for the next time.
    pub(super) fn check(&self, place: &str, schema: &Value, document: &Value) -> Vec<String> {
        let validator = self.validator(place, schema);
        let errors = validator.iter_errors(document);
        errors
            .map(|error| format!("{place} {}: {}", error.instance_path(), shortened(&error.to_string())))
            .collect()
    }

    fn validator(&self, place: &str, schema: &Value) -> Arc<Validator> {
        let mut validators = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(validator) = validators.get(place) {
            return validator.clone();
        }
        let options = jsonschema::options().with_registry(&self.registry).should_validate_formats(true);
        let built = options.build(&convert(schema));
        let validator = Arc::new(built.unwrap_or_else(|error| panic!("the schema of {place}: {error}")));
        validators.insert(place.into(), validator.clone());
        validator
    }
}

/// An error quotes the whole document.
fn shortened(text: &str) -> String {
    const MOST: usize = 300;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// What OpenAPI 3.0 says otherwise than JSON Schema, said as JSON Schema does.
fn convert(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => convert_object(fields),
        Value::Array(items) => items.iter().map(convert).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => schema.clone(),
    }
}

fn convert_object(fields: &Map<String, Value>) -> Value {
    let mut converted = Map::new();
    for (key, value) in fields {
        match key.as_str() {
            "nullable" if value.is_boolean() => {}
            // Names of fields are no keywords.
            "properties" => {
                let properties = value.as_object().into_iter().flatten();
                let properties = properties.map(|(name, schema)| (name.clone(), convert(schema)));
                converted.insert(key.clone(), Value::Object(properties.collect()));
            }
            "enum" | "default" | "required" => {
                converted.insert(key.clone(), value.clone());
            }
            "$ref" => {
                let target = value.as_str().unwrap_or_default();
                converted.insert(key.clone(), format!("{DOCUMENT}{target}").into());
            }
            // GitHub's alternatives overlap: what happened to a comment also happened to its issue.
            "oneOf" => {
                converted.insert("anyOf".into(), convert(value));
            }
            _ => {
                converted.insert(key.clone(), convert(value));
            }
        }
    }
    if fields.get("nullable") == Some(&Value::Bool(true)) {
        or_null(converted)
    } else {
        Value::Object(converted)
    }
}

fn or_null(mut schema: Map<String, Value>) -> Value {
    let Some(kind) = schema.get("type").cloned() else {
        return json!({ "anyOf": [Value::Object(schema), { "type": "null" }] });
    };
    schema.insert("type".into(), json!([kind, "null"]));
    if let Some(Value::Array(values)) = schema.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    Value::Object(schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nullable_may_be_null_and_a_field_of_that_name_stays() {
        let schema = json!({ "type": "object", "nullable": true, "properties": {
            "nullable": { "type": "boolean" },
            "state": { "type": "string", "nullable": true, "enum": ["open"] },
            "owner": { "nullable": true, "allOf": [{ "$ref": "#/components/schemas/user" }] },
        } });
        let wanted = json!({ "type": ["object", "null"], "properties": {
            "nullable": { "type": "boolean" },
            "state": { "type": ["string", "null"], "enum": ["open", null] },
            "owner": { "anyOf": [
                { "allOf": [{ "$ref": "json-schema:///github#/components/schemas/user" }] },
                { "type": "null" },
            ] },
        } });
        assert_eq!(convert(&schema), wanted);
    }
}
