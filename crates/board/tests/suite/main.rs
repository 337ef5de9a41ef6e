//! The board's promises, each tried on SQLite and on PostgreSQL.
//!
//! A promise is an async function of a [`Place`], an empty database that can be opened any number of times. The
//! list below runs each on a file of its own, and all of them on one PostgreSQL server, a database each.

#![expect(clippy::print_stdout, reason = "what was not run is said")]
#![expect(clippy::unwrap_used, reason = "what a test cannot go on without fails it")]
#![expect(clippy::wildcard_enum_match_arm, reason = "whatever else it is, it is not what was promised")]

mod events;
mod first_start;
mod forge;
mod merging;
mod model;
mod money;
mod place;
mod postgres;
mod queue;
mod runs;
mod sessions;
mod tasks;
mod world;

use place::Place;

macro_rules! promises {
    ($($module:ident :: $promise:ident,)*) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let place = super::Place::file();
                super::$module::$promise(&place).await;
            })*
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn on_postgres() {
            let server = match postgres::Server::start() {
                Ok(server) => server,
                Err(reason) => return postgres::not_run(&reason),
            };
            $(
                println!("{}", stringify!($promise));
                let place = Place::database(&server, stringify!($promise)).await;
                $module::$promise(&place).await;
            )*
        }
    };
}

promises! {
    tasks::a_task_comes_back_as_it_was_added,
    tasks::a_number_means_one_thing_on_the_whole_board,
    tasks::lists_are_newest_first_and_bounded,
    tasks::no_task_waits_for_itself,
    tasks::a_task_is_closed_once_and_not_under_a_worker,
    tasks::half_a_state_is_refused_by_name,
    runs::a_branch_is_minted_once_and_a_fence_only_grows,
    runs::a_clock_that_is_set_back_does_not_reorder_attempts,
    runs::only_one_of_many_reservations_wins,
    runs::slots_are_never_exceeded,
    runs::a_test_needs_a_head_and_no_slot,
    runs::terminal_states_stay,
    runs::a_run_is_found_by_the_start_of_its_id,
    runs::what_did_not_reach_origin_is_found_until_somebody_is_at_the_task_again,
    queue::a_queued_run_comes_back_with_what_was_said,
    queue::a_queued_run_has_the_lease_and_no_slot,
    queue::of_many_who_start_the_queue_each_run_has_one,
    queue::starts_keep_their_distance,
    queue::a_queued_run_leaves_once_and_never_from_a_machine,
    queue::a_closed_task_is_not_started,
    queue::a_run_that_was_reserved_before_there_was_a_queue_is_understood,
    money::eight_who_start_at_once_share_what_a_cap_leaves,
    money::what_nobody_knows_goes_on_counting_as_reserved,
    money::who_told_all_that_it_spent_gives_the_rest_back_and_who_was_cut_off_does_not,
    money::a_test_and_what_is_queued_take_no_share_of_what_is_left,
    money::nothing_goes_on_for_a_task_that_was_closed_meanwhile,
    money::a_run_ends_together_with_what_it_spent_and_what_goes_on_in_its_place,
    money::an_account_is_known_by_the_runs_it_had_and_lifted_by_a_person,
    events::events_are_numbered_without_loss,
    events::a_refusal_leaves_no_event,
    events::who_gives_up_halfway_leaves_nothing_behind,
    merging::only_the_holder_of_the_lease_publishes,
    merging::evidence_comes_from_ended_runs_and_people,
    merging::a_test_ends_together_with_what_it_found,
    merging::a_pull_request_is_opened_once,
    merging::a_merge_is_recorded_once_and_everywhere,
    merging::candidates_are_what_might_merge,
    forge::an_issue_is_taken_in_once_and_follows_its_forge,
    forge::a_merged_task_stays_merged_whatever_becomes_of_its_issue,
    forge::a_pull_request_of_a_forge_is_what_people_made_of_it,
    forge::a_pull_request_that_is_known_waits_for_nobody_who_writes,
    forge::a_comment_is_written_by_one_and_looked_for_after_a_crash,
    forge::merging_is_paused_until_somebody_lets_it_go_on,
    sessions::one_session_is_open_at_a_time_and_is_closed_once,
    sessions::events_are_found_by_their_time,
    sessions::what_was_tried_for_open_tasks_is_found,
    first_start::a_board_from_the_future_is_refused,
    first_start::many_open_a_new_board_at_once,
    model::random_histories_agree_with_the_model,
}
