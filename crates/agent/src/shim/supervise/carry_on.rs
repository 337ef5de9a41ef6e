//! What a run goes on with, before its worker starts: the work of an earlier run, and its session.

use camino::Utf8PathBuf;
use coord_proto::run::Resume;

use super::Supervision;
use crate::layout::{Home, RunDir};
use crate::restore::restore;
use crate::shim::ShimError;
use crate::transcript::{Copied, Seat};

impl Supervision {
    /// Puts what an earlier run left into the worktree. After the setup, which is held responsible for every file
    /// that is not as it was committed.
    pub(super) async fn put_back(&mut self) -> Result<(), ShimError> {
        let Some(left) = self.order.spec.restore.take() else { return Ok(()) };
        let (order, git) = (self.order.clone(), self.git.clone());
        let restoring = tokio::task::spawn_blocking(move || restore(&order, &left, &git));
        for said in restoring.await.expect("putting work back does not panic and is not aborted") {
            self.note(&said)?;
            let spec = &mut self.order.spec;
            let resumed = spec.resume.as_mut().and_then(|it| it.prompt.as_mut());
            for prompt in resumed.into_iter().chain([&mut spec.prompt]) {
                prompt.push_str("Note: ");
                prompt.push_str(&said);
                prompt.push_str(".\n\n");
            }
        }
        Ok(())
    }

    /// Sees to it that the runtime finds the session that is to be gone on with, or that a new one is begun.
    pub(super) fn take_up_session(&mut self, dir: &RunDir) -> Result<(), ShimError> {
        let Some(resume) = &self.order.spec.resume else { return Ok(()) };
        let session = resume.session.clone();
        let said = match self.seat(resume, dir) {
            Ok(Copied::Whole) => return self.note(&format!("the worker goes on with session {session}")),
            Ok(Copied::Nothing) => "nothing is left of it here".to_owned(),
            Ok(Copied::TooLong(length)) => format!("its transcript has {length} bytes"),
            Err(error) => error.to_string(),
        };
        self.begin_anew(&said)
    }

    /// Gives the old session up, which is told to whoever reads the log.
    pub(super) fn begin_anew(&mut self, reason: &str) -> Result<(), ShimError> {
        let Some(Resume { session, .. }) = self.order.spec.resume.take() else { return Ok(()) };
        self.note(&format!("session {session} cannot be gone on with, so a new one is begun: {reason}"))
    }

    /// Puts the transcript into its place: as it was sent for this run, else as it was kept with the earlier one.
    fn seat(&self, resume: &Resume, dir: &RunDir) -> std::io::Result<Copied> {
        let Some(seat) = Seat::of(&self.order, &resume.session) else { return Ok(Copied::Nothing) };
        let kept = |run| Home::new(self.order.home.clone()).run(run).transcript();
        let sources: Vec<Utf8PathBuf> = [dir.transcript()].into_iter().chain(resume.from.map(kept)).collect();
        for source in &sources {
            match seat.fill(source)? {
                Copied::Nothing => {}
                copied @ (Copied::Whole | Copied::TooLong(_)) => return Ok(copied),
            }
        }
        Ok(Copied::Nothing)
    }
}
