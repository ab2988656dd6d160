//! `default = 0`: JSON, in Rust's words for it.

use syn::{Expr, ExprLit, ExprUnary, Lit, UnOp};

use crate::support::item::Item;

/// A field's default, as JSON.
#[derive(Clone, Debug)]
pub(super) struct Default(pub(super) String);

impl Default {
    pub(super) fn read(item: &mut Item<'_>) -> syn::Result<Self> {
        let expression = item.expression(FORM)?;
        json(&expression).map(Self).ok_or_else(|| item.wrong(&expression, &format!("takes {FORM}")))
    }
}

const FORM: &str = "a number, `true`, a string, `null`, `[…]` or `{}`";

fn json(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Group(group) => json(&group.expr),
        Expr::Lit(ExprLit { lit, .. }) => match lit {
            Lit::Str(text) => Some(quoted(&text.value())),
            Lit::Bool(value) => Some(value.value.to_string()),
            Lit::Int(number) => Some(number.base10_digits().to_owned()),
            // `1.` is a number to Rust alone.
            Lit::Float(number) => {
                Some(number.base10_digits().to_owned()).map(|digits| if digits.ends_with('.') { digits + "0" } else { digits })
            }
            _ => None,
        },
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => match &**expr {
            Expr::Lit(ExprLit { lit: Lit::Int(_) | Lit::Float(_), .. }) => json(expr).map(|number| format!("-{number}")),
            _ => None,
        },
        Expr::Path(path) if path.path.is_ident("null") => Some("null".to_owned()),
        Expr::Array(array) => {
            let elements: Option<Vec<_>> = array.elems.iter().map(json).collect();
            elements.map(|elements| format!("[{}]", elements.join(",")))
        }
        Expr::Block(block) if block.block.stmts.is_empty() => Some("{}".to_owned()),
        _ => None,
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c < ' ' => quoted += &format!("\\u{:04x}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}
