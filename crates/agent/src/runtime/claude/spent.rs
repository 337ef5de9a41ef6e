//! What a process of Claude Code has used up, as far as its stream tells.
//!
//! A result tells it for the whole process so far. Before the first one, and after the last where the worker went
//! on, each answer of the model tells its own tokens: once for every block of it, and the written ones as they were
//! when it began. So that is the least it can have been.

use std::collections::BTreeMap;

use coord_core::usage::{ModelUsage, Payer, Tokens, Usage};

use super::line::{Used, UsedByModel};

/// What has been told so far.
#[derive(Debug, Default)]
pub(super) struct Spent {
    /// What the last result said.
    told: Option<Told>,
    /// The answers since then, by their ids.
    since: BTreeMap<String, Tokens>,
    payer: Payer,
}

#[derive(Debug)]
struct Told {
    tokens: Option<Tokens>,
    models: BTreeMap<String, ModelUsage>,
}

impl Spent {
    /// The process said where its credential comes from.
    pub(super) fn by(&mut self, api_key_source: &str) {
        // A login has no key, whichever way it came about.
        self.payer = if api_key_source == "none" { Payer::Subscription } else { Payer::Key };
    }

    /// The model answered.
    pub(super) fn answer(&mut self, id: String, used: &Used) {
        let Used { input_tokens, output_tokens, cache_read_input_tokens, cache_creation_input_tokens } =
            *used;
        let tokens = Tokens {
            input: input_tokens.unwrap_or_default(),
            output: output_tokens.unwrap_or_default(),
            cache_read: cache_read_input_tokens.unwrap_or_default(),
            cache_write: cache_creation_input_tokens.unwrap_or_default(),
        };
        self.since.insert(id, tokens);
    }

    /// The process told everything so far.
    pub(super) fn result(&mut self, models: Option<BTreeMap<String, UsedByModel>>) {
        let models = models.map(|it| it.into_iter().map(|(model, used)| (model, part(&used))).collect());
        let tokens =
            models.as_ref().map(|it: &BTreeMap<String, ModelUsage>| total(it.values().map(|it| it.tokens)));
        self.told = Some(Told { tokens, models: models.unwrap_or_default() });
        self.since.clear();
    }

    /// What is known at the end.
    pub(super) fn finish(self) -> Usage {
        let at_least = self.told.is_none() || !self.since.is_empty();
        let since = (!self.since.is_empty()).then(|| total(self.since.into_values()));
        let (tokens, models) = self.told.map_or_else(Default::default, |it| (it.tokens, it.models));
        let tokens = match (tokens, since) {
            (Some(told), Some(since)) => Some(total([told, since])),
            (told, since) => told.or(since),
        };
        Usage { tokens, models, at_least, payer: self.payer }
    }
}

fn part(used: &UsedByModel) -> ModelUsage {
    let tokens = Tokens {
        input: used.input_tokens.unwrap_or_default(),
        output: used.output_tokens.unwrap_or_default(),
        cache_read: used.cache_read_input_tokens.unwrap_or_default(),
        cache_write: used.cache_creation_input_tokens.unwrap_or_default(),
    };
    ModelUsage { tokens, cost_usd: used.cost_usd }
}

fn total(parts: impl IntoIterator<Item = Tokens>) -> Tokens {
    let mut total = Tokens::default();
    parts.into_iter().for_each(|it| total += it);
    total
}
