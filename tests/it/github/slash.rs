//! The real claude leads an issue of GitHub to main with `/coordinator`.

use coord_testkit::model::say;

use super::OnGitHub;
use crate::change::commit;
use crate::slash::{ask, install, leads};

#[test]
fn the_real_claude_leads_an_issue_to_a_merged_pull_request() {
    let Some(world) = OnGitHub::with_claude() else { return };
    install(&world);
    let number = world.issue("Add the tide", [commit("words/sea.txt", "tide", "Add the tide"), say("done")]);
    let server = world.serve(env!("CARGO_BIN_EXE_coord"));
    let finished = ask(&world, "/coordinator acme/api now", "lead", leads());
    assert!(finished.stdout.contains(&format!(r#"merged [\"api#{number}\"]"#)), "{finished:#?}");
    let pulls = world.repo.pulls();
    assert!(pulls.len() == 1 && world.repo.pull(pulls[0]).merged, "{pulls:?}");
    assert!(!world.repo.issue_state(number).open);
    assert_eq!(world.api.log("main"), ["Add the tide", "the project"]);
    world.model.assert_drained();
    server.terminate();
}
