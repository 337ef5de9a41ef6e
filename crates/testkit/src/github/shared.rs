//! What the server and the test both hold.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use tokio::sync::Notify;

use super::clock::Clock;
use super::contract::Contract;
use super::fault::Faults;
use super::limit::Limits;
use super::record::Recorded;
use super::world::World;

/// A handle on everything.
#[derive(Debug, Clone)]
pub(super) struct Shared(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    scene: Mutex<Scene>,
    desk: Mutex<Desk>,
    contract: Contract,
    /// There is something in the outbox.
    mail: Notify,
    scratch: Utf8PathBuf,
}

/// The world, and what it was before the last write.
#[derive(Debug)]
struct Scene {
    now: World,
    before: Option<Box<World>>,
}

/// What is about requests and not about GitHub.
#[derive(Debug, Default)]
pub(super) struct Desk {
    pub(super) clock: Clock,
    pub(super) requests: Vec<Recorded>,
    pub(super) faults: Faults,
    pub(super) limits: Limits,
    /// How many deliveries are yet to be sent twice.
    pub(super) duplicates: u32,
    /// How often each operation was asked for.
    pub(super) operations: BTreeMap<String, usize>,
    /// What should not have been asked, or answered.
    pub(super) violations: Vec<String>,
}

impl Shared {
    pub(super) fn new(base: String, scratch: Utf8PathBuf) -> Self {
        Self(Arc::new(Inner {
            scene: Mutex::new(Scene { now: World::new(base), before: None }),
            desk: Mutex::new(Desk::default()),
            contract: Contract::load(),
            mail: Notify::new(),
            scratch,
        }))
    }

    pub(super) fn contract(&self) -> &Contract {
        &self.0.contract
    }

    pub(super) fn mail(&self) -> &Notify {
        &self.0.mail
    }

    /// A directory for what is not to stay.
    pub(super) fn scratch(&self) -> &Utf8Path {
        &self.0.scratch
    }

    pub(super) fn desk(&self) -> MutexGuard<'_, Desk> {
        // A test that failed while it held the lock leaves whole data: every change is a single step.
        self.0.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn scene(&self) -> MutexGuard<'_, Scene> {
        let now = self.desk().clock.now();
        let mut scene = self.0.scene.lock().unwrap_or_else(PoisonError::into_inner);
        scene.now.now = now;
        scene
    }

    /// Looks at the world. What GitHub finds out by looking, it finds out.
    pub(super) fn look<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        let mut scene = self.scene();
        let seen = look(&mut scene.now);
        self.announce_mail(&scene.now);
        seen
    }

    /// Changes the world; what it was is kept for a stale read.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let mut scene = self.scene();
        scene.before = Some(Box::new(scene.now.clone()));
        let changed = change(&mut scene.now);
        self.announce_mail(&scene.now);
        changed
    }

    fn announce_mail(&self, world: &World) {
        if !world.outbox.is_empty() {
            self.0.mail.notify_one();
        }
    }

    /// Looks at the world as it was before the last write.
    pub(super) fn look_back<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        let scene = self.scene();
        let mut before = scene.before.as_deref().unwrap_or(&scene.now).clone();
        drop(scene);
        look(&mut before)
    }
}
