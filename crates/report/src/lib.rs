//! Heat maps, charts and the report page, from plain slices.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
