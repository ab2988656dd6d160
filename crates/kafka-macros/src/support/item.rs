//! One key of an attribute while it is read: the forms that its value can have. Not which form
//! belongs to which key.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::ParseStream;
use syn::{Expr, ExprLit, ExprUnary, Ident, Lit, LitBool, LitStr, Path, Token, Type, UnOp, parenthesized, token};

use super::attr::{Attributes, Slot, each, fill};
use super::duration::{self, Duration};
use super::errors::Errors;

/// A key that was just read, in front of its value.
pub(crate) struct Item<'a> {
    pub(crate) key: Ident,
    pub(crate) input: ParseStream<'a>,
    pub(crate) errors: &'a mut Errors,
    /// The key with an example of its value.
    pub(crate) write: &'static str,
}

/// A value with the tokens it was written as, for errors that the model finds.
#[derive(Clone, Debug)]
pub(crate) struct Written<T> {
    pub(crate) value: T,
    pub(crate) tokens: TokenStream,
}

impl<T> Written<T> {
    fn new(value: T, tokens: &impl ToTokens) -> Self {
        Self { value, tokens: tokens.to_token_stream() }
    }
}

impl Item<'_> {
    /// Reads the value into its slot. A key that was there before is an error at this second one.
    pub(crate) fn once<T>(&mut self, slot: &mut Slot<T>, read: fn(&mut Self) -> syn::Result<T>) -> syn::Result<()> {
        let value = read(self);
        if slot.key().is_some() {
            self.errors.push(&self.key, format!("`{}` is given twice; remove one of the two", self.key));
            return value.map(drop);
        }
        let key = self.key.clone();
        let (filled, result) = match value {
            Ok(value) => (Slot::Given(key, value), Ok(())),
            Err(error) => (Slot::Broken(key), Err(error)),
        };
        *slot = filled;
        result
    }

    /// `key` alone.
    pub(crate) fn flag(&mut self) -> syn::Result<()> {
        if self.stands_alone() { Ok(()) } else { Err(self.wrong(&self.key, "takes no value")) }
    }

    /// `key = "text"`
    pub(crate) fn string(&mut self) -> syn::Result<LitStr> {
        match self.expression("a string")? {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(text),
            other => Err(self.wrong(other, "takes a string")),
        }
    }

    /// `key = expression`
    pub(crate) fn any(&mut self) -> syn::Result<Expr> {
        self.expression("a value")
    }

    /// `key = true`
    pub(crate) fn boolean(&mut self) -> syn::Result<LitBool> {
        match self.expression("`true` or `false`")? {
            Expr::Lit(ExprLit { lit: Lit::Bool(value), .. }) => Ok(value),
            other => Err(self.wrong(other, "takes `true` or `false`")),
        }
    }

    /// `key = 3`, `key = -1`
    pub(crate) fn integer(&mut self) -> syn::Result<Written<i64>> {
        let expression = self.expression("an integer")?;
        let (sign, literal) = match &expression {
            Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => (-1, &**expr),
            other => (1, other),
        };
        match literal {
            Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => match number.base10_parse::<u32>() {
                Ok(value) => Ok(Written::new(sign * i64::from(value), &expression)),
                Err(_) => Err(self.wrong(expression, "takes an integer below 4294967296")),
            },
            _ => Err(self.wrong(expression, "takes an integer")),
        }
    }

    /// `key = 0.5`, `key = 1`
    pub(crate) fn number(&mut self) -> syn::Result<Written<f64>> {
        let expression = self.expression("a number")?;
        let value = match &expression {
            Expr::Lit(ExprLit { lit: Lit::Float(number), .. }) => number.base10_parse().ok(),
            Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse().ok(),
            _ => None,
        };
        match value {
            Some(value) => Ok(Written::new(value, &expression)),
            None => Err(self.wrong(expression, "takes a number")),
        }
    }

    /// `key = 120`, `key = "2m"`
    pub(crate) fn duration(&mut self) -> syn::Result<Written<Duration>> {
        let expression = self.expression("a duration")?;
        let value = match &expression {
            Expr::Lit(ExprLit { lit: Lit::Int(seconds), .. }) => seconds.base10_parse().ok().and_then(Duration::from_secs),
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Duration::from_text(&text.value()),
            _ => None,
        };
        match value {
            Some(value) => Ok(Written::new(value, &expression)),
            None => {
                let message = format!("`{}` takes a duration; write {}", self.key, duration::FORM);
                Err(syn::Error::new_spanned(expression, message))
            }
        }
    }

    /// `key = Type`
    pub(crate) fn ty(&mut self) -> syn::Result<Type> {
        self.equals("a type")?;
        self.input.parse().map_err(|error| self.wrong_at(&error, "takes a type"))
    }

    /// `key = ::path`
    pub(crate) fn path(&mut self) -> syn::Result<Path> {
        self.equals("a path")?;
        self.input.call(Path::parse_mod_style).map_err(|error| self.wrong_at(&error, "takes a path"))
    }

    /// `key(keys of A)`
    pub(crate) fn nested<A: Attributes>(&mut self) -> syn::Result<A> {
        self.parentheses("takes settings in parentheses")?;
        let content;
        parenthesized!(content in self.input);
        let mut attributes = A::default();
        fill(&mut attributes, &content, self.errors);
        Ok(attributes)
    }

    /// `key(element, element)`. An element that cannot be read is reported and left out.
    pub(crate) fn list<T>(&mut self, read: fn(ParseStream<'_>) -> syn::Result<T>) -> syn::Result<Vec<T>> {
        self.parentheses("takes a list in parentheses")?;
        let content;
        parenthesized!(content in self.input);
        let mut elements = Vec::new();
        each(&content, self.errors, |_| {
            elements.push(read(&content)?);
            Ok(())
        });
        Ok(elements)
    }

    /// Whether the key has no value.
    pub(crate) fn stands_alone(&self) -> bool {
        self.input.is_empty() || self.input.peek(Token![,])
    }

    /// An error at some tokens of this key.
    pub(crate) fn wrong(&self, at: impl ToTokens, what: &str) -> syn::Error {
        syn::Error::new_spanned(at, format!("`{}` {what}; write `{}`", self.key, self.write))
    }

    fn parentheses(&self, what: &str) -> syn::Result<()> {
        if self.input.peek(token::Paren) { Ok(()) } else { Err(self.wrong(&self.key, what)) }
    }

    fn equals(&self, what: &str) -> syn::Result<()> {
        let missing = || self.wrong(&self.key, &format!("needs {what}"));
        self.input.parse::<Token![=]>().map_err(|_| missing())?;
        if self.stands_alone() { Err(missing()) } else { Ok(()) }
    }

    /// `key = expression`, whatever it is.
    pub(crate) fn expression(&self, what: &str) -> syn::Result<Expr> {
        self.equals(what)?;
        match self.input.parse() {
            // A `macro_rules!` wraps what it passes on into invisible delimiters.
            Ok(Expr::Group(group)) => Ok(*group.expr),
            Ok(expression) => Ok(expression),
            Err(error) => Err(self.wrong_at(&error, &format!("takes {what}"))),
        }
    }

    /// An error where a parser stopped, in our words instead of its own.
    fn wrong_at(&self, error: &syn::Error, what: &str) -> syn::Error {
        syn::Error::new(error.span(), format!("`{}` {what}; write `{}`", self.key, self.write))
    }
}
