//! The stand-in for GitHub, as programs meet it: over HTTP, and with the real git.

mod client;
mod issues;
mod site;
