//! What a configuration may say, from the types that read it: their comments,
//! defaults and bounds. Written for people as Markdown, and used at the start
//! to refuse numbers outside their bounds, so that the two cannot differ.
//!
//! Must not know: any service's keys.

use std::fmt::Write as _;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// The schema of a configuration, with nothing that stands elsewhere.
pub(crate) fn schema<C: JsonSchema>() -> Value {
    let settings = SchemaSettings::default().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<C>().to_value()
}

/// Looks at every number and every list; relations are not its business.
///
/// # Errors
/// A sentence that names the first key outside its bounds.
pub(crate) fn check_bounds(schema: &Value, value: &Value) -> Result<(), String> {
    check_at("", schema, value)
}

fn check_at(at: &str, schema: &Value, value: &Value) -> Result<(), String> {
    let (number, list) =
        (limits(schema, "minimum", "maximum"), limits(schema, "minItems", "maxItems"));
    let fits = |(least, most): (Option<i128>, Option<i128>), is: i128| {
        least.is_none_or(|least| is >= least) && most.is_none_or(|most| is <= most)
    };
    match value {
        Value::Number(_) if whole(value).is_some_and(|is| !fits(number, is)) => {
            Err(format!("{at} must be {}", span(number)))
        }
        Value::Array(items) if !fits(list, i128::try_from(items.len()).unwrap_or(i128::MAX)) => {
            Err(format!("{at} must name {}", span(list)))
        }
        Value::Array(items) => {
            items.iter().try_for_each(|item| check_at(at, &schema["items"], item))
        }
        Value::Object(fields) => {
            let ways = schema["oneOf"].as_array().into_iter().flatten();
            let chosen = ways.filter(|way| is_chosen(way, value));
            std::iter::once(schema).chain(chosen).try_for_each(|schema| {
                fields.iter().try_for_each(|(key, field)| {
                    check_at(&under(at, key), &schema["properties"][key], field)
                })
            })
        }
        _ => Ok(()),
    }
}

/// Whether it is this one of several tables: each says so by a key.
fn is_chosen(way: &Value, value: &Value) -> bool {
    way["properties"].as_object().is_some_and(|fields| {
        let mut marks = fields.iter().filter(|(_, field)| !field["const"].is_null());
        marks.all(|(key, field)| value[key] == field["const"])
    })
}

fn limits(schema: &Value, least: &str, most: &str) -> (Option<i128>, Option<i128>) {
    (whole(&schema[least]), whole(&schema[most]))
}

fn whole(value: &Value) -> Option<i128> {
    value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from))
}

fn span(limits: (Option<i128>, Option<i128>)) -> String {
    match limits {
        (Some(least), Some(most)) => format!("{least} to {most}"),
        (Some(least), None) => format!("at least {least}"),
        (None, Some(most)) => format!("at most {most}"),
        (None, None) => String::new(),
    }
}

fn under(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }
}

/// The reference: one table of keys for each table of the file, without a title.
pub(crate) fn markdown(schema: &Value, env_prefix: &str) -> String {
    let mut page = format!("Variables begin with `{env_prefix}`.\n");
    write_keys(&mut page, "", schema);
    page
}

/// The keys with values of their own, then the tables among them.
fn write_keys(page: &mut String, at: &str, schema: &Value) {
    let Some(fields) = schema["properties"].as_object() else { return };
    let plain: Vec<_> = fields.iter().filter(|(_, field)| !is_table(field)).collect();
    if !plain.is_empty() {
        page.push_str("\n| Key | Value | Default | |\n| --- | --- | --- | --- |\n");
    }
    // What must be said comes first.
    for wanted in [true, false] {
        for (key, field) in plain.iter().filter(|(key, _)| is_required(schema, key) == wanted) {
            let default = if wanted { "required".to_owned() } else { default_of(field) };
            let kind = cell(&kind_of(key, field));
            let _ = writeln!(page, "| `{key}` | {kind} | {default} | {} |", cell(&words(field)));
        }
    }
    for (key, field) in fields.iter().filter(|(_, field)| is_table(field)) {
        let path = under(at, key);
        let (title, inner) = match &field["items"] {
            Value::Null => (format!("`[{path}]`"), field),
            item => (format!("`[[{path}]]`"), item),
        };
        let required = if is_required(schema, key) { " Required." } else { "" };
        let _ = write!(page, "\n### {title}\n\n{}{required}\n", words(field));
        for way in inner["oneOf"].as_array().into_iter().flatten() {
            let _ = write!(page, "\n{}\n", words(way));
            write_keys(page, &path, way);
        }
        write_keys(page, &path, inner);
    }
}

/// Whether a key stands for a table, a list of tables, or one of several tables.
fn is_table(field: &Value) -> bool {
    ["properties", "oneOf"].iter().any(|part| !field[part].is_null())
        || !field["items"]["properties"].is_null()
}

fn is_required(schema: &Value, key: &str) -> bool {
    schema["required"].as_array().is_some_and(|keys| keys.iter().any(|known| known == key))
}

fn default_of(field: &Value) -> String {
    match &field["default"] {
        Value::Null => "none".to_owned(),
        value => format!("`{value}`"),
    }
}

/// What is written there: its type, its unit by the end of the name, its bounds.
fn kind_of(key: &str, field: &Value) -> String {
    if let Some(only) = field["const"].as_str() {
        return format!("`{only:?}`");
    }
    let kind = match &field["type"] {
        Value::Array(kinds) => kinds.iter().find_map(Value::as_str),
        kind => kind.as_str(),
    };
    match kind {
        Some("integer") => {
            const UNITS: [(&str, &str); 5] = [
                ("_ms", "ms"),
                ("per_s", "a second"),
                ("_s", "s"),
                ("_bytes", "bytes"),
                ("_percent", "percent"),
            ];
            let unit = UNITS.iter().find(|(end, _)| key.ends_with(end));
            let unit = unit.map(|(_, unit)| format!(", {unit}")).unwrap_or_default();
            match limits(field, "minimum", "maximum") {
                // Said once for all numbers, at the top of the page.
                (Some(0) | None, None) => format!("number{unit}"),
                bounds => format!("number{unit}, {}", span(bounds)),
            }
        }
        // Its bounds are in its words: `check` looks at whole numbers only.
        Some("number") => "number".to_owned(),
        Some("boolean") => "true or false".to_owned(),
        Some("array") => match span(limits(field, "minItems", "maxItems")) {
            bounds if bounds.is_empty() => "list of texts".to_owned(),
            bounds => format!("list of texts, {bounds}"),
        },
        _ => "text".to_owned(),
    }
}

/// The comment of a key, on one line.
fn words(field: &Value) -> String {
    let text = field["description"].as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    /// A shop.
    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its description is looked at")]
    struct Shop {
        /// What it is
        /// called.
        name: String,
        /// Its doors.
        #[schemars(length(min = 1))]
        doors: Vec<String>,
        /// How it is paid.
        till: Till,
        /// Its hours.
        #[serde(default)]
        hours: Hours,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    struct Hours {
        /// How long it is open.
        #[schemars(range(min = 1, max = 1000))]
        open_ms: u64,
        /// a | b
        sunday: bool,
    }

    impl Default for Hours {
        fn default() -> Self {
            Self { open_ms: 500, sunday: false }
        }
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(tag = "mode", rename_all = "lowercase", deny_unknown_fields)]
    #[expect(dead_code, reason = "only its description is looked at")]
    enum Till {
        /// With coins.
        Cash {
            /// How many fit.
            #[schemars(range(min = 2))]
            coins: Option<u8>,
        },
        /// With anything else.
        Other {
            /// How many ways.
            coins: Option<u8>,
        },
    }

    #[test]
    fn every_key_has_its_line_with_kind_default_and_comment() {
        let page = markdown(&schema::<Shop>(), "SHOP_");
        for line in [
            "Variables begin with `SHOP_`.",
            "| `name` | text | required | What it is called. |",
            "| `doors` | list of texts, at least 1 | required | Its doors. |",
            "### `[hours]`",
            "| `open_ms` | number, ms, 1 to 1000 | `500` | How long it is open. |",
            "| `sunday` | true or false | `false` | a \\| b |",
            "How it is paid. Required.",
            "With coins.",
            "| `mode` | `\"cash\"` | required |  |",
            "| `coins` | number, 2 to 255 | none | How many fit. |",
            "| `coins` | number, 0 to 255 | none | How many ways. |",
        ] {
            assert!(page.lines().any(|other| other == line), "{line:?} is not in\n{page}");
        }
    }

    #[test]
    fn what_is_outside_its_bounds_is_named() {
        let check = |value| check_bounds(&schema::<Shop>(), &value);
        assert_eq!(check(json!({"doors": ["a"], "hours": {"open_ms": 1000}})), Ok(()));
        let long = check(json!({"hours": {"open_ms": 1001}})).unwrap_err();
        assert_eq!(long, "hours.open_ms must be 1 to 1000");
        assert_eq!(check(json!({"doors": []})).unwrap_err(), "doors must name at least 1");
        let few = check(json!({"till": {"mode": "cash", "coins": 1}})).unwrap_err();
        assert_eq!(few, "till.coins must be 2 to 255");
        assert_eq!(check(json!({"till": {"mode": "other", "coins": 1}})), Ok(()));
    }
}
