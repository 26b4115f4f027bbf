//! IANA's protocol numbers → the keywords of the registry in lower case, as ECS has them in `network.transport`.

/// Keyword of a protocol number; `None` where IANA gives none.
pub fn keyword(number: i64) -> Option<&'static str> {
    usize::try_from(number).ok().and_then(|number| KEYWORDS.get(number)).copied().filter(|keyword| !keyword.is_empty())
}

/// "Assigned Internet Protocol Numbers". Numbers without a keyword (61, 63, 68, 99, 114 and from 148 up) are empty.
#[rustfmt::skip]
static KEYWORDS: [&str; 148] = [
    "hopopt", "icmp", "igmp", "ggp", "ipv4", "st", "tcp", "cbt", "egp", "igp",
    "bbn-rcc-mon", "nvp-ii", "pup", "argus", "emcon", "xnet", "chaos", "udp", "mux", "dcn-meas",
    "hmp", "prm", "xns-idp", "trunk-1", "trunk-2", "leaf-1", "leaf-2", "rdp", "irtp", "iso-tp4",
    "netblt", "mfe-nsp", "merit-inp", "dccp", "3pc", "idpr", "xtp", "ddp", "idpr-cmtp", "tp++",
    "il", "ipv6", "sdrp", "ipv6-route", "ipv6-frag", "idrp", "rsvp", "gre", "dsr", "bna",
    "esp", "ah", "i-nlsp", "swipe", "narp", "min-ipv4", "tlsp", "skip", "ipv6-icmp", "ipv6-nonxt",
    "ipv6-opts", "", "cftp", "", "sat-expak", "kryptolan", "rvd", "ippc", "", "sat-mon",
    "visa", "ipcv", "cpnx", "cphb", "wsn", "pvp", "br-sat-mon", "sun-nd", "wb-mon", "wb-expak",
    "iso-ip", "vmtp", "secure-vmtp", "vines", "iptm", "nsfnet-igp", "dgp", "tcf", "eigrp", "ospfigp",
    "sprite-rpc", "larp", "mtp", "ax.25", "ipip", "micp", "scc-sp", "etherip", "encap", "",
    "gmtp", "ifmp", "pnni", "pim", "aris", "scps", "qnx", "a/n", "ipcomp", "snp",
    "compaq-peer", "ipx-in-ip", "vrrp", "pgm", "", "l2tp", "ddx", "iatp", "stp", "srp",
    "uti", "smp", "sm", "ptp", "isis over ipv4", "fire", "crtp", "crudp", "sscopmce", "iplt",
    "sps", "pipe", "sctp", "fc", "rsvp-e2e-ignore", "mobility header", "udplite", "mpls-in-ip", "manet", "hip",
    "shim6", "wesp", "rohc", "ethernet", "aggfrag", "nsh", "homa", "bit-emu",
];

#[cfg(test)]
mod tests {
    use super::keyword;

    #[test]
    fn registry_rows() {
        for (number, name) in [
            (0, "hopopt"),
            (1, "icmp"),
            (2, "igmp"),
            (6, "tcp"),
            (8, "egp"),
            (17, "udp"),
            (41, "ipv6"),
            (47, "gre"),
            (50, "esp"),
            (51, "ah"),
            (58, "ipv6-icmp"),
            (84, "iptm"),
            (89, "ospfigp"),
            (103, "pim"),
            (112, "vrrp"),
            (115, "l2tp"),
            (132, "sctp"),
            (136, "udplite"),
            (140, "shim6"),
            (143, "ethernet"),
            (147, "bit-emu"),
        ] {
            assert_eq!(keyword(number), Some(name), "{number}");
        }
        for number in [-1, 61, 63, 68, 99, 114, 148, 253, 255] {
            assert_eq!(keyword(number), None, "{number}");
        }
    }
}
