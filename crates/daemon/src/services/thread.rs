//! The thread that answers.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use netloom_flow::{BridgeId, Nanos, OfPort, PortId, word};
use netloom_services::Output;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::{Shared, upstream};
use crate::slowpath;
use crate::worker::Mail;

/// The longest it sleeps: nobody waits for more than this if a clock is turned.
const LONGEST: Nanos = Nanos::from_secs(60);

/// An answer from outside: whose question it was, and what was answered.
type Reply = (BridgeId, u64, Option<Vec<u8>>);

/// Starts the thread.
///
/// # Errors
/// No thread or fd left.
pub(super) fn start(shared: Arc<Shared>) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    std::thread::Builder::new().name("services".to_owned()).spawn(move || runtime.block_on(work(shared)))
}

async fn work(shared: Arc<Shared>) {
    let (replies, mut received) = unbounded_channel::<Reply>();
    loop {
        let pause = shared.pause();
        tokio::select! {
            () = shared.punts.news() => shared.packets(&replies),
            () = shared.news.notified() => {}
            Some((bridge, token, reply)) = received.recv() => shared.replied(bridge, token, reply, &replies),
            () = tokio::time::sleep(pause) => {}
        }
        if shared.table().over {
            return;
        }
        shared.poll(&replies);
    }
}

impl Shared {
    /// How long nothing is due.
    fn pause(&self) -> Duration {
        let deadlines = self.table().networks.values().filter_map(|(_, network)| network.deadline()).min();
        let until = deadlines.map_or(LONGEST, |due| due.since(slowpath::now())).min(LONGEST);
        Duration::from_nanos(until.0)
    }

    fn packets(&self, replies: &UnboundedSender<Reply>) {
        for packet in self.punts.take() {
            let bridge = packet.punt.bridge;
            let port = u32::try_from(packet.punt.key.0[word::IN_PORT] >> 32).unwrap_or(0);
            let mut out = Vec::new();
            if let Some((_, network)) = self.table().networks.get_mut(&bridge) {
                network.handle(port, &packet.bytes, slowpath::now(), &mut out);
            }
            self.carry_out(bridge, out, replies);
        }
    }

    fn replied(
        &self,
        bridge: BridgeId,
        token: u64,
        reply: Option<Vec<u8>>,
        replies: &UnboundedSender<Reply>,
    ) {
        let mut out = Vec::new();
        if let Some((_, network)) = self.table().networks.get_mut(&bridge) {
            network.upstream(token, reply.as_deref(), slowpath::now(), &mut out);
        }
        self.carry_out(bridge, out, replies);
    }

    fn poll(&self, replies: &UnboundedSender<Reply>) {
        let now = slowpath::now();
        let mut all = Vec::new();
        for (bridge, (_, network)) in &mut self.table().networks {
            let mut out = Vec::new();
            network.poll(now, &mut out);
            all.push((*bridge, out));
        }
        all.into_iter().for_each(|(bridge, out)| self.carry_out(bridge, out, replies));
    }

    fn carry_out(&self, bridge: BridgeId, out: Vec<Output>, replies: &UnboundedSender<Reply>) {
        let mut frames = Vec::new();
        for output in out {
            match output {
                Output::Send { port, frame } => {
                    let model = slowpath::read(&self.switch);
                    let Some(translation) = model.serve_out(bridge, OfPort(port), &frame) else { continue };
                    drop(model);
                    let translation = Arc::new(translation);
                    self.tracked.add(Arc::clone(&translation));
                    frames.push((PortId::default(), frame, translation));
                }
                Output::Ask { token, query } => {
                    let replies = replies.clone();
                    tokio::spawn(async move {
                        let reply = upstream::ask(&query).await;
                        // Nobody is there any more at the end.
                        let _ = replies.send((bridge, token, reply));
                    });
                }
            }
        }
        if !frames.is_empty()
            && let Some(worker) = &*self.worker()
        {
            worker.send(Mail::Inject(frames));
        }
    }
}
