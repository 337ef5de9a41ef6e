//! Letting what a program keeps on disk grow old, instead of waiting until it is.

use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use serde_json::Value;

/// Makes everything below `directory` older by so much: when a file was changed last, and every moment that a JSON
/// document (`*.json`) names. Programs that may be at it must not run meanwhile.
///
/// # Panics
/// When something there cannot be read or written.
pub fn age(directory: &Utf8Path, by: Duration) {
    for file in files(directory) {
        let changed = fs_err::metadata(&file).and_then(|it| it.modified());
        let changed: SystemTime = changed.expect("files of a world can be looked at");
        if file.extension() == Some("json") {
            let text = fs_err::read(&file).expect("files of a world can be read");
            let mut document = serde_json::from_slice(&text).expect("a `.json` file is JSON");
            turn_back(&mut document, by);
            fs_err::write(&file, document.to_string()).expect("files of a world can be written");
        }
        let opened =
            fs_err::File::options().append(true).open(&file).expect("files of a world can be written");
        opened.file().set_modified(changed - by).expect("the owner of a file says how old it is");
    }
}

fn files(directory: &Utf8Path) -> Vec<Utf8PathBuf> {
    let (mut files, mut left) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(directory) = left.pop() {
        for entry in directory.read_dir_utf8().expect("directories of a world can be read") {
            let path = entry.expect("directories of a world can be read").into_path();
            if path.is_dir() { left.push(path) } else { files.push(path) }
        }
    }
    files
}

fn turn_back(value: &mut Value, by: Duration) {
    match value {
        Value::String(text) => {
            if let Ok(moment) = text.parse::<Timestamp>() {
                *text = (moment - by).to_string();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|it| turn_back(it, by)),
        Value::Object(fields) => fields.values_mut().for_each(|it| turn_back(it, by)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_the_moments_in_documents_are_older_afterwards_and_nothing_else_is_different() {
        let temp = tempfile::tempdir().unwrap();
        let directory = Utf8Path::from_path(temp.path()).unwrap();
        let (text, document) = (directory.join("a/b"), directory.join("a/state.json"));
        fs_err::create_dir(directory.join("a")).unwrap();
        fs_err::write(&text, "2026-01-01T00:01:00Z").unwrap();
        fs_err::write(&document, r#"{"at":["2026-01-01T00:01:00Z","one"],"n":1}"#).unwrap();
        let changed = |path: &Utf8Path| fs_err::metadata(path).unwrap().modified().unwrap();
        let before = (changed(&text), changed(&document));
        let minute = Duration::from_secs(60);
        age(directory, minute);
        assert_eq!((changed(&text), changed(&document)), (before.0 - minute, before.1 - minute));
        assert_eq!(fs_err::read_to_string(text).unwrap(), "2026-01-01T00:01:00Z");
        let document = fs_err::read_to_string(document).unwrap();
        assert_eq!(document, r#"{"at":["2026-01-01T00:00:00Z","one"],"n":1}"#);
    }
}
