//! What the program says about itself: help, completions, its version, and the README that promises it.

use std::collections::BTreeSet;

use coord_testkit::world::{Running, World};

fn world() -> World {
    let mut world = World::new(env!("CARGO_BIN_EXE_coord"));
    world.set("COLUMNS", "100");
    world
}

/// The commands that a help text lists.
fn listed(help: &str) -> Vec<String> {
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return Vec::new() };
    let lines = list.lines().take_while(|it| !it.is_empty());
    let names = lines.filter(|it| it.starts_with("  ") && !it.starts_with("   "));
    names.filter_map(|it| it.split_whitespace().next()).map(str::to_owned).collect()
}

/// Every command with its help, subcommands behind their command.
fn helps(world: &World) -> Vec<(String, String)> {
    let mut open = vec![Vec::new()];
    let mut helps = Vec::new();
    while let Some(command) = open.pop() {
        let help = world.coord(command.iter().map(String::as_str).chain(["--help"])).success().stdout;
        let below = listed(&help).into_iter().rev();
        open.extend(below.map(|it| command.iter().cloned().chain([it]).collect()));
        let name = ["coord".to_owned()].into_iter().chain(command).collect::<Vec<_>>().join(" ");
        helps.push((name, help));
    }
    helps
}

#[test]
fn the_help_of_every_command() {
    let helps = helps(&world());
    assert!(helps.len() > 20, "{} helps", helps.len());
    for (name, help) in &helps {
        assert!(help.lines().all(|it| it.chars().count() <= 100 && it.trim_end() == it), "{name}:\n{help}");
    }
    let pages: Vec<_> = helps.into_iter().map(|(name, help)| format!("$ {name} --help\n{help}")).collect();
    insta::assert_snapshot!("help", pages.join("\n"));
}

#[test]
fn completions_parse_and_know_every_command() {
    let world = world();
    let commands = listed(&world.coord(["--help"]).success().stdout);
    for shell in ["bash", "zsh", "fish"] {
        let script = world.coord(["completions", shell]).success().stdout;
        for command in &commands {
            assert!(script.contains(command.as_str()), "{shell} does not know {command}");
        }
        let path = world.write(&format!("completions.{shell}"), &script);
        let mut check = world.command("sh");
        // A shell that is not installed cannot say; bash is always there to ask.
        check.args(["-c", &format!("command -v {shell} >/dev/null || exit 0; exec {shell} -n {path}")]);
        Running::start(check).wait().success();
    }
}

#[test]
fn the_version_is_the_same_wherever_it_is_asked() {
    let world = world();
    let wanted = format!("coord {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(world.coord(["version"]).success().stdout, wanted);
    assert_eq!(world.coord(["--version"]).success().stdout, wanted);
}

/// The words of a command line, where quotes hold together what belongs together.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, ' ') => words.push(String::new()),
            (_, _) => words.last_mut().expect("there is a first word").push(c),
        }
    }
    words.retain(|it| !it.is_empty());
    words
}

/// The command lines of coord in the README's blocks of code, without what a shell makes of their ends.
fn lines_of_the_readme(readme: &str) -> Vec<String> {
    let blocks = readme.split("\n```").skip(1).step_by(2);
    let lines = blocks.flat_map(str::lines).map(|it| it.trim().trim_start_matches("$ "));
    let commands = lines.filter_map(|it| it.strip_prefix("coord "));
    let ends = [" #", " |", " >", " &&", " ;"];
    let ended = commands.map(|it| ends.iter().fold(it, |it, end| it.split(end).next().unwrap_or(it)));
    ended.map(|it| it.trim().to_owned()).collect()
}

#[test]
fn the_readme_says_what_the_program_understands() {
    let readme = fs_err::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap();
    let world = world();
    for line in lines_of_the_readme(&readme) {
        let mut arguments = words(&line);
        // Understanding comes before doing: with an empty configuration nothing is done.
        arguments.extend(["--config".to_owned(), "none.yml".to_owned(), "--json".to_owned()]);
        let known = listed(&world.coord(["--help"]).stdout);
        assert!(known.contains(&arguments[0]), "README: coord {line}");
        if ["init", "demo", "completions", "version", "doctor"].contains(&arguments[0].as_str()) {
            arguments.push("--help".to_owned());
        }
        let finished = world.coord(&arguments);
        assert!(!finished.stdout.contains(r#""kind":"usage""#), "README: coord {line}\n{}", finished.stdout);
    }
    let mentioned: BTreeSet<_> = readme.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect();
    for command in listed(&world.coord(["--help"]).success().stdout) {
        assert!(mentioned.contains(command.as_str()), "the README does not mention `coord {command}`");
    }
}
