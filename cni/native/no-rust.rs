//! Cargo wants a target to resolve dependencies. There is no Rust code in this program.
