//! Sinks that break a rule where nobody knows how a commit has ended.

use std::sync::{Arc, Mutex};

use firesteel_connect::conformance::Loss;
use firesteel_connect::{
    CheckpointId, ConnectError, Epoch, Guarantee, Mark, Result, Sink, SinkContext, WriteTask, conformance,
};

use crate::broken;

/// What a sink does wrong.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fault {
    None,
    CallsItAFailure,
    CallsItDone,
    LetsGoOfWhatIsPending,
    TellsWithoutAsking,
    DoesNotShutOut,
    AlwaysSaysNo,
}

/// A server that numbers the sessions of its clients: what comes in an older one than the newest is refused.
#[derive(Default)]
struct Server {
    rows: Vec<u32>,
    last: Option<Mark>,
    session: u64,
    loss: Option<Loss>,
    /// A commit under way: its session, mark and rows.
    late: Option<(u64, Mark, Vec<u32>)>,
}

impl Server {
    fn commit(&mut self, session: u64, mark: Mark, rows: &[u32]) {
        if session == self.session && self.last.is_none_or(|last| last.epoch < mark.epoch) {
            self.rows.extend(rows);
            self.last = Some(mark);
        }
    }

    fn land(&mut self) {
        if let Some((session, mark, rows)) = self.late.take() {
            self.commit(session, mark, &rows);
        }
    }
}

type Place = Arc<Mutex<Server>>;

struct Unsure {
    server: Place,
    /// Its session with the server, and the checkpoint.
    session: Mutex<(u64, CheckpointId)>,
    fault: Fault,
}

impl Sink<u32> for Unsure {
    type Pending = Vec<u32>;

    fn describe(&self) -> String {
        "a server".into()
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn start(&self, context: &SinkContext) -> Result<()> {
        let mut server = self.server.lock().unwrap();
        server.session += 1;
        *self.session.lock().unwrap() = (server.session, context.checkpoint());
        Ok(())
    }

    fn write(&self, _: WriteTask, records: impl Iterator<Item = u32>) -> Result<Vec<u32>> {
        Ok(records.collect())
    }

    fn commit(&self, epoch: Epoch, pending: &mut Vec<Vec<u32>>) -> Result<()> {
        let (session, checkpoint) = *self.session.lock().unwrap();
        let (mark, rows) = (Mark { epoch, checkpoint }, pending.concat());
        let mut server = self.server.lock().unwrap();
        match server.loss.take() {
            None => {
                server.commit(session, mark, &rows);
                pending.clear();
                return Ok(());
            }
            Some(Loss::Answer) => server.commit(session, mark, &rows),
            Some(Loss::Late) => server.late = Some((session, mark, rows)),
            Some(_) => {}
        }
        let source = "connection reset".into();
        match self.fault {
            Fault::CallsItDone => return Ok(()),
            Fault::CallsItAFailure => return Err(ConnectError::Unreachable { peer: self.describe(), source }),
            Fault::LetsGoOfWhatIsPending => pending.clear(),
            _ => {}
        }
        Err(ConnectError::OutcomeUnknown { place: self.describe(), epoch, source })
    }

    fn outcome(&self, epoch: Epoch) -> Result<bool> {
        let mut server = self.server.lock().unwrap();
        match self.fault {
            Fault::TellsWithoutAsking => return Ok(true),
            Fault::AlwaysSaysNo => return Ok(false),
            Fault::DoesNotShutOut => {}
            _ => {
                // What comes in the old session does not count from here on.
                server.session += 1;
                self.session.lock().unwrap().0 = server.session;
            }
        }
        Ok(server.last.is_some_and(|mark| mark.epoch >= epoch))
    }

    fn last_committed(&self) -> Result<Option<Mark>> {
        Ok(self.server.lock().unwrap().last)
    }
}

#[test]
fn the_suite_for_unknown_outcomes_finds_each_fault() {
    let suite = |fault| {
        let open = |place: &Place| {
            let session = Mutex::new((0, CheckpointId::from_bits(0)));
            Unsure { server: Arc::clone(place), session, fault }
        };
        let lose = |place: &Place, loss| place.lock().unwrap().loss = Some(loss);
        let land = |place: &Place| place.lock().unwrap().land();
        let visible = |place: &Place| place.lock().unwrap().rows.clone();
        conformance::unsure_sink(Place::default, open, lose, land, visible, |n| n);
    };
    suite(Fault::None);
    let cases = [
        (Fault::CallsItAFailure, "K15"),
        (Fault::CallsItDone, "K15"),
        (Fault::LetsGoOfWhatIsPending, "K15"),
        (Fault::TellsWithoutAsking, "K16"),
        (Fault::AlwaysSaysNo, "K16"),
        (Fault::DoesNotShutOut, "K16"),
    ];
    for (fault, rule) in cases {
        assert_eq!(broken(|| suite(fault)), rule, "{fault:?}");
    }
}
