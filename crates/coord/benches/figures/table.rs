//! What was measured, as it is shown.

use comfy_table::Table;

/// One figure.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) value: f64,
    pub(crate) budget: Budget,
    /// What ran in the same breath, and how it did.
    pub(crate) beside: (&'static str, f64),
}

/// What a figure is held to.
pub(crate) enum Budget {
    /// At most this.
    Most(f64),
    /// At most so much more than what is beside it.
    Over(f64),
}

impl Row {
    fn cells(&self) -> [String; 7] {
        let (what, other) = self.beside;
        let number = |it: f64| format!("{} {}", rounded(it), self.unit);
        let (budget, met) = match self.budget {
            Budget::Most(most) => (number(most), self.value <= most),
            Budget::Over(over) => (format!("+{}", number(over)), self.value - other <= over),
        };
        [
            self.name.to_owned(),
            number(self.value),
            budget,
            what.to_owned(),
            number(other),
            format!("{:.2}", self.value / other),
            if met { "yes" } else { "NO" }.to_owned(),
        ]
    }
}

/// The rows as a table.
pub(crate) fn of(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.set_header(["figure", "median", "budget", "beside", "its median", "ratio", "met"]);
    table.add_rows(rows.iter().map(Row::cells));
    table
}

/// Three digits are all that a noisy machine knows; what was counted is whole.
fn rounded(value: f64) -> String {
    let digits = if value.fract() == 0.0 {
        0
    } else if value < 1.0 {
        3
    } else if value < 100.0 {
        1
    } else {
        0
    };
    format!("{value:.digits$}")
}

/// The value that `share` of the samples do not exceed.
pub(crate) fn quantile(samples: &[f64], share: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    let at = (last as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

/// The middle of the samples.
pub(crate) fn median(samples: &[f64]) -> f64 {
    quantile(samples, 0.5)
}
