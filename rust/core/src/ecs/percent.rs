//! Tag values arrive percent-encoded: `platform%2Dengineering`.

use std::borrow::Cow;

/// The text with its `%NN` resolved. A text that would not be UTF-8 then, or has a stray `%`, stays as it is there.
pub(crate) fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let value = pair.and_then(|pair| Some(digit(pair[0])? * 16 + digit(pair[1])?));
        decoded.push(value.map_or(bytes[at], |value| value as u8));
        at += if value.is_some() { 3 } else { 1 };
    }
    String::from_utf8(decoded).map_or(Cow::Borrowed(text), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn what_is_encoded_is_decoded_and_the_rest_left() {
        for (text, decoded) in [
            ("platform%2Dengineering", "platform-engineering"),
            ("caf%C3%A9%20%22x%22", "café \"x\""),
            ("100%", "100%"),
            ("%zz%2", "%zz%2"),
            ("%ff", "%ff"),
            ("%25", "%"),
        ] {
            assert_eq!(decode(text), decoded, "{text}");
        }
    }
}
