//! Inputs to begin with for databases, brokers and controllers that no sample capture holds: the beginnings
//! of sessions, made from the standards.

use super::script::append;

/// What each side of a flow sends in turn, the originator first.
type Turns = &'static [(bool, &'static [u8])];

/// `hunter22` as LOGIN7 writes it (MS-TDS, section 2.2.6.4) would be no different to a parser: zeros do.
const LOGIN7: &[u8] = b"\x10\x01\0\x7c\0\0\x01\0\x74\0\0\0\x04\0\0\x74\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
    \x62\0\x01\0\x64\0\x02\0\x68\0\x02\0\x6c\0\x01\0\x6e\0\0\0\x6e\0\0\0\x6e\0\0\0\x6e\0\0\0\x6e\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
    P\0s\0a\0\xb3\xa5\xb3\xa5i\0d\0\0\0\0\0";

const SESSIONS: &[(&str, Turns)] = &[
    (
        "mssql",
        &[
            (false, b"\x12\x01\0\x1a\0\0\x01\0\0\0\x0b\0\x06\x01\0\x11\0\x01\xff\x0f\0\x10\x2e\0\0\x02"),
            (true, b"\x04\x01\0\x1a\0\0\x01\0\0\0\x0b\0\x06\x01\0\x11\0\x01\xff\x0f\0\x10\x2e\0\0\x02"),
            (false, LOGIN7),
            (true, b"\x04\x01\0\x11\0\0\x01\0\xe3\x02\0\x01\x02\xad\x01\0\x01"),
        ],
    ),
    (
        "amqp",
        &[
            (false, b"AMQP\0\0\x09\x01"),
            (true, b"\x01\0\0\0\0\0\x24\0\x0a\0\x0a\0\x09\0\0\0\x0c\x07productS\0\0\0\0\0\0\0\x05PLAIN\0\0\0\x01e\xce"),
            (false, b"\x01\0\0\0\0\0\x1c\0\x0a\0\x0b\0\0\0\0\x05PLAIN\0\0\0\x08\0joe\0pwd\x01e\xce"),
            (true, b"\x01\0\0\0\0\0\x0c\0\x0a\0\x1e\0\0\0\0\0\0\0\0\xce"),
        ],
    ),
    ("stomp", &[(false, b"CONNECT\nlogin:joe\npasscode:hunter22\n\n\0"), (true, b"CONNECTED\nserver:x\n\n\0")]),
    (
        "mongodb",
        &[
            (
                false,
                b"\x43\0\0\0\x07\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0\0\x2e\0\0\0\x10saslStart\0\x01\0\0\0\x02mechanism\0\x06\0\0\0PLAIN\0\0\0\0\0\0",
            ),
            (true, b"\x23\0\0\0\x08\0\0\0\x07\0\0\0\xdd\x07\0\0\0\0\0\0\0\x0e\0\0\0\x10ok\0\x01\0\0\0\0"),
        ],
    ),
    (
        "cassandra",
        &[
            (false, b"\x04\0\0\x01\x01\0\0\0\x16\0\x01\0\x0bCQL_VERSION\0\x053.4.5"),
            (true, b"\x84\0\0\x01\x03\0\0\0\x05\0\x03org"),
            (false, b"\x04\0\0\x02\x0f\0\0\0\x11\0\0\0\x0d\0joe\0hunter22"),
            (true, b"\x84\0\0\x02\x10\0\0\0\x04\xff\xff\xff\xff"),
        ],
    ),
    (
        "oracle",
        &[
            (
                false,
                b"\0\x5c\0\0\x01\0\0\0\x01\x3b\x01\x2c\0\0\0\0\0\0\0\0\0\0\0\x01\0\x22\0\x3a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0(CONNECT_DATA=(SID=x)(CID=(USER=j)))",
            ),
            (true, b"\0\x08\0\0\x0b\0\0\0"),
        ],
    ),
    (
        "memcached",
        &[
            (false, b"\x80\x21\0\x05\0\0\0\0\0\0\0\x0d\0\0\0\0\0\0\0\0\0\0\0\0PLAIN\0joe\0pwd"),
            (true, b"\x81\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
            (false, b"stats\r\nset k 0 0 4\r\nabcd\r\n"),
            (true, b"STAT pid 5\r\nSTAT version 1.6.18\r\nEND\r\nSTORED\r\n"),
        ],
    ),
    (
        "jxta",
        &[
            (false, b"JXTAHELLO tcp://a:1 tcp://b:2 urn:jxta:uuid-59 0 1.1\r\n"),
            (true, b"JXTAHELLO tcp://b:2 tcp://a:1 urn:jxta:uuid-60 0 1.1\r\n"),
            (
                false,
                b"\x0econtent-length\0\x08\0\0\0\0\0\0\0\x48\0jxmg\0\0\x01\0\x07jxtatls\0\x01jxel\x02\x01\0\x011\0\x1capplication/x-jxta-tls-block\0\0\0\x09\x16\x03\x01\0\x04\x01\0\0\0",
            ),
        ],
    ),
    (
        "openvpn",
        &[
            (false, b"\0\x0e\x38\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\0\0"),
            (true, b"\0\x0e\x40\x01\x02\x03\x04\x05\x06\x07\x09\0\0\0\0\0"),
            (false, b"\0\x11\x20\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\0\x01\x16\x03\x01"),
            (false, b"\0\x0f\x20\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\0\x03\x01"),
            (false, b"\0\x0e\x19\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\0\0"),
        ],
    ),
    (
        "kafka",
        &[
            (false, b"\0\0\0\x14\0\x11\0\x01\0\0\0\x08\0\x03cli\0\x05PLAIN"),
            (false, b"\0\0\0\x1e\0\x24\0\0\0\0\0\x09\0\x03cli\0\0\0\x0d\0joe\0hunter22"),
            (true, b"\0\0\0\x06\0\0\0\x09\0\0"),
        ],
    ),
    (
        "opcua",
        &[
            (false, b"HELF\x23\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x03\0\0\0o:x"),
            (false, b"OPNF\x1d\0\0\0\0\0\0\0\x05\0\0\0#None\xff\xff\xff\xff\xff\xff\xff\xff"),
            (false, b"MSGF\x28\0\0\0\x01\0\x44\x01\x01\x17\0\0\0\0\0\0\0\x03\0\0\0joe\x04\0\0\0pass\xff\xff\xff\xff"),
        ],
    ),
    (
        "s7comm",
        &[
            (false, b"\x03\0\0\x16\x11\xe0\0\0\0\x01\0\xc1\x02\x01\0\xc2\x02\x01\x02\xc0\x01\x0a"),
            (false, b"\x03\0\0\x12\x02\xf0\x80\x32\x01\0\0\0\0\0\x01\0\0\x29"),
            (true, b"\x03\0\0\x2b\x02\xf0\x80\x32\x07\0\0\0\0\0\x08\0\x12\0\x01\x12\x04\x12\x84\x01\0\xff\x09\0\x0e\0\x1c\0\0\0\x06\0\x01\0\x07CPU1"),
        ],
    ),
    ("dnp3", &[(false, b"\x05\x64\x05\xc0\x01\0\0\x04\xe9\x21\x05\x64\x05\xc0\x01\0\0\x04\xe9\x21")]),
    (
        "knx",
        &[
            (false, b"\x06\x10\x02\x01\0\x0e\x08\x01\xc0\xa8\0\x09\x0e\x57"),
            (
                true,
                b"\x06\x10\x02\x04\0\x3c\x36\x01\x02\0\x11\x05\0\0\0\xa6\x01\x02\x03\x04\xe0\0\x17\x0c\0\x24\x6d\x01\x02\x03IP Router\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            ),
        ],
    ),
    (
        "enip",
        &[
            (false, b"\x63\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
            (
                true,
                b"\x63\0\x2a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\x0c\0\x24\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\x0e\0\x36\0\x14\x0b\0\0\x01\x02\x03\x04\x02L3\x03",
            ),
        ],
    ),
    (
        "iec104",
        &[
            (false, b"\x68\x04\x07\0\0\0"),
            (true, b"\x68\x04\x0b\0\0\0"),
            (false, b"\x68\x0e\0\0\0\0\x2d\x01\x06\0\x03\0\x07\x01\0\x01"),
        ],
    ),
];

/// The scripts of a protocol; none where the sample captures hold it.
pub fn scripts(protocol: &str) -> Vec<Vec<u8>> {
    let of = SESSIONS.iter().filter(|(name, _)| *name == protocol);
    of.map(|(_, turns)| {
        let mut script = Vec::new();
        for (responder, bytes) in *turns {
            append(&mut script, *responder, bytes);
        }
        script
    })
    .collect()
}
