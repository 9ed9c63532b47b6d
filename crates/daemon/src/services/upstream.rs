//! Names outside: asked of the machine's own name servers, from where the daemon was started.
//!
//! What is too long for a datagram is asked for again by connection (RFC 7766 section 5). Each question has a socket of its own, and so a port and an id that nobody can guess (RFC 5452 section 9.2).

use std::hash::{BuildHasher as _, Hasher as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// Name servers that are asked, one after the other.
const MAX_SERVERS: usize = 2;
/// How long one is waited for: together shorter than the client is kept waiting.
const PATIENCE: Duration = Duration::from_millis(1_800);
/// Longest datagram that is read.
const LONGEST: usize = 4_096;
const PORT: u16 = 53;
/// In the third byte: there is more.
const TRUNCATED: u8 = 2;

/// Asks the machine's name servers; `None`: there are none, or none answered in time.
pub(super) async fn ask(query: &[u8]) -> Option<Vec<u8>> {
    let text = tokio::task::spawn_blocking(|| std::fs::read_to_string("/etc/resolv.conf")).await;
    let text = text.ok().and_then(Result::ok).unwrap_or_default();
    for server in servers(&text).take(MAX_SERVERS) {
        if let Ok(Ok(reply)) = timeout(PATIENCE, ask_whole(SocketAddr::new(server, PORT), query)).await {
            return Some(reply);
        }
    }
    None
}

/// The name servers of a resolv.conf(5).
fn servers(text: &str) -> impl Iterator<Item = IpAddr> {
    text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == "nameserver").then(|| words.next()?.parse().ok()).flatten()
    })
}

/// The answer, if need be by connection: who cannot be reached so has said what it could.
async fn ask_whole(server: SocketAddr, query: &[u8]) -> std::io::Result<Vec<u8>> {
    let short = ask_one(server, query).await?;
    if short.get(2).is_none_or(|flags| flags & TRUNCATED == 0) {
        return Ok(short);
    }
    let whole = timeout(PATIENCE / 3, ask_by_connection(server, query)).await;
    Ok(whole.ok().and_then(Result::ok).unwrap_or(short))
}

async fn ask_by_connection(server: SocketAddr, query: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let id = random().to_be_bytes();
    let rest = query.get(2..).unwrap_or_default();
    let len = u16::try_from(2 + rest.len()).unwrap_or(u16::MAX).to_be_bytes();
    stream.write_all(&[&len[..], &id, rest].concat()).await?;
    let mut reply = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut reply).await?;
    if reply.get(..2) == Some(&id) { Ok(reply) } else { Err(std::io::ErrorKind::InvalidData.into()) }
}

async fn ask_one(server: SocketAddr, query: &[u8]) -> std::io::Result<Vec<u8>> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    // Only the one that was asked is heard.
    socket.connect(server).await?;
    let id = random().to_be_bytes();
    let rest = query.get(2..).unwrap_or_default();
    socket.send(&[&id, rest].concat()).await?;
    let mut reply = vec![0; LONGEST];
    loop {
        let len = socket.recv(&mut reply).await?;
        if reply.get(..2) == Some(&id) {
            reply.truncate(len);
            return Ok(reply);
        }
    }
}

/// A number that nobody can guess: the standard library keys its hashers from the kernel's entropy.
fn random() -> u16 {
    let number = std::collections::hash_map::RandomState::new().build_hasher().finish();
    u16::try_from(number & 0xffff).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_of_the_machine() {
        let text = "# a comment\nsearch example.org\nnameserver 127.0.0.53\nnameserver\n nameserver fd00::1 \nnameserver x\n";
        let expected: Vec<IpAddr> = vec!["127.0.0.53".parse().unwrap(), "fd00::1".parse().unwrap()];
        assert_eq!(servers(text).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_is_cut_is_asked_for_again_by_connection() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let address = listener.local_addr().unwrap();
            let server = UdpSocket::bind(address).await.unwrap();
            let serve = async {
                let mut query = [0; 64];
                let (_, from) = server.recv_from(&mut query).await.unwrap();
                server.send_to(&[query[0], query[1], TRUNCATED], from).await.unwrap();
                let (mut stream, _) = listener.accept().await.unwrap();
                let len = usize::from(stream.read_u16().await.unwrap());
                let mut query = vec![0; len];
                stream.read_exact(&mut query).await.unwrap();
                assert_eq!(&query[2..], b"question");
                stream.write_all(&[&[0, 5][..], &query[..2], b"all"].concat()).await.unwrap();
            };
            let (reply, ()) = tokio::join!(ask_whole(address, b"\0\0question"), serve);
            assert_eq!(&reply.unwrap()[2..], b"all");
        });
    }

    #[test]
    fn only_the_answer_to_the_question_is_taken() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let address = server.local_addr().unwrap();
            let serve = async {
                let mut query = [0; 64];
                let (len, from) = server.recv_from(&mut query).await.unwrap();
                let wrong = [query[0] ^ 1, query[1], 9];
                server.send_to(&wrong, from).await.unwrap();
                server.send_to(&query[..len], from).await.unwrap();
            };
            let (reply, ()) = tokio::join!(ask_one(address, b"\0\0question"), serve);
            assert_eq!(&reply.unwrap()[2..], b"question");
        });
    }
}
