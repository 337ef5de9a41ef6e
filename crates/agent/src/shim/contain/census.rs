//! What the processes of a run use, counted now and then.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use crate::process::{self, Process, Usage};

/// The clock ticks of the process table, of which there are this many in a second.
const TICK: Duration = Duration::from_millis(10);

/// What each process had used when it was last looked at, by number and start time.
#[derive(Debug, Default)]
pub(in crate::shim) struct Census(BTreeMap<(u32, u64), (Process, Usage)>);

/// What was found at one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::shim) struct Count {
    /// How many processes there are, each as often as it has threads.
    pub(in crate::shim) processes: u64,
    /// The memory of all of them, in bytes.
    pub(in crate::shim) memory: u64,
    /// What those that there are have written to disks, in bytes.
    pub(in crate::shim) written: u64,
    /// The processor time since the last look.
    pub(in crate::shim) computed: Duration,
    /// The bytes read and written since the last look.
    pub(in crate::shim) moved: u64,
}

impl Census {
    /// Counts the descendants of this process, which of a shim are the processes of its run.
    ///
    /// # Errors
    /// When the machine's processes cannot be listed.
    pub(in crate::shim) fn count(&mut self) -> io::Result<Count> {
        let table = process::table()?;
        let below = process::descendants(&table, std::process::id());
        let members = table.into_iter().filter(|it| !it.zombie && below.contains(&it.pid));
        let mut seen = BTreeMap::new();
        let mut count = Count::default();
        for it in members {
            let usage = process::usage(it.pid).unwrap_or_default();
            let key = (it.pid, it.start_time);
            let (ticks, moved) = self.0.get(&key).map_or((0, 0), |(it, usage)| (it.used, usage.moved));
            count.processes += usage.threads;
            count.memory += usage.memory;
            count.written += usage.written;
            let ticks = u32::try_from(it.used.saturating_sub(ticks)).unwrap_or(u32::MAX);
            count.computed = count.computed.saturating_add(TICK.saturating_mul(ticks));
            count.moved += usage.moved.saturating_sub(moved);
            seen.insert(key, (it, usage));
        }
        self.0 = seen;
        Ok(count)
    }
}
