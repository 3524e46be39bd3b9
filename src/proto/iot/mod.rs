//! Things, buildings and machines.

pub mod bacnet;
pub mod bacnet_names;
pub mod coap;
pub mod enip;
pub mod knx;
pub mod modbus;
pub mod mqtt;
pub mod mqtt_event;
pub mod opcua;
pub mod operation;
pub mod s7comm;
pub mod telecontrol;
