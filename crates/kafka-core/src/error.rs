//! Errors that several modules share. Each operation has an enum of its own beside it.

use std::error::Error;
use std::fmt;

/// Any error of the user's own code.
pub type BoxError = Box<dyn Error + Send + Sync + 'static>;

/// An error with all that lies behind it, on one line: what a log says of errors that quote no source of theirs.
#[must_use]
pub fn in_full(error: &(dyn Error + 'static)) -> String {
    let errors = std::iter::successors(Some(error), |error| (*error).source());
    errors.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// One thing that is wrong with what was configured or declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    path: String,
    problem: String,
}

/// Everything that is wrong with what was configured or declared, gathered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigError {
    /// An error at a path such as `topics.orders.retry.delay`; the problem says what is wrong and what to write.
    pub fn new(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { path: path.into(), problem: problem.into() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong, and what to write.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

impl ConfigErrors {
    /// None so far.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds one.
    pub fn push(&mut self, path: impl Into<String>, problem: impl Into<String>) {
        self.0.push(ConfigError::new(path, problem));
    }

    /// Adds all of another list. What two consumers share is said once.
    pub fn extend(&mut self, other: Self) {
        for error in other.0 {
            if !self.0.contains(&error) {
                self.0.push(error);
            }
        }
    }

    /// Each error in the order found.
    pub fn iter(&self) -> std::slice::Iter<'_, ConfigError> {
        self.0.iter()
    }

    /// The value, if nothing was wrong.
    ///
    /// # Errors
    /// The list, when it is not empty.
    pub fn or_ok<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds an error's list, or gives the value.
    pub fn take<T>(&mut self, result: Result<T, Self>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(errors) => {
                self.extend(errors);
                None
            }
        }
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.problem)
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => one.fmt(f),
            many => {
                write!(f, "{} things are wrong with the configuration:", many.len())?;
                many.iter().try_for_each(|error| write!(f, "\n  {error}"))
            }
        }
    }
}

impl Error for ConfigError {}
impl Error for ConfigErrors {}
