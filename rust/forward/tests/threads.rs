//! What the engine's threads may hold and share: checked by the compiler.

use meeting_forward::{Demux, Departure, History, Packet, Reception, Sink, Source};
use meeting_srtp::{Inbound, Outbound};

fn moves<T: Send + 'static>() {}
fn is_shared<T: Send + Sync>() {}

#[test]
fn machines_move_between_threads_and_what_many_read_is_shared() {
    moves::<Source>();
    moves::<Sink>();
    moves::<Demux>();
    moves::<Departure>();
    moves::<Inbound>();
    is_shared::<Outbound>();
    is_shared::<History>();
    is_shared::<Reception>();
    is_shared::<Packet<'_>>();
}
