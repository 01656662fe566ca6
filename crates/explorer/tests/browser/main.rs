//! The page as a reader uses it, in headless Chromium. Without Chromium or chromedriver the tests say that they were left
//! out. `CHROMIUM` and `CHROMEDRIVER` name programs that are not on the path, `AXE_CORE` the file of axe-core.

#![allow(clippy::print_stderr, reason = "a test says that it was left out")]

mod ask;
mod choose;
mod driver;
mod everybody;
mod keep;
mod page;
mod report;
mod screenshots;
mod see;
mod server;
