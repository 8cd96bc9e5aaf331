//! Two sequences side by side: which items are on both sides, and which on one.

/// The most comparisons that are made; beyond that, what lies between equal ends counts as replaced.
const MOST: usize = 4_000_000;

/// A place in the aligned sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// On both sides, with its index in each.
    Both(usize, usize),
    /// On the left alone.
    Left(usize),
    /// On the right alone.
    Right(usize),
}

/// A longest common subsequence of `left` and `right` items. Time and memory are bounded.
pub fn align(left: usize, right: usize, same: impl Fn(usize, usize) -> bool) -> Vec<Step> {
    let start = (0..left.min(right)).take_while(|&at| same(at, at)).count();
    let end = (1..=left.min(right) - start).take_while(|&at| same(left - at, right - at)).count();
    let mut steps: Vec<Step> = (0..start).map(|at| Step::Both(at, at)).collect();
    let (rows, columns) = (left - start - end, right - start - end);
    if rows > 0 && columns > 0 && rows.saturating_mul(columns) <= MOST {
        middle(start, rows, columns, &same, &mut steps);
    } else {
        steps.extend((start..start + rows).map(Step::Left));
        steps.extend((start..start + columns).map(Step::Right));
    }
    steps.extend((1..=end).rev().map(|at| Step::Both(left - at, right - at)));
    steps
}

/// What lies between the equal ends, by the table of the lengths that are left.
fn middle(start: usize, rows: usize, columns: usize, same: &impl Fn(usize, usize) -> bool, steps: &mut Vec<Step>) {
    let width = columns + 1;
    let mut lengths = vec![0u32; (rows + 1) * width];
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            lengths[row * width + column] = match same(start + row, start + column) {
                true => lengths[(row + 1) * width + column + 1] + 1,
                false => lengths[(row + 1) * width + column].max(lengths[row * width + column + 1]),
            };
        }
    }
    let (mut row, mut column) = (0, 0);
    while row < rows || column < columns {
        if row < rows && column < columns && same(start + row, start + column) {
            steps.push(Step::Both(start + row, start + column));
            (row, column) = (row + 1, column + 1);
        } else if column == columns
            || (row < rows && lengths[(row + 1) * width + column] >= lengths[row * width + column + 1])
        {
            steps.push(Step::Left(start + row));
            row += 1;
        } else {
            steps.push(Step::Right(start + column));
            column += 1;
        }
    }
}

/// The items that are not on both sides, paired in their order between those that are: what was changed into what.
pub fn pairs(steps: &[Step]) -> Vec<(Option<usize>, Option<usize>)> {
    let mut pairs = Vec::new();
    for gap in steps.split(|step| matches!(step, Step::Both(..))) {
        let left = gap.iter().filter_map(|step| if let Step::Left(at) = step { Some(*at) } else { None });
        let right = gap.iter().filter_map(|step| if let Step::Right(at) = step { Some(*at) } else { None });
        let (left, right): (Vec<_>, Vec<_>) = (left.collect(), right.collect());
        pairs.extend(
            (0..left.len().max(right.len())).map(|index| (left.get(index).copied(), right.get(index).copied())),
        );
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(left: &str, right: &str) -> Vec<Step> {
        let (a, b) = (left.as_bytes(), right.as_bytes());
        align(a.len(), b.len(), |i, j| a[i] == b[j])
    }

    #[test]
    fn longest_and_in_order() {
        use Step::{Both, Left, Right};
        assert_eq!(of("abc", "abc"), [Both(0, 0), Both(1, 1), Both(2, 2)]);
        assert_eq!(of("", "a"), [Right(0)]);
        assert_eq!(of("axc", "ayc"), [Both(0, 0), Left(1), Right(1), Both(2, 2)]);
        assert_eq!(of("aa", "a"), [Both(0, 0), Left(1)]);
        for (left, right, common) in [("abcbdab", "bdcaba", 4), ("xmjyauz", "mzjawxu", 4), ("ab", "ba", 1)] {
            let steps = of(left, right);
            let both = steps.iter().filter(|step| matches!(step, Both(..))).count();
            assert_eq!(both, common);
            assert_eq!(steps.len(), left.len() + right.len() - both, "each item once");
        }
        assert_eq!(pairs(&of("abc", "axyc")), [(Some(1), Some(1)), (None, Some(2))]);
    }

    #[test]
    fn too_much_is_replaced_as_a_whole() {
        let steps = align(5000, 5000, |i, j| i == j && !(1..4999).contains(&i));
        assert_eq!(steps.len(), 2 + 2 * 4998);
    }
}
