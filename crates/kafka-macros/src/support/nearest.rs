//! Finds the known word that was probably meant. Not a spell checker: one suggestion or none.

/// The candidate nearest to `word`, if it is near enough to be a slip of the hand.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let candidates: Vec<_> = candidates.into_iter().collect();
    if let Some(candidate) = candidates.iter().find(|candidate| continues(word, candidate) || continues(candidate, word)) {
        return Some(candidate);
    }
    let (distance, candidate) =
        candidates.into_iter().map(|candidate| (distance(word, candidate), candidate)).min_by_key(|(distance, _)| *distance)?;
    // A third of the word may be wrong; below three letters everything is near everything.
    (distance <= candidate.len().max(3) / 3).then_some(candidate)
}

/// Whether `long` is `short` with more words: `max_retries` for `max` is far away letter by letter,
/// and yet what was meant.
fn continues(long: &str, short: &str) -> bool {
    long.strip_prefix(short).is_some_and(|rest| rest.starts_with('_'))
}

/// The number of letters to insert, remove, replace or swap with their neighbour to come from `a`
/// to `b`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i][j] = match (i, j) {
                (0, n) | (n, 0) => n,
                _ => {
                    let replace = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let mut best = replace.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                    if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                        best = best.min(table[i - 2][j - 2] + 1);
                    }
                    best
                }
            };
        }
    }
    table[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn suggests_only_what_is_near() {
        let known = ["name", "key", "value", "concurrency", "max_delay"];
        let check = |word, expected| assert_eq!(nearest(word, known), expected, "{word}");
        check("nmae", Some("name"));
        check("concurency", Some("concurrency"));
        check("maxdelay", Some("max_delay"));
        check("kye", Some("key"));
        check("max_delay_secs", Some("max_delay"));
        check("max", Some("max_delay"));
        check("partitions", None);
        check("x", None);
    }
}
