//! Throughput between two nodes, asked for by hand.

use netloom_api::{ApiError, ErrorKind, MeasureRow, Measurement};

use crate::Sink;
use crate::engine::Running;
use crate::probe::{Flow, bulk};

/// The longest measurement, in seconds.
const LONGEST: u32 = 86_400;

impl Running {
    pub(super) fn measure(
        &self,
        from: &str,
        to: &str,
        what: &Measurement,
        seconds: u32,
        sink: &Sink,
    ) -> Result<MeasureRow, ApiError> {
        let (flow, protocol) = match what {
            Measurement::Tcp => (Flow::Tcp, "tcp"),
            Measurement::Udp(rate) => {
                let offer = netloom_lab::quantity::rate(rate).map_err(|e| {
                    let error = ApiError::new(ErrorKind::Usage, format!("{}.", e.message));
                    e.hint.map_or(error.clone(), |hint| error.hint(hint))
                })?;
                (Flow::Udp { offer: Some(offer), bytes: 1_400 }, "udp")
            }
        };
        let crowd = self.crowd();
        let station = |name: &str| {
            let all: Vec<&str> = crowd.stations.iter().map(|station| station.name.as_str()).collect();
            let station = crowd.station(name).ok_or_else(|| super::not_found("node", name, &all))?;
            match &station.down {
                Some(why) => {
                    Err(ApiError::new(ErrorKind::Failed, format!("Node {name} cannot be measured: {why}.")))
                }
                None => Ok(station),
            }
        };
        let (sender, target) = (station(from)?, station(to)?);
        if sender.name == target.name {
            return Err(ApiError::new(ErrorKind::Usage, "A node cannot be measured against itself."));
        }
        let nanos = u64::from(seconds.clamp(1, LONGEST)) * 1_000_000_000;
        let measured = bulk(sender, target, flow, nanos, &|| !sink.is_cancelled())
            .map_err(|e| ApiError::caused(ErrorKind::Failed, "Cannot measure.", &e))?;
        if sink.is_cancelled() {
            return Err(ApiError::new(ErrorKind::Cancelled, "The measurement was given up."));
        }
        let ms = |nanos: u64| netloom_flow::Nanos(nanos).as_secs_f64() * 1e3;
        #[expect(clippy::cast_precision_loss, reason = "rates and shares for people")]
        let float = |value: u64| value as f64;
        let udp = flow != Flow::Tcp;
        Ok(MeasureRow {
            from: sender.name.clone(),
            to: target.name.clone(),
            protocol: protocol.to_owned(),
            sent_bps: float(measured.sent_bps),
            received_bps: float(measured.received_bps),
            seconds: ms(measured.nanos) / 1e3,
            loss: if udp { float(measured.lost_ppb()) / 1e9 } else { 0.0 },
            jitter_ms: if udp { ms(measured.jitter) } else { 0.0 },
        })
    }
}
