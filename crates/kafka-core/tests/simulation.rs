//! The simulation as a test: thousands of seeds hold, a seed shows the same twice, and every planted defect is noticed.

use std::sync::atomic::{AtomicUsize, Ordering};

use kafka_core::sim::{self, Scenario};

/// Seeds of each scenario.
const SEEDS: u64 = 210;

/// Runs jobs on as many threads as the machine has; a simulation is one thread's affair.
fn on_all_threads(jobs: usize, run: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let job = next.fetch_add(1, Ordering::Relaxed);
                    if job >= jobs {
                        break;
                    }
                    run(job);
                }
            });
        }
    });
}

#[test]
fn every_seed_of_every_scenario_holds() {
    let scenarios = sim::scenarios();
    let seeds: Vec<(&Scenario, u64)> = (0..SEEDS).flat_map(|seed| scenarios.iter().map(move |scenario| (scenario, seed))).collect();
    assert!(seeds.len() >= 2_000);
    let handled = AtomicUsize::new(0);
    on_all_threads(seeds.len(), |job| {
        let (scenario, seed) = seeds[job];
        match sim::run(scenario, seed) {
            Ok(stats) => handled.fetch_add(usize::try_from(stats.handled).unwrap(), Ordering::Relaxed),
            Err(violation) => panic!("{violation}"),
        };
    });
    assert!(handled.into_inner() > seeds.len() * 20, "the simulation hardly does anything");
}

#[test]
fn the_same_seed_gives_the_same_history() {
    for scenario in sim::scenarios() {
        for seed in [0, 7, 1_000_003] {
            let (first, again) = (sim::replay(scenario, seed), sim::replay(scenario, seed));
            let parted = first.1.iter().zip(&again.1).position(|(one, other)| one != other);
            let around = |lines: &[String]| parted.map(|at| lines[at.saturating_sub(15)..(at + 4).min(lines.len())].join("\n"));
            assert_eq!(around(&first.1), around(&again.1), "{} from seed {seed} went two ways", scenario.name());
            assert_eq!(first.1.len(), again.1.len());
            assert_eq!(first.0.unwrap(), again.0.unwrap());
        }
        assert_ne!(sim::replay(scenario, 1).1, sim::replay(scenario, 2).1);
    }
}

#[cfg(feature = "__planted-defects")]
mod defects {
    use kafka_core::sim::planted::{self, Defect};
    use kafka_core::sim::{self, Invariant};

    use super::on_all_threads;

    /// How many seeds a defect may hide for.
    const SEEDS: u64 = 150;

    /// Each defect, where it shows, and as what.
    const DEFECTS: &[(Defect, &str, &[Invariant])] = &[
        (Defect::StoreSeenNotDone, "steady", &[Invariant::NoLoss]),
        (Defect::StoreBeyondUnacknowledged, "forwarding", &[Invariant::NoLoss]),
        (Defect::RefusedForwardSettled, "forwarding", &[Invariant::NoLoss]),
        (Defect::RefusedForwardBlocksNothing, "forwarding", &[Invariant::TroubleHolds]),
        (Defect::IgnoreGeneration, "expiry", &[Invariant::NoLoss]),
        (Defect::OffsetGapFilled, "steady", &[Invariant::NoLoss]),
        (Defect::SettleInFrontOfParked, "batch", &[Invariant::OrderKept, Invariant::OnceDone]),
        (Defect::AttemptsOutliveAssignment, "rebalance", &[Invariant::AttemptsFresh]),
        (Defect::HandlerErrorStopsConsumer, "failures", &[Invariant::FailuresContained]),
        (Defect::SwallowFailure, "failures", &[Invariant::FailuresContained]),
        (Defect::PanicKillsLane, "failures", &[Invariant::FailuresContained]),
        (Defect::SkipOnGateTrouble, "failures", &[Invariant::TroubleHolds]),
        (Defect::TroubleWithoutBackoff, "failures", &[Invariant::TroubleHolds]),
        (Defect::GiveUpWhileRunning, "rebalance", &[Invariant::Ownership]),
        (Defect::CloseWhileRunning, "rebalance", &[Invariant::Ownership]),
        (Defect::CutOffAtOnce, "rebalance", &[Invariant::Ownership]),
        (Defect::StoreAfterLost, "expiry", &[Invariant::Ownership]),
        (Defect::ForgetLastStore, "rebalance", &[Invariant::Handover]),
        (Defect::SameKeyBesideItself, "keys", &[Invariant::LaneAlone]),
        (Defect::LaneOrderSwapped, "keys", &[Invariant::OrderKept]),
        (Defect::ExceedConcurrency, "keys", &[Invariant::ConcurrencyKept]),
        (Defect::HandOutTwice, "steady", &[Invariant::OnceDone]),
        (Defect::UnboundedMessages, "pauses", &[Invariant::MemoryBounded]),
        (Defect::UnboundedBytes, "pauses", &[Invariant::MemoryBounded]),
        (Defect::HoldEndsEarly, "failures", &[Invariant::HoldsEnd]),
        (Defect::HoldEndsLate, "failures", &[Invariant::HoldsEnd]),
        (Defect::WakeIgnored, "failures", &[Invariant::HoldsEnd]),
        (Defect::LostWakeup, "steady", &[Invariant::Progress]),
        (Defect::SettledNotReady, "pauses", &[Invariant::Progress]),
        (Defect::ResumedNotReady, "pauses", &[Invariant::Progress]),
        (Defect::PauseIgnored, "pauses", &[Invariant::PausesKept]),
        (Defect::PauseForgotten, "pauses", &[Invariant::PausesKept]),
        (Defect::PositionsIgnored, "positions", &[Invariant::PositionsKept]),
        (Defect::AnswerTwice, "rebalance", &[Invariant::PortKept]),
        (Defect::PanicOnClientError, "steady", &[Invariant::LoopAlive]),
    ];

    #[test]
    fn every_planted_defect_is_noticed_as_what_it_is() {
        let missed = std::sync::Mutex::new(Vec::new());
        on_all_threads(DEFECTS.len(), |job| {
            let (defect, name, expected) = DEFECTS[job];
            let scenario = sim::scenarios().iter().find(|scenario| scenario.name() == name).unwrap();
            let violations: Vec<_> = (0..SEEDS).filter_map(|seed| planted::run(defect, scenario, seed).err()).take(3).collect();
            if !violations.iter().any(|violation| expected.contains(&violation.invariant)) {
                let seen: Vec<_> = violations.iter().map(|violation| format!("{}: {}", violation.invariant, violation.what)).collect();
                missed.lock().unwrap().push(format!("{defect:?} in {name}: {seen:?}"));
            }
        });
        let missed = missed.into_inner().unwrap();
        assert!(missed.is_empty(), "not noticed as what they are:\n{}", missed.join("\n"));
    }

    /// The failure handler says `Stop` of a forward that was refused: rare, so by seeds that show it.
    #[test]
    fn a_stop_over_a_refused_forward_lets_no_other_lane_go_on() {
        let forwarding = sim::scenarios().iter().find(|scenario| scenario.name() == "forwarding").unwrap();
        for seed in [50_054, 50_123, 50_194] {
            sim::run(forwarding, seed).unwrap_or_else(|violation| panic!("{violation}"));
            let violation = planted::run(Defect::StopLiftsBlock, forwarding, seed).unwrap_err();
            assert_eq!(violation.invariant, Invariant::TroubleHolds, "{violation}");
        }
    }
}
