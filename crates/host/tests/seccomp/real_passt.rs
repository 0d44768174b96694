//! passt carries packets under its profile. Frames on its socket follow their length, four bytes,
//! most significant first.

use crate::confined::Program;
use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket},
    os::unix::net::UnixStream,
    path::Path,
    process::Child,
    time::Duration,
};
use svirt_model::{ExecutableMemory::Denied, SyscallProfile};
use svirt_policy::seccomp::profile;

const PASST: &str = "/usr/bin/passt";
const GUEST: [u8; 4] = [10, 0, 2, 15];
const GATEWAY: [u8; 4] = [10, 0, 2, 2];
const CARD: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
const EVERYONE: [u8; 6] = [0xff; 6];

const IPV4: [u8; 2] = [0x08, 0x00];
const ARP: [u8; 2] = [0x08, 0x06];
const TCP: u8 = 6;
const UDP: u8 = 17;

const FIN: u8 = 1;
const SYN: u8 = 2;
const ACK: u8 = 16;

/// The guest's side of a network card.
struct Card {
    wire: UnixStream,
    gateway: [u8; 6],
}

impl Card {
    fn send(&mut self, to: [u8; 6], kind: [u8; 2], payload: &[u8]) {
        let frame = [&to[..], &CARD, &kind, payload].concat();
        let length = u32::try_from(frame.len()).expect("a short frame").to_be_bytes();
        self.wire.write_all(&[&length[..], &frame].concat()).expect("passt takes a frame");
    }

    fn receive(&mut self) -> Vec<u8> {
        let mut length = [0; 4];
        self.wire.read_exact(&mut length).expect("passt sends a frame in time");
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.wire.read_exact(&mut frame).expect("the frame is whole");
        frame
    }

    fn send_ip(&mut self, protocol: u8, to: [u8; 4], payload: &[u8]) {
        self.send(self.gateway, IPV4, &ip(protocol, GUEST, to, payload));
    }

    /// The next IPv4 packet of this protocol that is not empty, without its header.
    fn receive_ip(&mut self, protocol: u8) -> Vec<u8> {
        loop {
            let frame = self.receive();
            if frame[12..14] == IPV4 && frame[23] == protocol {
                let length = usize::from(u16::from_be_bytes([frame[16], frame[17]]));
                return frame[34..14 + length].to_vec();
            }
        }
    }
}

fn checksum(bytes: &[u8]) -> [u8; 2] {
    let pair = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    let mut sum: u32 = bytes.chunks(2).map(pair).sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    (!(sum as u16)).to_be_bytes()
}

fn length(bytes: &[u8], header: usize) -> [u8; 2] {
    u16::try_from(bytes.len() + header).expect("a short packet").to_be_bytes()
}

fn ip(protocol: u8, from: [u8; 4], to: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let [high, low] = length(payload, 20);
    let mut header =
        [&[0x45, 0, high, low, 0, 1, 0, 0, 64, protocol, 0, 0], &from[..], &to].concat();
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum);
    [header, payload.to_vec()].concat()
}

fn udp(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let (from, to) = (from.to_be_bytes(), to.to_be_bytes());
    [&from[..], &to, &length(payload, 8), &[0, 0], payload].concat()
}

/// One end of a TCP connection that never loses anything.
struct Connection {
    to: [u8; 4],
    port: u16,
    sent: u32,
    received: u32,
}

impl Connection {
    fn send(&mut self, card: &mut Card, flags: u8, payload: &[u8]) {
        let (from, to) = (4444u16.to_be_bytes(), self.port.to_be_bytes());
        let (sent, received) = (self.sent.to_be_bytes(), self.received.to_be_bytes());
        let window = [0xff, 0xff, 0, 0, 0, 0];
        let mut segment =
            [&from[..], &to, &sent, &received, &[0x50, flags], &window, payload].concat();
        let pseudo = [&GUEST[..], &self.to, &[0, TCP], &length(payload, 20)].concat();
        let sum = checksum(&[pseudo, segment.clone()].concat());
        segment[16..18].copy_from_slice(&sum);
        card.send_ip(TCP, self.to, &segment);
        let numbered = payload.len() + usize::from(flags & (SYN | FIN) != 0);
        self.sent += u32::try_from(numbered).expect("a short segment");
    }

    /// The next segment: its flags and its payload.
    fn receive(&mut self, card: &mut Card) -> (u8, Vec<u8>) {
        let segment = card.receive_ip(TCP);
        let number = [segment[4], segment[5], segment[6], segment[7]];
        let payload = segment[usize::from(segment[12] >> 4) * 4..].to_vec();
        let length = u32::try_from(payload.len()).expect("a short segment");
        let numbered = u32::from(segment[13] & (SYN | FIN) != 0);
        self.received = u32::from_be_bytes(number) + length + numbered;
        (segment[13], payload)
    }
}

/// Asks who the gateway is.
fn resolve(card: &mut Card) {
    let ethernet_ipv4_who_has = [0, 1, 8, 0, 6, 4, 0, 1];
    let request = [&ethernet_ipv4_who_has[..], &CARD, &GUEST, &[0; 6], &GATEWAY].concat();
    card.send(EVERYONE, ARP, &request);
    let reply = card.receive();
    assert_eq!(reply[12..14], ARP);
    assert_eq!(reply[20..22], [0, 2], "it is there");
    card.gateway.copy_from_slice(&reply[22..28]);
}

/// Asks for an address.
fn discover(card: &mut Card) {
    let mut message = vec![0; 300];
    message[..4].copy_from_slice(&[1, 1, 6, 0]);
    message[28..34].copy_from_slice(&CARD);
    // The cookie; option 53, one byte: discover; the end.
    message[236..244].copy_from_slice(&[0x63, 0x82, 0x53, 0x63, 53, 1, 1, 255]);
    let packet = ip(UDP, [0; 4], [255; 4], &udp(68, 67, &message));
    card.send(EVERYONE, IPV4, &packet);
    let offer = card.receive_ip(UDP);
    assert_eq!(offer[8 + 16..8 + 20], GUEST, "the address that it was told to give");
}

fn exchange_datagrams(card: &mut Card, host: Ipv4Addr) {
    let server = UdpSocket::bind((host, 0)).expect("a port");
    server.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    let port = server.local_addr().expect("a port").port();
    card.send_ip(UDP, host.octets(), &udp(5555, port, b"request"));
    let mut buffer = [0; 100];
    let (read, client) = server.recv_from(&mut buffer).expect("the request arrives");
    assert_eq!(&buffer[..read], b"request");
    server.send_to(b"response", client).expect("the response leaves");
    assert_eq!(card.receive_ip(UDP)[8..], *b"response");
}

fn exchange_over_a_connection(card: &mut Card, host: Ipv4Addr) {
    let server = TcpListener::bind((host, 0)).expect("a port");
    let port = server.local_addr().expect("a port").port();
    let mut client = Connection { to: host.octets(), port, sent: 1000, received: 0 };
    client.send(card, SYN, b"");
    assert_eq!(client.receive(card).0, SYN | ACK);
    let (mut stream, _) = server.accept().expect("the connection arrives");
    client.send(card, ACK, b"");
    client.send(card, ACK, b"request");
    let mut request = [0; 7];
    stream.read_exact(&mut request).expect("the request arrives");
    assert_eq!(&request, b"request");
    stream.write_all(b"response").expect("the response leaves");
    while client.receive(card).1 != b"response" {}
    client.send(card, ACK | FIN, b"");
    assert_eq!(stream.read(&mut request).expect("the end arrives"), 0);
}

/// An address of this host at which a guest's packets can arrive.
fn own_address() -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // No packet is sent: the kernel only chooses a route.
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(address) if !address.is_loopback() => Some(address),
        _ => None,
    }
}

fn start() -> (Card, Child) {
    let (wire, theirs) = UnixStream::pair().expect("a socket pair");
    wire.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    let arguments = "--foreground --quiet --stderr --no-map-gw -t none -u none --fd 300 \
                     -a 10.0.2.15 -n 24 -g 10.0.2.2";
    let mut program = Program::new(PASST, arguments);
    program.descriptors.push((300, theirs.into()));
    program.user = 65534;
    let passt = program.start(profile(SyscallProfile::Passt), Denied);
    (Card { wire, gateway: EVERYONE }, passt)
}

#[test]
fn packets_are_carried_under_the_profile() {
    let host = own_address();
    if !Path::new(PASST).exists() || host.is_none() {
        return svirt_testkit::skipped("this host has no passt, or no address but its own loop");
    }
    let (mut card, passt) = start();
    resolve(&mut card);
    discover(&mut card);
    let host = host.expect("an address");
    exchange_datagrams(&mut card, host);
    exchange_over_a_connection(&mut card, host);
    drop(card);
    let output = passt.wait_with_output().expect("passt ends with its guest");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
}
