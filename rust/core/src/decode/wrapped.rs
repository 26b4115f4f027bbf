//! Lines that a carrier wrapped in JSON: `{"message": "2 123456789010 …"}`, as Firehose pipelines write them.

use std::borrow::Cow;

/// The record in a wrapped line, or why there is none.
pub(crate) fn message(line: &[u8]) -> Result<Cow<'_, str>, String> {
    // Told apart by hand where nothing is escaped, which is nearly always.
    if let Some(plain) = plain(line) {
        return Ok(Cow::Borrowed(plain));
    }
    let value: serde_json::Value =
        serde_json::from_slice(line).map_err(|error| format!("the line is not JSON: {error}"))?;
    match value.get("message") {
        Some(serde_json::Value::String(message)) => Ok(Cow::Owned(message.replace(['\n', '\r'], " "))),
        _ => Err("the line is JSON without a \"message\" text".into()),
    }
}

fn plain(line: &[u8]) -> Option<&str> {
    let rest = std::str::from_utf8(line).ok()?.strip_prefix('{')?.trim_start().strip_prefix("\"message\"")?;
    let rest = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let text = rest.strip_suffix('}')?.trim_end().strip_suffix('"')?;
    (!text.bytes().any(|byte| byte == b'"' || byte == b'\\' || byte < 0x20)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::message;

    #[test]
    fn the_message_comes_out() {
        for line in [
            r#"{"message":"2 - -"}"#,
            r#"{ "message" : "2 - -" }"#,
            r#"{"@timestamp": 1, "message":"2 \u002d -"}"#,
            r#"{"message":"2 - -\n"}"#,
        ] {
            assert_eq!(message(line.as_bytes()).unwrap().trim_end(), "2 - -", "{line}");
        }
        assert!(message(br#"{"message":"2"#).unwrap_err().contains("not JSON"));
        assert!(message(br#"{"msg":"2"}"#).unwrap_err().contains("message"));
        assert!(message(br#"{"message":7}"#).unwrap_err().contains("message"));
    }
}
