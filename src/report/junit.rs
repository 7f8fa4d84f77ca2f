//! Reports as `JUnit` XML: one suite a run, one case a check.

use quick_junit::{NonSuccessKind, Report as Junit, TestCase, TestCaseStatus, TestSuite};

use super::Report;
use crate::check::record::Check;
use crate::model::scenario::VerdictWord;

/// Renders reports for a CI system: *fail* is a failure, *unknown* an error. A sabotage scenario has one
/// more case, `ends`, which alone decides; its other checks that did not pass are shown as skipped.
#[must_use]
pub fn junit(reports: &[Report]) -> String {
    junit_with(reports, &[])
}

/// The same, with scenarios that could not be run and why: a suite each with one case, `run`, an error.
#[must_use]
pub fn junit_with(reports: &[Report], broken: &[(&str, &str)]) -> String {
    let mut all = Junit::new("pgha");
    for (scenario, why) in broken {
        let mut suite = TestSuite::new(*scenario);
        let mut case = TestCase::new("run", said(NonSuccessKind::Error, why));
        case.set_classname(*scenario);
        suite.add_test_case(case);
        all.add_test_suite(suite);
    }
    for report in reports {
        let mut suite = TestSuite::new(report.scenario.as_str());
        suite.add_property(("seed", report.seed.to_string().as_str()));
        if let Some(preset) = &report.preset {
            suite.add_property(("preset", preset.as_str()));
        }
        suite.add_property(("verdict", report.verdict.to_string().as_str()));
        suite.add_test_cases(report.checks.iter().map(|check| case(report, check)));
        if let Some(ends) = &report.ends {
            let status = if ends.met {
                TestCaseStatus::success()
            } else {
                said(
                    NonSuccessKind::Failure,
                    &format!("must end in {}, ended in {}", ends.verdict, report.verdict),
                )
            };
            suite.add_test_case(named(report, "ends", status));
        }
        all.add_test_suite(suite);
    }
    // what is written goes to memory, and the library removes characters XML does not have
    all.to_string().unwrap_or_default()
}

fn case(report: &Report, check: &Check) -> TestCase {
    let status = match check.verdict {
        VerdictWord::Pass => TestCaseStatus::success(),
        _ if report.ends.is_some() => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(check.summary.as_str());
            status
        }
        VerdictWord::Unknown => said(NonSuccessKind::Error, &check.summary),
        VerdictWord::Fail => said(NonSuccessKind::Failure, &check.summary),
    };
    named(report, &check.name, status)
}

fn named(report: &Report, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(report.scenario.as_str());
    case
}

fn said(kind: NonSuccessKind, message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(message);
    status
}
