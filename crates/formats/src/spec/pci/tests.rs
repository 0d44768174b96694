use super::*;
use crate::spec::{ChannelSpec, DiskSpec, DisplaySpec};
use proptest::prelude::*;

fn seat(text: &str) -> Seat {
    text.parse().unwrap()
}

fn disks(count: u16) -> Vec<DiskSpec> {
    let path = |number| Some(format!("/{number}.img").into());
    (0..count).map(|number| DiskSpec { path: path(number), ..DiskSpec::default() }).collect()
}

fn bus(index: u8, model: BusModel) -> BusSpec {
    BusSpec { index, model, chassis: None, port: None, fixed: false }
}

fn guest(buses: Vec<BusSpec>, places: &[(&str, &str)]) -> GuestSpec {
    let place = |(device, at): &(&str, &str)| (device.parse().unwrap(), seat(at));
    let places = places.iter().map(place).collect();
    let net = Some(NetSpec::User);
    GuestSpec { disks: disks(2), net, pci: PciSpec { buses, places }, ..GuestSpec::default() }
}

fn at(board: &Board, device: &str) -> String {
    board.seats[&device.parse().unwrap()].to_string()
}

#[test]
fn where_nothing_is_said_each_sort_of_device_has_its_own_slot() {
    let mut all = guest(Vec::new(), &[]);
    (all.display, all.balloon) = (DisplaySpec::Vnc, true);
    all.watchdog = Some(svirt_model::WatchdogAction::Reset);
    all.channels = vec![ChannelSpec::default()];
    let seats = all.board().unwrap().seats;
    let seats: Vec<String> = seats.iter().map(|(who, at)| format!("{who} {at}")).collect();
    let expected = [
        "video 00:01.0",
        "usb 00:02.0",
        "card 00:03.0",
        "ports 00:04.0",
        "random 00:05.0",
        "balloon 00:06.0",
        "watchdog 00:07.0",
        "disk0 00:08.0",
        "disk1 00:09.0",
    ];
    assert_eq!(seats, expected);
    all.balloon = false;
    assert_eq!(at(&all.board().unwrap(), "disk1"), "00:09.0", "what goes moves nobody");
}

#[test]
fn what_real_libvirt_writes_is_where_it_says() {
    let buses = vec![bus(1, BusModel::PcieRootPort), bus(2, BusModel::PcieRootPort)];
    let places =
        [("bus1", "00:02.0+"), ("bus2", "00:02.1"), ("card", "01:00.0"), ("disk1", "02:00.0")];
    let board = guest(buses, &places).board().unwrap();
    for (device, place) in places {
        assert_eq!(at(&board, device), place);
    }
    assert_eq!((at(&board, "disk0"), at(&board, "random")), ("00:08.0".into(), "00:05.0".into()));
    let ports: Vec<_> = board.buses.iter().map(|bus| (bus.chassis, bus.port)).collect();
    assert_eq!(ports, [(1, 0x10), (2, 0x11)]);
}

#[test]
fn what_cannot_be_is_refused_and_named() {
    use BusModel::{PciBridge, PcieRootPort, PcieSwitchDownstreamPort, PcieToPciBridge};
    let port = || vec![bus(1, PcieRootPort)];
    for (buses, places, said) in [
        (
            vec![],
            vec![("card", "00:03.0"), ("disk0", "00:03.0")],
            "are both at PCI address 00:03.0",
        ),
        (vec![], vec![("card", "01:00.0")], "the network card is on PCI bus 1, which there is not"),
        (port(), vec![("card", "01:01.0")], "slots 0x00 to 0x00"),
        (vec![], vec![("disk1", "00:1f.2")], "disk number 2 is at PCI address 00:1f.2"),
        (vec![], vec![("card", "00:04.1"), ("disk0", "00:04.0")], "does not say that there are"),
        (vec![], vec![("card", "00:04.1")], "does not say that there are"),
        (vec![], vec![("absent0", "00:04.0+"), ("card", "00:04.1")], "does not say that there are"),
        (vec![], vec![("balloon", "00:04.0")], "the machine has no such device"),
        (vec![], vec![("bus1", "00:04.0")], "the machine has no such device"),
        (vec![bus(0, PcieRootPort)], vec![], "two PCI buses with the number 0"),
        (vec![bus(1, PcieRootPort), bus(1, PcieRootPort)], vec![], "the number 1"),
        (vec![bus(1, PcieToPciBridge), bus(2, PcieRootPort)], vec![("bus2", "01:01.0")], "own bus"),
        (vec![bus(1, PcieToPciBridge)], vec![("bus1", "01:01.0")], "smaller number"),
        (vec![bus(1, PciBridge)], vec![("bus1", "00:04.0")], "conventional"),
        (vec![bus(1, PcieSwitchDownstreamPort)], vec![], "no free PCI address"),
        (
            vec![BusSpec { chassis: Some(2), ..bus(1, PcieRootPort) }, bus(2, PcieRootPort)],
            vec![],
            "chassis 2",
        ),
    ] {
        let error = guest(buses.clone(), &places).board().unwrap_err();
        assert!(error.to_string().contains(said), "{buses:?} {places:?}: {error}");
        assert!(!error.hint().is_empty());
    }
}

#[test]
fn discs_and_channels_have_numbers_of_their_own() {
    let disc =
        |unit| DiskSpec { path: Some("/a.iso".into()), cdrom: true, unit, ..DiskSpec::default() };
    let discs = |units: &[Option<u8>]| {
        let disks = units.iter().map(|unit| disc(*unit)).collect();
        GuestSpec { disks, cdrom: Some("/b.iso".into()), ..GuestSpec::default() }.board()
    };
    let units = discs(&[None, Some(0), None]).unwrap().discs;
    assert_eq!(units.into_values().collect::<Vec<_>>(), [1, 0, 2, 3]);
    for units in [&[Some(6)][..], &[Some(1), Some(1)], &[None; 6]] {
        let error = discs(units).unwrap_err().to_string();
        assert!(error.contains("port of the SATA controller, which has 6"), "{error}");
    }
    let named =
        |name: &str, port| ChannelSpec { name: Some(name.into()), port, ..ChannelSpec::default() };
    let ports = |channels| GuestSpec { channels, ..GuestSpec::default() }.board().map(|b| b.ports);
    let console = ChannelSpec::default();
    let some =
        vec![named("a", Some(2)), named("b", None), console.clone(), console, named("c", None)];
    assert_eq!(ports(some).unwrap(), [2, 1, 0, 3, 4]);
    assert!(ports(vec![named("a", Some(0))]).is_err());
    assert!(ports(vec![named("a", Some(31))]).is_err());
    assert!(ports(vec![named("a", Some(1)), named("b", Some(1))]).is_err());
}

#[test]
fn nothing_is_put_where_arguments_of_the_users_own_name_a_place() {
    let words = ["-device", "virtio-net-pci,addr=3", "-device", "a,bus=pcie.0,addr=0x8.0x0"];
    let mut some = guest(Vec::new(), &[]);
    some.extra = words.map(str::to_owned).to_vec();
    let board = some.board().unwrap();
    assert_eq!((at(&board, "card"), at(&board, "disk0")), ("00:04.0".into(), "00:09.0".into()));
    some.pci.places.insert(PciDevice::Disk(1), seat("00:03.0"));
    assert!(matches!(some.board(), Err(BoardError::Taken { .. })));
}

#[test]
fn as_many_disks_as_a_machine_has_have_a_place_each() {
    let all = GuestSpec { disks: disks(64), ..GuestSpec::default() };
    let board = all.board().unwrap();
    let few = GuestSpec { disks: disks(3), ..GuestSpec::default() }.board().unwrap();
    for disk in ["disk0", "disk1", "disk2"] {
        let place = |board: &Board| board.seats[&disk.parse().unwrap()].place;
        assert_eq!(place(&board), place(&few), "more disks move none");
    }
    assert_eq!(at(&board, "disk0"), "00:08.0+");
    distinct(&board);
}

/// No two devices share a place, and a guest finds every function.
fn distinct(board: &Board) {
    let places: BTreeSet<PciPlace> = board.seats.values().map(|seat| seat.place).collect();
    assert_eq!(places.len(), board.seats.len(), "{board:?}");
    for Seat { place, .. } in board.seats.values().filter(|seat| seat.place.function > 0) {
        let first = board.seats.values().find(|seat| seat.place == place.first());
        assert!(first.is_some_and(|first| first.multifunction), "{place} in {board:?}");
    }
}

fn some_bus() -> impl Strategy<Value = BusSpec> {
    let model = prop::sample::select(BusModel::ALL);
    let chassis = prop::option::weighted(0.1, 0..4_u8);
    (1..6_u8, model, chassis, any::<bool>()).prop_map(|(index, model, chassis, fixed)| BusSpec {
        index,
        model,
        chassis,
        port: None,
        fixed,
    })
}

fn some_device() -> impl Strategy<Value = PciDevice> {
    let devices =
        ["card", "random", "balloon", "disk0", "disk1", "bus1", "bus2", "absent0", "video"];
    prop::sample::select(devices.map(|word| word.parse().unwrap()).to_vec())
}

fn some_seat() -> impl Strategy<Value = Seat> {
    let slot = prop_oneof![Just(0), 1..10_u8, 0..=SLOT_MAX];
    let function = prop_oneof![4 => Just(0), 1 => 0..=FUNCTION_MAX];
    (0..4_u8, slot, function, any::<bool>()).prop_map(|(bus, slot, function, multifunction)| Seat {
        place: PciPlace { bus, slot, function },
        multifunction,
    })
}

fn some_guest() -> impl Strategy<Value = GuestSpec> {
    let buses = prop::collection::vec(some_bus(), 0..5);
    let places = prop::collection::btree_map(some_device(), some_seat(), 0..5);
    let screen = any::<bool>();
    (buses, places, screen, 2..64_u16).prop_map(|(buses, mut places, screen, count)| {
        if !screen {
            places.remove(&PciDevice::Video);
        }
        let display = if screen { DisplaySpec::Vnc } else { DisplaySpec::None };
        let (disks, net, balloon) = (disks(count), Some(NetSpec::User), true);
        let pci = PciSpec { buses, places };
        GuestSpec { disks, net, balloon, display, pci, ..GuestSpec::default() }
    })
}

proptest! {
    #[test]
    fn whatever_is_said_no_two_share_a_place_and_what_is_said_counts(guest in some_guest()) {
        let Ok(board) = guest.board() else { return Ok(()) };
        distinct(&board);
        prop_assert_eq!(&board, &guest.board().unwrap());
        for (device, seat) in &guest.pci.places {
            prop_assert!(matches!(device, PciDevice::Absent(_)) || board.seats.get(device) == Some(seat));
        }
        let ghosts = guest.pci.places.iter().filter(|(who, _)| matches!(who, PciDevice::Absent(_)));
        for (_, ghost) in ghosts {
            prop_assert!(board.seats.values().all(|seat| seat.place != ghost.place));
        }
    }

    #[test]
    fn some_of_what_was_chosen_said_again_chooses_the_rest_again(
        guest in some_guest(),
        say in prop::collection::vec(any::<bool>(), 80),
    ) {
        let Ok(board) = guest.board() else { return Ok(()) };
        let mut again = guest.clone();
        let said = board.seats.iter().zip(say).filter(|(_, say)| *say);
        again.pci.places.extend(said.map(|((device, seat), _)| (*device, *seat)));
        // A function that is said needs the first one to be said with it.
        let firsts: Vec<PciPlace> =
            again.pci.places.values().map(|s| s.place).filter(|p| p.function > 0).collect();
        for (device, seat) in &board.seats {
            if firsts.iter().any(|place| place.first() == seat.place) {
                again.pci.places.insert(*device, *seat);
            }
        }
        prop_assert_eq!(again.board().unwrap(), board);
    }
}
