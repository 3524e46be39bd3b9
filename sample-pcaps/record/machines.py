#!/usr/bin/python3
"""Controllers for the scenes: Modbus by pymodbus, BACnet/IP by messages made from ASHRAE 135.

    machines.py modbus-server | modbus-client SERVER | bacnet-server | bacnet-client SERVER BROADCAST
"""
import socket
import sys

MODEL, FIRMWARE, NAME = b"ACS-72", b"4.2.1", b"door-2"
DEVICE = bytes([2, 0, 0x1B, 0x48])  # object of type 8 (device), instance 6984


def frame(function, apdu):
    """BVLC header, NPDU without addresses (a reply is expected where it is a confirmed request)."""
    npdu = bytes([1, 4 if apdu[0] == 0 else 0])
    return bytes([0x81, function]) + (len(npdu) + len(apdu) + 4).to_bytes(2, "big") + npdu + apdu


def bacnet_server():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    s.bind(("", 47808))
    texts = {70: MODEL, 44: FIRMWARE, 77: NAME}
    while True:
        data, peer = s.recvfrom(1500)
        apdu = data[6:]
        if apdu[:2] == b"\x10\x08":  # Who-Is -> I-Am: device, longest message, no segments, vendor 8
            s.sendto(frame(0x0A, b"\x10\x00\xc4" + DEVICE + b"\x22\x05\xc4\x91\x03\x21\x08"), peer)
        elif apdu[0] == 0 and apdu[3] == 12:  # ReadProperty -> the text
            prop = apdu[10]
            text = b"\0" + texts[prop]
            value = (bytes([0x70 | len(text)]) if len(text) < 5 else bytes([0x75, len(text)])) + text
            body = b"\x0c" + DEVICE + bytes([0x19, prop, 0x3E]) + value + b"\x3f"
            s.sendto(frame(0x0A, bytes([0x30, apdu[2], 12]) + body), peer)
        elif apdu[0] == 0:  # anything else is acknowledged
            s.sendto(frame(0x0A, bytes([0x20, apdu[2], apdu[3]])), peer)


def bacnet_client(server, broadcast):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    s.bind(("", 47808))
    s.settimeout(2)
    s.sendto(frame(0x0B, b"\x10\x08"), (broadcast, 47808))
    s.recvfrom(1500)
    requests = [b"\x0c\x0c" + DEVICE + bytes([0x19, prop]) for prop in (70, 44, 77)]
    # WriteProperty: binary output 1, present value, active, priority 8; then ReinitializeDevice: warm start.
    requests += [b"\x0f\x0c\x01\x00\x00\x01\x19\x55\x3e\x91\x01\x3f\x49\x08", b"\x14\x09\x01"]
    for number, request in enumerate(requests):
        s.sendto(frame(0x0A, bytes([0, 4, number]) + request), (server, 47808))
        s.recvfrom(1500)


def modbus_server():
    from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
    from pymodbus.device import ModbusDeviceIdentification
    from pymodbus.server import StartTcpServer

    block = ModbusSequentialDataBlock(0, [7] * 32)
    store = ModbusSlaveContext(di=block, co=block, hr=block, ir=block)
    identity = ModbusDeviceIdentification(info={0: "Acme Controls", 1: "ACS72", 2: "4.2.1", 5: "ACS-72"})
    StartTcpServer(context=ModbusServerContext(slaves=store, single=True), identity=identity, address=("0.0.0.0", 502))


def modbus_client(server):
    from pymodbus.client import ModbusTcpClient
    from pymodbus.mei_message import ReadDeviceInformationRequest

    client = ModbusTcpClient(server)
    client.connect()
    client.execute(ReadDeviceInformationRequest(read_code=2, unit=1))
    client.read_holding_registers(1, 4, slave=1)
    client.write_register(3, 21, slave=1)
    client.write_coil(2, True, slave=1)
    client.close()


if __name__ == "__main__":
    globals()[sys.argv[1].replace("-", "_")](*sys.argv[2:])
