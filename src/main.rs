//! The program `pgha`. Everything it does is in the library; see `src/lib.rs` for the tour.

fn main() -> std::process::ExitCode {
    pgha::cli::main()
}
