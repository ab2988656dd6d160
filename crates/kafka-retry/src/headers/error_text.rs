//! An error as header text: on one line, or in full, and always bounded.

use kafka_core::consumer::HandlerError;

/// The longest one-line text, in bytes.
const SUMMARY_LIMIT: usize = 1_024;

/// Marks where text was cut.
const CUT: &str = "…";

/// The error and its causes on one line, at most 1 KiB.
pub(super) fn summary(error: &HandlerError) -> String {
    let text = error.to_string();
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    bounded(line, SUMMARY_LIMIT)
}

/// The error's type, its causes one to a line, and its debug form with the backtrace that anyhow took.
pub(super) fn detail(error: &HandlerError, limit: usize) -> String {
    let chain = error.chain().join("\ncaused by: ");
    bounded(format!("{}: {chain}\n\n{error:?}", error.type_name()), limit)
}

/// The text cut to so many bytes, on a character's boundary.
fn bounded(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let mut end = limit.saturating_sub(CUT.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(CUT);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("order\n  failed")]
    struct OrderFailed(#[source] std::io::Error);

    #[test]
    fn one_line_and_all_causes() {
        let error = HandlerError::from(OrderFailed(std::io::Error::other("disk\tfull")));
        assert_eq!(summary(&error), "order failed: disk full");
        let text = detail(&error, 10_000);
        assert!(text.contains("OrderFailed: order\n  failed\ncaused by: disk\tfull\n\nOrderFailed("), "{text}");
    }

    #[test]
    fn text_is_cut_between_characters() {
        for limit in 3..40 {
            let cut = bounded("äöü€𝄞".repeat(9), limit);
            assert!(cut.len() <= limit && cut.ends_with(CUT), "{limit}: {cut}");
        }
        assert_eq!(bounded("short".to_owned(), 5), "short");
        let long = HandlerError::from("x".repeat(100_000));
        assert!(summary(&long).len() <= SUMMARY_LIMIT && detail(&long, 2_000).len() <= 2_000);
    }
}
