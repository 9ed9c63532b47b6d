//! What was answered and what was not, counted.

macro_rules! counted {
    ($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$each])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// A few words a person understands.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

counted! {
    /// What was answered.
    Served {
        /// A request for the link-layer address of the service, or an echo.
        Neighbour = "neighbour",
        /// DHCPOFFER.
        Offer = "dhcp offer",
        /// DHCPACK.
        Ack = "dhcp ack",
        /// DHCPNAK.
        Nak = "dhcp nak",
        /// A message of DHCPv6.
        Dhcp6 = "dhcpv6",
        /// A router advertisement.
        Advert = "router advertisement",
        /// A name or address of the lab.
        Name = "name",
        /// A name that was asked outside.
        Forwarded = "forwarded name",
    }
}

counted! {
    /// Why something was not answered, or answered with a refusal.
    Refusal {
        /// Cut short, or a field that cannot be.
        Malformed = "malformed request to the network",
        /// No interface of the network has this MAC address.
        UnknownClient = "dhcp: no interface of the lab has this mac address",
        /// The MAC address is that of an interface elsewhere.
        WrongPort = "dhcp: the mac address belongs to another port",
        /// The client asks for what is not its own.
        WrongAddress = "dhcp: asked for an address that is not its own",
        /// The client says that somebody else has its address.
        Declined = "dhcp: the client says its address is taken",
        /// By way of a relay.
        Relayed = "dhcp: relays are not served",
        /// The interface has no address of this family.
        NoAddress = "dhcp: the interface has no address of this family",
        /// Another DHCP server was chosen.
        OtherServer = "dhcp: for another server",
        /// `dhcp: false`.
        Off = "dhcp is off in this network",
        /// No service of the network is at this protocol and port.
        NotServed = "no such service at the network's address",
        /// A name that is neither the lab's nor can be asked outside.
        NoUpstream = "dns: no way to ask outside",
        /// Too many questions wait for an answer from outside.
        Busy = "dns: too many questions at once",
        /// No answer came from outside in time.
        Timeout = "dns: no answer from outside",
        /// What a name server is not asked for: a transfer, an update, another class.
        Unsupported = "dns: not a question this server answers",
    }
}

/// How often each came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    served: [u64; Served::ALL.len()],
    refused: [u64; Refusal::ALL.len()],
}

impl Tally {
    pub(crate) fn serve(&mut self, what: Served) {
        if let Some(count) = self.served.get_mut(what as usize) {
            *count += 1;
        }
    }

    pub(crate) fn refuse(&mut self, why: Refusal) {
        if let Some(count) = self.refused.get_mut(why as usize) {
            *count += 1;
        }
    }

    /// What was answered, and how often: only what came about.
    pub fn served(&self) -> impl Iterator<Item = (Served, u64)> {
        Served::ALL.iter().copied().zip(self.served).filter(|(_, count)| *count > 0)
    }

    /// What was refused, likewise.
    pub fn refused(&self) -> impl Iterator<Item = (Refusal, u64)> {
        Refusal::ALL.iter().copied().zip(self.refused).filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_came_about_is_told() {
        let mut tally = Tally::default();
        tally.serve(Served::Ack);
        tally.serve(Served::Ack);
        tally.refuse(Refusal::Unsupported);
        assert_eq!(tally.served().collect::<Vec<_>>(), [(Served::Ack, 2)]);
        assert_eq!(tally.refused().collect::<Vec<_>>(), [(Refusal::Unsupported, 1)]);
    }
}
