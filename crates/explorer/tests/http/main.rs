//! The server as a page, and anybody else, sees it.

mod answers;
mod client;
mod files;
mod networks;
mod photographs;
mod refusals;
mod streams;
mod what_if;
