//! Request and response: one byte there, one byte back, over one TCP connection.

use std::io::{Read, Result, Write};
use std::net::{SocketAddr, TcpListener};

use serde_json::{Value, json};

pub(super) fn serve(listen: SocketAddr, cpu: Option<usize>) -> Result<Value> {
    super::pin(cpu)?;
    let listener = TcpListener::bind(listen)?;
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let (mut byte, mut answers) = ([0], 0_u64);
    while stream.read(&mut byte)? == 1 {
        stream.write_all(&byte)?;
        answers += 1;
    }
    Ok(json!({ "answers": answers }))
}

pub(super) fn ask(to: SocketAddr, seconds: f64, cpu: Option<usize>) -> Result<Value> {
    super::pin(cpu)?;
    let mut stream = super::tcp::connect(to)?;
    stream.set_nodelay(true)?;
    let (mut byte, mut times, start) = ([1], Vec::with_capacity(1 << 18), super::now());
    while start.elapsed().as_secs_f64() < seconds {
        let asked = super::now();
        stream.write_all(&byte)?;
        stream.read_exact(&mut byte)?;
        times.push(u64::try_from(asked.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    times.sort_unstable();
    Ok(json!({
        "count": times.len(),
        "p50_us": micros(super::quantile(&times, 0.5)),
        "p99_us": micros(super::quantile(&times, 0.99)),
    }))
}

#[expect(clippy::cast_precision_loss, reason = "display")]
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1000.0
}
