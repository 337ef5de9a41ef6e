//! Keys about what runs leave behind.

use super::House;
use crate::fleet::text;

#[test]
pub(super) fn rescue_push_sends_what_was_left_to_origin_once_it_was_looked_through() {
    let house = House::new();
    // Put together by the script, so that the task does not hold it as it is.
    let secret = "printf 'token: %s%s\\n' 9fKq27Bx LmZ04wTe >> left.txt";
    for (said, lines, pushed) in [
        ("", "echo tide > left.txt", false),
        ("rescue: {push: true}", "echo tide > left.txt", true),
        ("rescue: {push: true}", secret, false),
    ] {
        house.says("", "", said);
        let end = house.run(lines);
        assert_eq!(end["outcome"]["kind"], "dirty", "{end}");
        let reference = text(&end["rescue"]);
        assert_eq!(house.api.refs().contains_key(&reference), pushed, "{said} {lines}");
        let log = house.coord(["log", &text(&end["id"])]).success().stdout;
        assert_eq!(log.contains("left.txt:1: a password, token or key"), lines == secret, "{log}");
        assert_eq!(house.in_store(&reference, "left.txt").contains("tide"), lines != secret);
    }
}

#[test]
pub(super) fn retention_is_how_long_what_runs_leave_is_kept() {
    let house = House::new();
    house.run("echo tide > left.txt");
    let number = house.script_in("api", "true");
    house.finish(number);
    let newest = house.finish(number);
    house.coord(["task", "close", "1"]).success();
    house.wait_for_no_worktree();
    let would = |retention: &str| {
        house.says("", "", &format!("retention: {{{retention}}}"));
        let said = house.coord(["gc", "--dry-run", "--json"]).success().json();
        let gone = said["data"]["machines"][0]["gone"].as_array().unwrap().clone();
        let count = |what: &str| gone.iter().filter(|it| it["what"] == what).count();
        assert!(!gone.iter().any(|it| it["name"] == newest["id"]), "{gone:?}");
        (count("log"), count("rescue"))
    };
    assert_eq!(would(""), (0, 0));
    assert_eq!(would("log_days: 0"), (2, 0));
    assert_eq!(would("log_megabytes: 0"), (2, 0));
    assert_eq!(would("log_megabytes: 1"), (0, 0));
    assert_eq!(would("rescue_days: 0"), (0, 1));
}
