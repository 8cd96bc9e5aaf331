//! Text that has no known shape: a small unified diff.

use super::align::{Step, align};
use super::detail::shortened;

/// How many equal lines stand around a change.
const AROUND: usize = 2;
/// The most lines of a difference that are given; a last one says how many were left out.
const MOST: usize = 2000;

/// The difference of two texts: `@@ -LINE +LINE @@`, then lines that begin with a space, `-` or `+`.
pub fn unified(before: &str, after: &str) -> Vec<String> {
    let (left, right): (Vec<&str>, Vec<&str>) = (before.split('\n').collect(), after.split('\n').collect());
    let steps = align(left.len(), right.len(), |a, b| left[a] == right[b]);
    let changed: Vec<usize> = (0..steps.len()).filter(|at| !matches!(steps[*at], Step::Both(..))).collect();
    let mut lines = Vec::new();
    let mut shown = 0;
    for at in changed {
        let from = at.saturating_sub(AROUND).max(shown);
        if from > shown || shown == 0 {
            lines.push(place(&steps[from..]));
        }
        let until = (at + AROUND + 1).min(steps.len());
        lines.extend(steps[from.min(until)..until].iter().map(|step| line(step, &left, &right)));
        shown = shown.max(until);
    }
    if lines.len() > MOST {
        let more = lines.len() - MOST;
        lines.truncate(MOST);
        lines.push(format!("... and {more} more lines"));
    }
    lines
}

/// Where a piece of a difference begins, in lines from 1.
fn place(steps: &[Step]) -> String {
    let left = steps.iter().find_map(|step| match step {
        Step::Both(at, _) | Step::Left(at) => Some(at + 1),
        Step::Right(_) => None,
    });
    let right = steps.iter().find_map(|step| match step {
        Step::Both(_, at) | Step::Right(at) => Some(at + 1),
        Step::Left(_) => None,
    });
    format!("@@ -{} +{} @@", left.unwrap_or(0), right.unwrap_or(0))
}

fn line(step: &Step, left: &[&str], right: &[&str]) -> String {
    let (mark, text) = match step {
        Step::Both(at, _) => (' ', left[*at]),
        Step::Left(at) => ('-', left[*at]),
        Step::Right(at) => ('+', right[*at]),
    };
    format!("{mark}{}", shortened(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_a_person_expects_it() {
        let before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let after = "1\n2\n3\nfour\n5\n6\n7\n8\n9\nten\n";
        let expected = ["@@ -2 +2 @@", " 2", " 3", "-4", "+four", " 5", " 6", "@@ -8 +8 @@", " 8", " 9", "+ten", " "];
        assert_eq!(unified(before, after), expected);
        assert_eq!(unified("", "a\n"), ["@@ -1 +1 @@", "+a", " "]);
        assert_eq!(unified("a", "a\n"), ["@@ -1 +1 @@", " a", "+"]);
        assert!(unified("a\n", "a\n").is_empty());
    }

    #[test]
    fn bounded() {
        let many = (0..9000).map(|n| format!("{n}\n")).collect::<String>();
        let lines = unified("", &many);
        assert_eq!((lines.len(), lines.last().unwrap().as_str()), (MOST + 1, "... and 7002 more lines"));
        assert!(unified("", &"x".repeat(1 << 20)).iter().all(|line| line.len() < 10_000));
    }
}
