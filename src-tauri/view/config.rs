//! What is wrong with a configuration file, in words.

use crate::profile::Problem;

/// One sentence: which file, where, what is wrong, what is expected.
pub fn problem(problem: &Problem) -> String {
    problem.file.display().to_string()
}
