//! Keys that matter where a repo is on GitHub.

use super::House;

/// Has git go to this origin whenever it is asked for that URL.
fn redirect(house: &House, url: &str, origin: &str) {
    let path = house.dir().join("gitconfig");
    let text = fs_err::read_to_string(&path).unwrap();
    fs_err::write(path, format!("{text}[url \"{origin}\"]\n\tinsteadOf = {url}\n")).unwrap();
}

/// Configures the repo as one that is on GitHub, whose tasks are on the board.
fn local(house: &House, github: &str, more: &str) {
    house.config(&format!(
        "repos:\n- {{name: api, forge: local, {github}}}\nmachines:\n- {{name: here, port: {}}}\n{more}\n",
        house.port
    ));
}

#[test]
pub(super) fn github_is_where_commits_come_from_that_no_clone_has() {
    let house = House::new();
    redirect(&house, "https://github.com/team/api.git", &house.api.url());
    local(&house, "", "");
    let number = house.add(&["Do it"]).to_string();
    house.coord(["assign", "here", "api", &number]).exits(2);
    local(&house, "github: team/api", "");
    let before = house.api.refs();
    house.change();
    assert_ne!(house.api.refs(), before);
}

#[test]
pub(super) fn api_url_says_which_github_it_is() {
    let house = House::new();
    redirect(&house, "https://ghe.example.org/team/api.git", &house.api.url());
    local(&house, "github: team/api", "github: {api_url: 'https://ghe.example.org/api/v3'}");
    let before = house.api.refs();
    house.change();
    assert_ne!(house.api.refs(), before);
}
