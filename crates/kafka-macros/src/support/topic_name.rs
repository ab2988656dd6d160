//! Kafka's rules for the name of a topic. Not for patterns: a regex is checked where a regex engine
//! is, at run time.

use syn::LitStr;

const LONGEST: usize = 249;

/// Checks a literal topic name by the rules of the broker.
pub(crate) fn check(name: &LitStr) -> syn::Result<()> {
    let text = name.value();
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let wrong = if text.is_empty() {
        "the topic's name is empty".to_owned()
    } else if text == "." || text == ".." {
        format!("a topic cannot be named `{text}`")
    } else if text.len() > LONGEST {
        format!("the topic's name has {} bytes", text.len())
    } else if let Some(bad) = text.chars().find(|c| !allowed(c)) {
        format!("the topic's name contains {bad:?}")
    } else {
        return Ok(());
    };
    Err(syn::Error::new_spanned(name, format!("{wrong}; write 1 to {LONGEST} of a-z, A-Z, 0-9, `.`, `_` and `-`")))
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;
    use syn::LitStr;

    #[test]
    fn the_rules_of_the_broker() {
        let check = |name: &str, ok| {
            let literal = LitStr::new(name, Span::call_site());
            assert_eq!(super::check(&literal).is_ok(), ok, "{name}");
        };
        check("Orders_1.retry-2", true);
        check("...", true);
        check(&"a".repeat(249), true);
        check(&"a".repeat(250), false);
        check("", false);
        check(".", false);
        check("..", false);
        check("a b", false);
        check("bücher", false);
        check("a/b", false);
    }
}
