//! What serde calls a type, its fields and its variants: the values are serde's, so the schema's names are too. Other
//! attributes of serde are passed over.

use syn::meta::ParseNestedMeta;
use syn::{Attribute, Ident, LitStr, Token};

/// The `#[serde(…)]` of one item, as far as a schema depends on it.
#[derive(Debug, Default)]
pub(super) struct Serde {
    pub(super) rename: Option<LitStr>,
    pub(super) rename_all: Option<LitStr>,
    /// Not written, so not in the schema.
    pub(super) skip: bool,
    /// Where the item takes the place of its fields.
    pub(super) flatten: Option<Ident>,
}

impl Serde {
    /// Reads what can be read: a mistake is serde's to report.
    pub(super) fn read(attributes: &[Attribute]) -> Self {
        let mut read = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
            attribute.parse_nested_meta(|meta| read.one(&meta)).unwrap_or_default();
        }
        read
    }

    fn one(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        let key = meta.path.get_ident().map(Ident::to_string).unwrap_or_default();
        match key.as_str() {
            "rename" => self.rename = name(meta)?.or_else(|| self.rename.take()),
            "rename_all" => self.rename_all = name(meta)?.or_else(|| self.rename_all.take()),
            "skip" | "skip_serializing" => self.skip = true,
            "flatten" => self.flatten = meta.path.get_ident().cloned(),
            _ => pass_over(meta)?,
        }
        Ok(())
    }
}

/// `rename = "a"`, or the name to write of `rename(serialize = "a", deserialize = "b")`.
fn name(meta: &ParseNestedMeta<'_>) -> syn::Result<Option<LitStr>> {
    if meta.input.peek(Token![=]) {
        return meta.value()?.parse().map(Some);
    }
    let mut written = None;
    meta.parse_nested_meta(|meta| {
        let name = meta.value()?.parse()?;
        if meta.path.is_ident("serialize") {
            written = Some(name);
        }
        Ok(())
    })?;
    Ok(written)
}

fn pass_over(meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<syn::Expr>()?;
    } else if meta.input.peek(syn::token::Paren) {
        meta.parse_nested_meta(|meta| pass_over(&meta))?;
    }
    Ok(())
}

/// What `rename_all` is applied to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Of {
    /// `snake_case`
    Field,
    /// `PascalCase`
    Variant,
}

/// The name in the case that `rename_all` says; as it is, when serde knows no such case.
pub(super) fn renamed(name: &str, rule: &str, of: Of) -> String {
    let words = words(name, of);
    let all = |case: fn(&str) -> String, between: &str| words.iter().map(|word| case(word)).collect::<Vec<_>>().join(between);
    match rule {
        "lowercase" => name.to_ascii_lowercase(),
        "UPPERCASE" => name.to_ascii_uppercase(),
        "PascalCase" => all(capital, ""),
        "camelCase" => {
            let pascal = all(capital, "");
            pascal.get(..1).map(str::to_ascii_lowercase).unwrap_or_default() + pascal.get(1..).unwrap_or_default()
        }
        "snake_case" => all(str::to_ascii_lowercase, "_"),
        "SCREAMING_SNAKE_CASE" => all(str::to_ascii_uppercase, "_"),
        "kebab-case" => all(str::to_ascii_lowercase, "-"),
        "SCREAMING-KEBAB-CASE" => all(str::to_ascii_uppercase, "-"),
        _ => name.to_owned(),
    }
}

fn words(name: &str, of: Of) -> Vec<String> {
    match of {
        Of::Field => name.split('_').map(str::to_owned).collect(),
        Of::Variant => {
            let mut words: Vec<String> = Vec::new();
            for c in name.chars() {
                match words.last_mut() {
                    Some(word) if !c.is_uppercase() => word.push(c),
                    _ => words.push(c.to_string()),
                }
            }
            words
        }
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Of, renamed};

    #[test]
    fn names_are_those_of_serde() {
        let check = |name, rule, of, expected| assert_eq!(renamed(name, rule, of), expected, "{name} {rule}");
        check("unit_price", "camelCase", Of::Field, "unitPrice");
        check("unit_price", "PascalCase", Of::Field, "UnitPrice");
        check("unit_price", "SCREAMING_SNAKE_CASE", Of::Field, "UNIT_PRICE");
        check("unit_price", "lowercase", Of::Field, "unit_price");
        check("unit_price", "kebab-case", Of::Field, "unit-price");
        check("VeryRed", "snake_case", Of::Variant, "very_red");
        check("VeryRed", "SCREAMING_SNAKE_CASE", Of::Variant, "VERY_RED");
        check("VeryRed", "camelCase", Of::Variant, "veryRed");
        check("VeryRed", "UPPERCASE", Of::Variant, "VERYRED");
        check("VeryRed", "PascalCase", Of::Variant, "VeryRed");
    }
}
