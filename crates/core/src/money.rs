//! Amounts of money.
//!
//! Deliberately absent: other currencies, prices. What something costs is what its runtime says.

use std::fmt;
use std::iter::Sum;

use serde::{Deserialize, Serialize};

/// An amount of US dollars in whole millionths, so that sums are exact and the same in every order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Usd(u64);

const MILLION: f64 = 1e6;

impl Usd {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The smallest amount that is worth starting anything with.
    pub const CENT: Self = Self(10_000);

    /// So many millionths of a dollar.
    #[must_use]
    pub const fn from_millionths(millionths: u64) -> Self {
        Self(millionths)
    }

    /// How many millionths of a dollar.
    #[must_use]
    pub const fn millionths(self) -> u64 {
        self.0
    }

    /// So many dollars, to the nearest millionth; `None` for what is no amount: negative, infinite, no number.
    #[must_use]
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        // What is too large for the type becomes the largest there is.
        (dollars.is_finite() && dollars >= 0.0).then(|| Self((dollars * MILLION).round() as u64))
    }

    /// How many dollars.
    #[must_use]
    pub fn dollars(self) -> f64 {
        self.0 as f64 / MILLION
    }

    /// The two together; the largest amount there is where that is more.
    #[must_use]
    pub const fn plus(self, more: Self) -> Self {
        Self(self.0.saturating_add(more.0))
    }

    /// What is left after `less`; nothing where that is more.
    #[must_use]
    pub const fn minus(self, less: Self) -> Self {
        Self(self.0.saturating_sub(less.0))
    }

    /// One of so many equal shares, rounded down; the whole where that is none.
    #[must_use]
    pub fn share(self, of: u32) -> Self {
        Self(self.0 / u64::from(of.max(1)))
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::plus)
    }
}

/// `$0.45`; of less than a cent, `$0.0012`.
impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tiny = *self > Self::ZERO && *self < Self::CENT;
        let dollars = self.dollars();
        if tiny { write!(f, "${dollars:.4}") } else { write!(f, "${dollars:.2}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_shown_as_people_write_it_and_what_is_none_is_refused() {
        let shown = |dollars| Usd::from_dollars(dollars).map(|it| it.to_string());
        assert_eq!(shown(0.9006), Some("$0.90".to_owned()));
        assert_eq!(shown(0.0012), Some("$0.0012".to_owned()));
        assert_eq!(shown(0.0), Some("$0.00".to_owned()));
        for no_amount in [-0.1, f64::NAN, f64::INFINITY] {
            assert_eq!(shown(no_amount), None);
        }
    }

    #[test]
    fn sums_do_not_drift() {
        let tenth = Usd::from_dollars(0.1).unwrap();
        assert_eq!((0..1000).map(|_| tenth).sum::<Usd>(), Usd::from_dollars(100.0).unwrap());
        assert_eq!(tenth.minus(Usd::from_millionths(u64::MAX)), Usd::ZERO);
        assert_eq!(tenth.share(0), tenth);
    }
}
